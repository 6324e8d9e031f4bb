"""Training, scoring, tables, figures and the summary on a small data set."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

import engine
from scripts import baselines, figures, report, tables
from scripts.lib.io import cli
from scripts.lib.io.files import read_json, write_csv, write_json
from scripts.lib.score import evaluation
from scripts.lib.train import learn
from tests.conftest import ROOT

from .protocols import PROTOCOLS

VARIANTS = [
    {
        "id": "months",
        "model": "ignet-depth2",
        "target": ["age_months"],
        "task": "regression",
        "loss": "mean_absolute_error",
        "augmentation": "ignet",
        "why_not": None,
        "left_out": False,
        "recipe": {"passes": 3},
        "published": {"metric": "mape", "value": 0.4, "relation": "<=", "where": "S0"},
    },
    {
        "id": "years",
        "model": "ignet-depth2",
        "target": ["age_years"],
        "task": "classification",
        "loss": "softmax_cross_entropy",
        "augmentation": "ignet",
        "why_not": None,
        "left_out": False,
        "recipe": {"passes": 3},
        "published": None,
    },
    {
        "id": "sex",
        "model": "ignet-depth2",
        "target": ["sex"],
        "task": "classification",
        "loss": "softmax_cross_entropy",
        "augmentation": "ignet",
        "why_not": "small does not record sex",
        "left_out": False,
        "published": {"metric": "accuracy", "value": 9, "relation": "=", "where": "S0"},
    },
]
RECIPE = {
    "optimizer": {"sgd": {"learning_rate": 0.001}},
    "batch_size": 8,
    "passes": 3,
    "tolerance": 7,
    "target_scale": 100,
}
EXPERIMENT = {
    "experiment": "small",
    "title": "A small study",
    "source": "S0",
    "scale": "smoke",
    "seeds": [0],
    "augmentation": "ignet",
    "dataset": "small",
    "left_out": [],
    "baselines": True,
    "protocols": list(PROTOCOLS.values()),
    "variants": VARIANTS,
}


def _task(variant, protocol, **recipe):
    chosen = next(v for v in VARIANTS if v["id"] == variant)
    return json.dumps(
        {
            "experiment": "small",
            "variant": variant,
            "protocol": PROTOCOLS[protocol],
            "recipe": {**RECIPE, **recipe},
            "options": {},
            **{k: chosen[k] for k in ("target", "task", "loss")},
        }
    )


def _arguments(small, folder, variant, protocol, **recipe):
    return SimpleNamespace(
        augmented=small.augmented,
        labels=small.labels,
        folds=getattr(small, protocol.replace("-", "_")),
        experiment_json=_task(variant, protocol, **recipe),
        seed=0,
        device="reference",
        threads=1,
        model=ROOT / "config/models/ignet-depth2.yaml",
        test=[],
        folder=folder,
    )


@pytest.fixture(scope="module")
def study(small, tmp_path_factory):
    """All runs of the small study, its table, and where everything lies."""
    base = tmp_path_factory.mktemp("study")
    runs = []
    for variant in ("months", "years"):
        for protocol in PROTOCOLS:
            folder = base / f"runs/small/{variant}/{protocol}/seed0"
            arguments = _arguments(small, folder, variant, protocol)
            learn.train(arguments)
            evaluation.evaluate(arguments)
            runs += [folder / f"fold{fold}" for fold in range(2)]
            trivial = _baseline_arguments(small, base, variant, protocol)
            baselines.make_baselines(trivial)
    source = base / "source.json"
    write_json(
        source,
        {
            "dataset": "small",
            "title": "Small",
            "status": "stand-in",
            "stands_in_for": "stirling",
        },
    )
    arguments = SimpleNamespace(
        experiment_json=json.dumps(EXPERIMENT),
        runs=base / "runs",
        baselines=base / "baselines",
        source=source,
        labels=small.labels,
        augmented=small.augmented,
        output_stem=base / "tables/small",
    )
    tables.make_table(arguments)
    return SimpleNamespace(base=base, runs=runs, arguments=arguments)


def _baseline_arguments(small, base, variant, protocol):
    chosen = next(v for v in VARIANTS if v["id"] == variant)
    target = "+".join(chosen["target"])
    return SimpleNamespace(
        augmented=small.augmented,
        labels=small.labels,
        folds=getattr(small, protocol.replace("-", "_")),
        protocol=ROOT / f"config/protocols/{protocol}.yaml",
        target=target,
        task=chosen["task"],
        output=base / "baselines/ignet" / protocol / f"{chosen['task']}-{target}.json",
    )


def _read(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


@pytest.mark.parametrize(("said", "tunes"), [("1", True), ("0", False), (None, True)])
def test_the_pipelines_setting_says_whether_tiles_are_measured(
    said, tunes, monkeypatch
):
    if said is None:
        monkeypatch.delenv("IGNETLAB_TUNE", raising=False)
    else:
        monkeypatch.setenv("IGNETLAB_TUNE", said)
    assert cli.tune() == tunes


def test_a_run_leaves_its_files_and_no_checkpoint(study):
    for run in study.runs:
        names = sorted(path.name for path in run.iterdir())
        assert names == [
            "history.csv",
            "last.npz",
            "metrics.json",
            "model.npz",
            "predictions.csv",
            "records.csv",
            "training.json",
        ]
        assert len(_read(run / "history.csv")) == 3


def test_metrics_agree_with_the_predictions(study):
    run = study.runs[0]
    metrics = read_json(run / "metrics.json")
    rows = [r for r in _read(run / "predictions.csv") if r["part"] == "test"]
    true = np.array([float(r["target"]) for r in rows])
    given = np.array([float(r["prediction"]) for r in rows])
    mape = 100 * np.mean(abs(given - true) / true)
    part = metrics["parts"]["test"]["best"]
    assert part["score"] == pytest.approx(mape, abs=1e-3)
    assert part["n"] == len(rows)
    sums = np.array(list(part["groups"].values()))
    assert sums[:, 1].sum() == len(rows)
    assert sums[:, 0].sum() / len(rows) == pytest.approx(part["score"])


def test_training_again_gives_the_same_bytes(small, study, tmp_path):
    learn.train(_arguments(small, tmp_path, "months", "paper"))
    _same_models(study, tmp_path)


def _same_models(study, folder):
    for fold in range(2):
        made = (folder / f"fold{fold}/model.npz").read_bytes()
        assert made == (study.runs[fold] / "model.npz").read_bytes()


@pytest.mark.parametrize(("protocol", "same"), [("paper", True), ("by-child", False)])
def test_weights_are_carried_from_fold_to_fold_where_the_protocol_says_so(
    small, tmp_path, protocol, same
):
    """With no learning, fold 1 ends with the weights that fold 0 ended with."""
    still = {"optimizer": {"sgd": {"learning_rate": 0.0}}}
    learn.train(_arguments(small, tmp_path, "months", protocol, **still))
    models = [(tmp_path / f"fold{j}/model.npz").read_bytes() for j in range(2)]
    assert (models[0] == models[1]) is same


def test_options_of_the_model_are_those_of_the_variant(small, tmp_path):
    arguments = _arguments(small, tmp_path, "months", "by-child")
    task = json.loads(arguments.experiment_json)
    arguments.experiment_json = json.dumps({**task, "options": {"bipolar": True}})
    learn.train(arguments)
    network = engine.load(tmp_path / "fold0/model.npz", device="reference")
    assert network.layers[-1].settings["function"] == "bipolar_sigmoid"


@pytest.mark.parametrize("left", ["other", "damaged"])
def test_a_checkpoint_that_does_not_belong_is_left_aside(
    small, study, tmp_path, capsys, left
):
    """A stopped run left it, and the recipe is another by now, or the disk was full."""
    checkpoint = tmp_path / "fold0/checkpoint.npz"
    if left == "damaged":
        checkpoint.parent.mkdir()
        checkpoint.write_bytes(b"PK\x03\x04 and no more")
    else:
        _leave_checkpoint(small, tmp_path)
    learn.train(_arguments(small, tmp_path, "months", "paper"))
    _same_models(study, tmp_path)
    assert "learning from the start: " in capsys.readouterr().err
    assert not checkpoint.exists()


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(
    small, study, tmp_path, capsys
):
    checkpoint = _leave_checkpoint(small, tmp_path, learning_rate=0.001)
    older = checkpoint.with_name(checkpoint.name + ".previous")
    older.write_bytes(checkpoint.read_bytes())
    checkpoint.write_bytes(older.read_bytes()[:-20])
    capsys.readouterr()
    learn.train(_arguments(small, tmp_path, "months", "paper"))
    _same_models(study, tmp_path)
    said = capsys.readouterr().err
    assert "going back: " in said and "fold 1/2] pass 1/" not in said
    assert not checkpoint.exists() and not older.exists()


def test_a_stopped_training_goes_on_where_it_was(small, study, tmp_path, capsys):
    _leave_checkpoint(small, tmp_path, learning_rate=0.001)
    capsys.readouterr()
    learn.train(_arguments(small, tmp_path, "months", "paper"))
    _same_models(study, tmp_path)
    assert "fold 1/2] pass 1/" not in capsys.readouterr().err


def test_a_fold_that_was_done_is_not_learned_again(small, study, tmp_path, capsys):
    """Snakemake deletes all outputs of a job that ends in its last fold."""
    _leave_checkpoint(small, tmp_path, learning_rate=0.001, fold=1)
    for file in (tmp_path / "fold0").glob("[hmt]*"):
        file.unlink()
    capsys.readouterr()
    learn.train(_arguments(small, tmp_path, "months", "paper"))
    _same_models(study, tmp_path)
    assert len(_read(tmp_path / "fold0/history.csv")) == 3
    assert "fold 1/2]" not in capsys.readouterr().err


def _leave_checkpoint(small, folder, learning_rate=0.5e-3, fold=0):
    """Stop a training after the first pass of a fold, as an interrupt would."""

    def reporter(task, args, number, samples):
        def report(row):
            if number == fold:
                raise KeyboardInterrupt

        return report

    recipe = {"optimizer": {"sgd": {"learning_rate": learning_rate}}}
    arguments = _arguments(small, folder, "months", "paper", **recipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learn, "_reporter", reporter)
        with pytest.raises(KeyboardInterrupt):
            learn.train(arguments)
    left = folder / f"fold{fold}"
    assert (left / "checkpoint.npz").exists() and not (left / "model.npz").exists()
    return left / "checkpoint.npz"


def test_a_diverging_training_is_an_error_and_leaves_no_output(small, tmp_path):
    wild = {"optimizer": {"sgd": {"learning_rate": 1e6}}, "passes": 40}
    with pytest.raises(ArithmeticError, match=r"step .*lower the learning rate"):
        learn.train(_arguments(small, tmp_path, "years", "paper", **wild))
    assert not list(tmp_path.rglob("model.npz"))
    assert not list(tmp_path.rglob("history.csv"))


def test_the_table_holds_the_means_of_the_runs(study):
    rows = _read(study.base / "tables/small.csv")
    assert tuple(rows[0]) == tables.COLUMNS
    values = [
        read_json(run / "metrics.json")["parts"]["validation"]["best"]["score"]
        for run in study.runs[:2]
    ]
    first = rows[0]
    assert (first["variant"], first["protocol"], first["leaks"]) == (
        "months",
        "paper",
        "yes",
    )
    assert float(first["ours"]) == pytest.approx(np.mean(values))
    assert float(first["sd"]) == pytest.approx(np.std(values, ddof=1))
    assert float(first["last"]) == pytest.approx(values[1])
    assert float(first["low"]) < float(first["ours"]) < float(first["high"])
    fresh = next(r for r in rows if r["protocol"] == "by-child")
    assert fresh["last"] == "" and fresh["model"] == "ignet-depth2"
    assert (first["n"], first["published"], first["status"]) == (
        "2",
        "<= 0.4",
        "stand-in",
    )
    models = [r["model"] for r in rows if r["variant"] == "years"]
    assert models.count("ignet-depth2") == 2 and models.count("nearest neighbour") == 2
    left_out = [r for r in rows if r["variant"] == "sex"]
    assert [r["note"] for r in left_out] == ["not run: small does not record sex"]
    text = (study.base / "tables/small.md").read_text("utf-8")
    assert "LEAKS: copies of one drawing" in text and "generated drawings" in text
    assert r"\begin{tabular}" in (study.base / "tables/small.tex").read_text("utf-8")


ABOUT = {
    **{key: EXPERIMENT[key] for key in ("experiment", "title", "scale", "seeds")},
    "protocols": EXPERIMENT["protocols"],
    "augmentation": "ignet",
}
LEAK = [{**ABOUT, "variants": ["months", "years"]}]
RUN = [{"id": v["id"], "task": v["task"], "passes": 3} for v in VARIANTS[:2]]
SAMPLES = {**ABOUT, "variant": "months", "protocol": "by-child", "k": 2}


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("profiles", {**ABOUT, "variants": RUN}),
        ("augmentation", ABOUT),
        ("leak", LEAK),
        ("samples", SAMPLES),
    ],
)
def test_figures_are_drawn_and_repeat_to_the_byte(study, small, kind, about):
    first, again = (study.base / f"{kind}-{i}.png" for i in range(2))
    make = getattr(figures, f"make_{kind}")
    arguments = SimpleNamespace(**vars(study.arguments))
    arguments.about_json = json.dumps(about)
    arguments.images, arguments.number = small.images, 6
    arguments.table = [study.base / "tables/small.csv"]
    for arguments.output in (first, again):
        make(arguments)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes().startswith(b"\x89PNG") and first.stat().st_size > 10_000


def test_the_summary_says_what_the_table_says(study):
    out = study.base / "summary.rst"
    claims = study.base / "claims_s0.csv"
    verdicts = [("paper", "reproduced"), ("paper", "reproduced"), ("any", "cannot")]
    rows = [{"view": view, "verdict": word} for view, word in verdicts]
    write_csv(claims, ("view", "verdict"), rows)
    report.make_summary([study.base / "tables/small.csv"], None, out, [claims])
    text = out.read_text("utf-8")
    assert "* paper: 2 reproduced.\n* no protocol: 1 cannot.\n" in text
    assert "``results/tables/claims_s0.md``" in text
    assert "**generated**" in text and "small does not record sex" in text
    assert "paper (leaks)" in text and "by-child (no leak)" in text
    assert "DEVIATION" not in text and "S0 gives" in text
