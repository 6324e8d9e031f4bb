"""Training, scoring, tables, figures and the summary on a small data set."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

from scripts import baselines, evaluate, figures, report, tables, train
from scripts.lib import cli
from scripts.lib.files import read_json, write_json
from tests.conftest import ROOT

PROTOCOLS = {
    "paper": {
        "id": "paper",
        "title": "rows",
        "unit": "row",
        "labels": True,
        "weights": "carried",
        "reported": "validation",
        "leaks": True,
        "k": 2,
    },
    "by-child": {
        "id": "by-child",
        "title": "children",
        "unit": "child",
        "labels": True,
        "weights": "fresh",
        "reported": "test",
        "leaks": False,
        "k": 2,
    },
}
VARIANTS = [
    {
        "id": "months",
        "model": "ignet-depth2",
        "target": ["age_months"],
        "task": "regression",
        "loss": "mean_absolute_error",
        "run": True,
        "recipe": {"passes": 3},
        "published": {"metric": "mape", "value": 0.4, "relation": "<=", "where": "S0"},
    },
    {
        "id": "years",
        "model": "ignet-depth2",
        "target": ["age_years"],
        "task": "classification",
        "loss": "softmax_cross_entropy",
        "run": True,
        "recipe": {"passes": 3},
        "published": None,
    },
    {
        "id": "sex",
        "model": "ignet-depth2",
        "target": ["sex"],
        "task": "classification",
        "loss": "softmax_cross_entropy",
        "run": False,
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
    "recorded": ["age_years", "age_months"],
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
            **{k: chosen[k] for k in ("target", "task", "loss")},
        }
    )


def _arguments(small, run, variant, protocol, fold, start=None, **recipe):
    return SimpleNamespace(
        augmented=small.augmented,
        labels=small.labels,
        folds=getattr(small, protocol.replace("-", "_")),
        fold=fold,
        experiment_json=_task(variant, protocol, **recipe),
        seed=0,
        device="reference",
        threads=1,
        model=ROOT / "config/models/ignet-depth2.yaml",
        start=start,
        checkpoint=run / "checkpoint.npz",
        history=run / "history.csv",
        training=run / "training.json",
        output=run / "model.npz",
        network=run / "model.npz",
        metrics=run / "metrics.json",
        predictions=run / "predictions.csv",
    )


@pytest.fixture(scope="module")
def study(small, tmp_path_factory):
    """All runs of the small study, its table, and where everything lies."""
    base = tmp_path_factory.mktemp("study")
    runs, tables_of = [], []
    for variant in ("months", "years"):
        for protocol in PROTOCOLS:
            start = None
            for fold in range(2):
                run = base / f"runs/small/{variant}/{protocol}/seed0/fold{fold}"
                arguments = _arguments(small, run, variant, protocol, fold, start)
                train.train(arguments)
                evaluate.evaluate(arguments)
                runs.append(run)
                start = arguments.output if protocol == "paper" else None
            out = base / f"runs/small/{variant}/{protocol}/baselines.csv"
            baselines.make_baselines(_baseline_arguments(small, variant, protocol, out))
            tables_of.append(out)
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
        metrics=[run / "metrics.json" for run in runs],
        training=[run / "training.json" for run in runs],
        history=[run / "history.csv" for run in runs],
        baselines=tables_of,
        source=source,
        labels=small.labels,
        augmented=small.augmented,
        output_stem=base / "tables/small",
    )
    tables.make_table(arguments)
    return SimpleNamespace(base=base, runs=runs, arguments=arguments)


def _baseline_arguments(small, variant, protocol, out):
    chosen = next(v for v in VARIANTS if v["id"] == variant)
    return SimpleNamespace(
        augmented=small.augmented,
        labels=small.labels,
        folds=getattr(small, protocol.replace("-", "_")),
        protocol=ROOT / f"config/protocols/{protocol}.yaml",
        target="+".join(chosen["target"]),
        task=chosen["task"],
        output=out,
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
            "metrics.json",
            "model.npz",
            "predictions.csv",
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
    assert metrics["parts"]["test"]["mape_percent"] == pytest.approx(mape, abs=1e-3)
    assert metrics["parts"]["test"]["n"] == len(rows)


def test_training_again_gives_the_same_bytes(small, study, tmp_path):
    arguments = _arguments(small, tmp_path, "months", "paper", 0)
    train.train(arguments)
    assert arguments.output.read_bytes() == (study.runs[0] / "model.npz").read_bytes()


def test_weights_are_carried_from_fold_to_fold(small, study, tmp_path):
    """With no learning, fold 1 ends with the weights that fold 0 ended with."""
    still = {"optimizer": {"sgd": {"learning_rate": 0.0}}}
    start = study.runs[0] / "model.npz"
    arguments = _arguments(small, tmp_path, "months", "paper", 1, start, **still)
    train.train(arguments)
    assert arguments.output.read_bytes() == start.read_bytes()


@pytest.mark.parametrize("left", ["other", "damaged"])
def test_a_checkpoint_that_does_not_belong_is_left_aside(
    small, study, tmp_path, capsys, left
):
    """A stopped run left it, and the recipe is another by now, or the disk was full."""
    arguments = _arguments(small, tmp_path, "months", "paper", 0)
    if left == "damaged":
        arguments.checkpoint.write_bytes(b"PK\x03\x04 and no more")
    else:
        _leave_checkpoint(small, tmp_path)
    train.train(arguments)
    assert arguments.output.read_bytes() == (study.runs[0] / "model.npz").read_bytes()
    assert "learning from the start: " in capsys.readouterr().err
    assert not arguments.checkpoint.exists()


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(
    small, study, tmp_path, capsys
):
    _leave_checkpoint(small, tmp_path, learning_rate=0.001)
    arguments = _arguments(small, tmp_path, "months", "paper", 0)
    older = arguments.checkpoint.with_name(arguments.checkpoint.name + ".previous")
    older.write_bytes(arguments.checkpoint.read_bytes())
    arguments.checkpoint.write_bytes(older.read_bytes()[:-20])
    capsys.readouterr()
    train.train(arguments)
    assert arguments.output.read_bytes() == (study.runs[0] / "model.npz").read_bytes()
    said = capsys.readouterr().err
    assert "going back: " in said and "pass 1/" not in said
    assert not arguments.checkpoint.exists() and not older.exists()


def test_a_stopped_training_goes_on_where_it_was(small, study, tmp_path, capsys):
    _leave_checkpoint(small, tmp_path, learning_rate=0.001)
    capsys.readouterr()
    arguments = _arguments(small, tmp_path, "months", "paper", 0)
    train.train(arguments)
    assert arguments.output.read_bytes() == (study.runs[0] / "model.npz").read_bytes()
    assert "pass 1/" not in capsys.readouterr().err


def _leave_checkpoint(small, run, learning_rate=0.5e-3):
    """Stop a training after its first pass, as an interrupt would."""

    def stop(*_):
        raise KeyboardInterrupt

    recipe = {"optimizer": {"sgd": {"learning_rate": learning_rate}}}
    arguments = _arguments(small, run, "months", "paper", 0, **recipe)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_reporter", lambda *_: stop)
        with pytest.raises(KeyboardInterrupt):
            train.train(arguments)
    assert arguments.checkpoint.exists() and not arguments.output.exists()


def test_a_diverging_training_is_an_error_and_leaves_no_output(small, tmp_path):
    wild = {"optimizer": {"sgd": {"learning_rate": 1e6}}, "passes": 40}
    arguments = _arguments(small, tmp_path, "years", "paper", 0, **wild)
    with pytest.raises(ArithmeticError, match=r"step .*lower the learning rate"):
        train.train(arguments)
    assert not arguments.output.exists() and not arguments.history.exists()


def test_the_table_holds_the_means_of_the_runs(study):
    rows = _read(study.base / "tables/small.csv")
    assert tuple(rows[0]) == tables.COLUMNS
    values = [
        read_json(run / "metrics.json")["parts"]["validation"]["mape_percent"]
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


@pytest.mark.parametrize("kind", ["profiles", "augmentation", "leak"])
def test_figures_are_drawn_and_repeat_to_the_byte(study, kind):
    first, again = (study.base / f"{kind}-{i}.png" for i in range(2))
    make = getattr(figures, f"make_{kind}")
    for out in (first, again):
        study.arguments.output = out
        study.arguments.table = [study.base / "tables/small.csv"]
        make(study.arguments)
    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes().startswith(b"\x89PNG") and first.stat().st_size > 10_000


def test_the_summary_says_what_the_table_says(study):
    out = study.base / "summary.rst"
    report.make_summary([study.base / "tables/small.csv"], None, out)
    text = out.read_text("utf-8")
    assert "**generated**" in text and "small does not record sex" in text
    assert "paper (leaks)" in text and "by-child (no leak)" in text
    assert "DEVIATION" not in text and "S0 gives" in text


@pytest.mark.parametrize(
    "metric, published, ours, words",
    [
        ("mape", "<= 0.4", 0.3, "reached"),
        ("mape", "<= 0.4", 1.2, "reached to within 1 point"),
        ("mape", "<= 0.4", 5.4, "not reached, 5.00 points behind"),
        ("accuracy", "100", 100.0, "reached"),
        ("accuracy", "88.54", 80.54, "not reached, 8.00 points behind"),
    ],
)
def test_verdicts(metric, published, ours, words):
    row = {
        "metric": metric,
        "published": published,
        "ours": ours,
        "last": "",
        "status": "official",
    }
    assert report.verdict(row) == words
    assert report.verdict({**row, "ours": 55, "last": ours}) == words
    assert report.verdict({**row, "status": "local"}) == f"{words} (other data)"


@pytest.mark.parametrize(
    "metric, leaking, honest, words",
    [("mape", 10.0, 25.0, "+15.0 points"), ("accuracy", 30.0, 32.0, "-2.0 points")],
)
def test_the_leak_is_worth_what_it_makes_better(metric, leaking, honest, words):
    rows = [
        {"leaks": "yes", "ours": leaking, "metric": metric},
        {"leaks": "no", "ours": honest, "metric": metric},
    ]
    assert words in report._worth(rows)[0]
