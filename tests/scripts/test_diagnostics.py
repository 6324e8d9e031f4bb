"""Derivatives, tuned ranges, the W² experiment, freezeconnect, on a small data set."""

import csv
import json
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest

import engine
from scripts import diagnostics, diagnostics_figures
from scripts.lib.config import load_configs
from scripts.lib.diagnosis import checked, freezeconnect
from scripts.lib.diagnosis.cases import Case, Files
from scripts.lib.diagnosis.writing import ABOUT
from scripts.lib.files import write_json
from scripts.lib.schema import read_yaml
from tests.conftest import ROOT

PROTOCOLS = {
    "paper": {"id": "paper", "labels": True, "unit": "row", "reported": "validation"},
    "by-child": {"id": "by-child", "labels": True, "unit": "child", "reported": "test"},
}
RECIPE = {
    "optimizer": {"sgd": {"learning_rate": 0.001}},
    "batch_size": 8,
    "passes": 3,
    "tolerance": 7,
    "target_scale": 100,
}
TARGETS = {
    "months": ("age_months", "regression", "mean_absolute_error"),
    "years": ("age_years", "classification", "softmax_cross_entropy"),
}
SETTINGS = {
    "derivatives": {"protocol": "paper", "passes": 2, "batches": 3},
    "tuning": {
        "protocol": "paper",
        "restarts": 20,
        "passes": 1,
        "rate_factors": [0.1, 1, 1e9],
    },
    "w2": {
        "variant": "months",
        "protocol": "paper",
        "ranges": {"W1": 7.3, "W2": 1.8},
        "raised": "W2",
        "factor": 10,
        "published": {"der_w": [0.005172, 0.052331], "mape": [None, 0.4]},
        "learning_rates": [0.001, 0.01],
        "seeds": [0, 1],
        "passes": 2,
    },
    "freezeconnect": {
        "protocols": ["paper", "by-child"],
        "timed": {"freezeconnect": [0.25, 0.5], "dropout": [0.5]},
        "learned": {"freezeconnect": [0.5], "dropconnect": [0.5]},
        "rounds": 7,
        "steps": 1,
        "folds": 1,
        "passes": 1,
        "longest": 2,
        "tolerance": {"mape": 0.5, "accuracy": 1},
        "shallow": 5,
        "almost": 1.5,
    },
}
TABLES = {
    "derivatives": "ignet_diagnostics",
    "tuning": "ignet_tune",
    "w2": "ignet_w2",
    "freezeconnect": "freezeconnect",
}


def entry(name: str, model: str = "ignet-depth2") -> dict:
    target, task, loss = TARGETS[name]
    common = {"recipe": RECIPE, "target": [target], "task": task, "loss": loss}
    tasks = {p: {**common, "protocol": PROTOCOLS[p]} for p in PROTOCOLS}
    return {"id": name, "model": model, "tasks": tasks}


def case(small, name="months", model="ignet-depth2", protocol="paper") -> Case:
    folds = {"paper": small.paper, "by-child": small.by_child}
    files = Files(small.augmented, small.labels, folds, ROOT / "config/models")
    return Case(entry(name, model), protocol, files, engine.open_device("reference"))


def make(small, folder, part: str, *names: str, **changed) -> list[dict[str, str]]:
    """Run one part and return the rows of its CSV file."""
    asked = {
        "title": "t",
        "source": "S0",
        "experiment": "small",
        "dataset": "small",
        "scale": "smoke",
        "seeds": [0],
        "settings": SETTINGS[part] | changed,
        "variants": [entry(name) for name in names],
    }
    source = folder / "source.json"
    about = {"title": "Small", "dataset": "small", "status": "stand-in"}
    write_json(source, about | {"stands_in_for": "stirling"})
    args = SimpleNamespace(
        asked_json=json.dumps(asked),
        augmented=small.augmented,
        labels=small.labels,
        folds=[small.paper, small.by_child],
        source=source,
        models=ROOT / "config/models",
        device="reference",
        threads=1,
        output=folder / f"{TABLES[part]}.csv",
        texts=folder / "texts",
    )
    diagnostics.MAKERS[part](diagnostics.Task(args))
    return read(args.output)


def read(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(small, tmp_path_factory):
    """The rows of all four parts, and where their files lie."""
    folder = tmp_path_factory.mktemp("diagnostics")
    names = {"w2": ("months",)}
    rows = {
        part: make(small, folder, part, *names.get(part, ("months", "years")))
        for part in TABLES
    }
    return SimpleNamespace(folder=folder, rows=rows)


@pytest.mark.parametrize("part", TABLES)
def test_tables_have_the_columns_of_their_schema(made, part):
    schema = read_yaml(ROOT / "workflow/schemas/tables.schema.yaml", "the schema")
    kind = TABLES[part]
    assert list(made.rows[part][0]) == schema["$defs"][kind]["required"]
    assert list(made.rows[part][0])[-len(ABOUT) :] == list(ABOUT)
    check = jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{kind}"})
    problems = [e.message for row in made.rows[part] for e in check.iter_errors(row)]
    assert problems == []
    for ending in ("md", "tex"):
        text = (made.folder / f"{kind}.{ending}").read_text("utf-8")
        assert "no number here is a reproduction" in text
        assert "Scale: smoke; seeds: 0" in text


# --- derivatives ----------------------------------------------------------------------


def test_derivatives_are_those_of_the_training_that_they_are_told_of(small, made):
    rows = [row for row in made.rows["derivatives"] if row["variant"] == "months"]
    assert [(row["pass"], row["name"]) for row in rows] == [
        (str(n), name) for n in range(3) for name in ("conv1", "dense1")
    ]
    plain = case(small)
    network = plain.network(0, 0)
    ((x, t),) = plain.batches(0, 0, 1)
    history = plain.fit(plain.trainer(network, 0, 0), 0, 2)
    # Looking on changes nothing of what is learned.
    for row in history:
        scores = {r["score"] for r in rows if r["pass"] == str(row["pass"])}
        assert scores == {f"{row['validation_score']:.6g}"}
    start = engine.diagnostics.mav(plain.network(0, 0), x, t).rows
    for row, expected in zip(rows, start, strict=False):
        assert row["der_w"] == f"{expected.der_w:.6g}"
        assert (
            float(row["der_w_low"]) <= float(row["der_w"]) <= float(row["der_w_high"])
        )
        assert row["to_start"] == "1"
        assert row["score"] == ""
    for row, first in zip(rows[-2:], rows, strict=False):
        ratio = float(row["der_w"]) / float(first["der_w"])
        assert float(row["to_start"]) == pytest.approx(ratio, rel=1e-4)


def test_the_text_is_that_of_the_figure_before_and_after(made):
    text = (made.folder / "texts/years.txt").read_text("utf-8")
    assert text.startswith("years, protocol paper, seed 0, fold 0\nData: Small")
    before, _, after = text.partition("After pass 2\n")
    assert "Before the first step\n\nLAYERS MAV:\n****" in before
    for part in (before, after):
        assert part.count("LAYERS CONVERGENCY ABILITIES:") == 1
    rows = [row for row in made.rows["derivatives"] if row["variant"] == "years"]
    assert f"  {float(rows[0]['der_w']):.6f}  " in before
    assert f"  {float(rows[-2]['der_w']):.6f}  " in after


def test_what_is_said_on_the_orders_is_counted_from_the_rows(made):
    text = (made.folder / "ignet_diagnostics.md").read_text("utf-8")
    starts = [row for row in made.rows["derivatives"] if row["pass"] == "0"]
    slow = sum(row["verdict"] == "slow" for row in starts)
    assert f"At the start, of 4 layers: {slow} slow" in text
    assert "After pass 2, 4 of 4 layers have a der_w within a factor of 10" in text
    assert "The bounds of Eqs. (5), (5a) corrected hold in 12 of 12 rows." in text


def test_a_training_that_diverges_ends_its_rows_and_is_named(
    small, tmp_path, monkeypatch
):
    rate = {"sgd": {"learning_rate": 1e6}}
    monkeypatch.setitem(RECIPE, "optimizer", rate)
    rows = make(small, tmp_path, "derivatives", "months", passes=30)
    assert 0 <= int(rows[-1]["pass"]) < 30
    text = (tmp_path / "ignet_diagnostics.md").read_text("utf-8")
    ended = int(rows[-1]["pass"]) + 1
    assert f"Diverged at the recipe's rate: months (seed 0) in pass {ended}." in text


def test_too_few_batches(small):
    with pytest.raises(ValueError, match="expected 99 batches of 8 in the training"):
        case(small).batches(0, 0, 99)


# --- tuning ---------------------------------------------------------------------------


def test_tuned_ranges_bring_all_layers_into_the_band(made):
    rows = made.rows["tuning"]
    assert {row["outcome"] for row in rows} == {"in the band"}
    assert {row["verdict_after"] for row in rows} == {"good"}
    assert "slow" in {row["verdict_before"] for row in rows}
    for row in rows:
        factor = float(row["W_after"]) / float(row["W_before"])
        assert factor == pytest.approx(float(row["factor"]), rel=1e-4)
        assert 0.01 <= float(row["der_w_after"]) <= 0.1


def test_each_side_is_scored_at_the_best_of_its_rates(small, made):
    one, rows = case(small), made.rows["tuning"]
    row = next(row for row in rows if row["variant"] == "months")
    scores = {}
    for rate in (0.0001, 0.001):
        network = one.network(0, 0)
        (history,) = one.fit(one.trainer(network, 0, 0, rate), 0, 1)
        scores[rate] = history["validation_score"]
    best = min(scores, key=scores.get)
    assert row["rate_before"] == f"{best:g}"
    assert row["score_before"] == f"{scores[best]:.6g}"
    assert row["rate_after"] in ("0.0001", "0.001")


def test_the_layer_that_cannot_be_brought_in_is_named(small, tmp_path):
    rows = make(small, tmp_path, "tuning", "months", restarts=0)
    assert {row["outcome"] for row in rows} == {"not in the band: conv1, dense1"}
    assert {row["factor"] for row in rows} == {"1"}


# --- W² -------------------------------------------------------------------------------


def test_ten_times_w2_gives_ten_times_the_derivative(made):
    rows = made.rows["w2"]
    assert len(rows) == 2 * 2 * 3  # rates, sides, passes and the start
    for row in rows:
        assert row["n"] == "2"
        if row["pass"] == "0":
            assert float(row["ratio"]) == pytest.approx(
                10 if row["side"] == "b" else 1, rel=1e-4
            )
            assert row["published_der_w"] in ("0.005172", "0.052331")
    # At the start both rates are the same networks.
    assert rows[0]["der_w"] == rows[6]["der_w"]
    ends = [row for row in rows if row["pass"] == "2"]
    assert [row["published_mape"] for row in ends] == ["", "0.4"] * 2
    text = (made.folder / "ignet_w2.md").read_text("utf-8")
    assert "ratio 10.00; published 0.005172 and 0.052331, ratio 10.12." in text
    assert "Rate 0.01: best validation MAPE in 2 passes" in text


def test_a_training_that_diverges_is_counted_and_said(small, tmp_path):
    rows = make(small, tmp_path, "w2", "months", learning_rates=[1e6], passes=20)
    ends = [row for row in rows if row["pass"] == "20"]
    assert [(row["n"], row["der_w"]) for row in ends] == [("0", "")] * 2
    assert {row["n"] for row in rows if row["pass"] == "0"} == {"2"}
    text = (tmp_path / "ignet_w2.md").read_text("utf-8")
    assert "Rate 1e+06: trainings diverged: 2 of 2 on side a, 2 of 2 on side b" in text


def test_an_option_that_the_model_does_not_have(small, tmp_path):
    with pytest.raises(ValueError, match=r"ignet-depth2.yaml: options: .*'W9'"):
        make(small, tmp_path, "w2", "months", ranges={"W9": 1.0, "W2": 2.0})


# --- freezeconnect --------------------------------------------------------------------


@pytest.mark.parametrize("kind", freezeconnect.KINDS)
@pytest.mark.parametrize("model", ["ignet-depth2", "ignet-deep"])
def test_what_is_left_out(small, kind, model):
    one = case(small, model=model)
    spec = freezeconnect.leaving_out(one, (kind, 0.5))
    assert json.dumps(spec).count("0.5") > json.dumps(one.spec).count("0.5")
    changed, plain = freezeconnect.started(one, (kind, 0.5), 0, 0), one.network(0, 0)
    assert changed.parameters().keys() == plain.parameters().keys()
    for name, values in plain.parameters().items():
        np.testing.assert_array_equal(values, changed.parameters()[name])
    assert freezeconnect.leaving_out(one, freezeconnect.NOTHING) == one.spec


def test_every_way_is_timed_beside_portion_0(made):
    rows = made.rows["freezeconnect"]
    ways = [("none", "0"), ("freezeconnect", "0.25"), ("freezeconnect", "0.5")]
    ways += [("dropout", "0.5"), ("dropconnect", "0.5")]
    for name in ("months", "years"):
        for protocol in PROTOCOLS:
            mine = [
                (row["kind"], row["portion"])
                for row in rows
                if (row["variant"], row["protocol"]) == (name, protocol)
            ]
            assert mine == ways
    for row in rows:
        assert float(row["step_low"]) <= float(row["step_ratio"])
        assert float(row["step_ratio"]) <= float(row["step_high"])
        if row["kind"] == "none":
            assert row["step_ratio"] == row["time_ratio"] == "1"
            assert row["saves_step"] == row["saves_time"] == ""
        else:
            assert row["saves_step"]
        learned = (row["kind"], row["portion"]) not in (ways[1], ways[3])
        assert bool(row["n"]) == learned
        assert row["part"] == PROTOCOLS[row["protocol"]]["reported"]


def test_time_is_passes_times_steps_and_saves_only_if_always_below():
    none, half = freezeconnect.NOTHING, ("freezeconnect", 0.5)
    times = {none: [0.010] * 7, half: [0.009] * 7}
    fake = SimpleNamespace(metric="mape")
    runs = {
        none: [
            freezeconnect.Learning([9, 5, 4], 4.5, 100),
            freezeconnect.Learning([9, 6, 3], 3.5, 100),
        ],
        half: [
            freezeconnect.Learning([9, 9, 9, 4.4], 9.0, 100),
            freezeconnect.Learning([9, 8, 3.2], 3.4, 100),
        ],
    }
    row = freezeconnect.learning_of(fake, half, times, runs, tolerance=0.5)
    assert row["reached"] == row["compared"] == row["n"] == 2
    assert row["passes_to_score"] == 3.5
    # 4 passes of 100 steps of 9 ms against 3 of 10 ms, and 3 against 3.
    assert row["seconds_to_score"] == pytest.approx((3.6 + 2.7) / 2)
    assert row["time_ratio"] == pytest.approx((3.6 / 3 + 2.7 / 3) / 2)
    assert row["saves_time"] == "1 of 2"
    runs[half][0] = freezeconnect.Learning([9, 9], None, 100)
    row = freezeconnect.learning_of(fake, half, times, runs, tolerance=0.5)
    assert (row["reached"], row["diverged"], row["score"]) == (1, 1, 3.4)
    runs[half][0] = freezeconnect.Learning([9, 4.1], 4.0, 100)
    row = freezeconnect.learning_of(fake, half, times, runs, tolerance=0.5)
    assert row["saves_time"] == "yes"
    # Where portion 0 diverged there is nothing to compare with.
    runs[none] = [freezeconnect.Learning([], None, 100)] * 2
    row = freezeconnect.learning_of(fake, half, times, runs, tolerance=0.5)
    assert (row["n"], row["compared"], row["reached"]) == (2, 0, 0)
    assert "saves_time" not in row


def test_the_claim_is_decided_by_the_rows():
    common = {"score_metric": "mape", "protocol": "paper", "compared": 1, "n": 1}
    common |= {"diverged": 0, "step_ratio": 1.1, "saves_step": "no", "variant": "v"}

    def row(depth, kind, seconds, score=5.0):
        found = {**common, "depth": depth, "kind": kind, "portion": 0.5}
        found |= {"score": score, "part": "validation", "saves_time": "no"}
        reached = {"reached": int(seconds is not None)}
        return found | reached | ({"seconds_to_score": seconds} if seconds else {})

    rows = [row(2, "none", 1.0), row(3, "none", 3.0), row(7, "none", 8.0)]
    rows += [row(7, "freezeconnect", 2.5, 4.0), row(7, "freezeconnect", None, 9.0)]
    freezeconnect.beside_the_shallow(rows, 5)
    assert [r.get("to_shallow") for r in rows] == [0.5, 1.5, 4.0, 1.25, None]
    told = list(freezeconnect.judged(rows, 5, 1.5))
    assert "without: 4.00 times" in told[-2]
    assert "0 of 1 are almost as quick" in told[-2]
    assert "with freezeconnect: 1.25 times" in told[-1]
    assert "the 1 of 2 lines that came to the score); 1 of 2 are almost" in told[-1]
    assert any(
        "by +1.50 points (median of 2 lines, -1.00 ... +4.00)" in t for t in told
    )
    assert "does not come there at all in 1." in told[1]


def test_the_best_of_the_first_passes_is_scored_whatever_comes_later(small):
    one = case(small, "years", protocol="by-child")
    way = ("freezeconnect", 0.5)
    short = freezeconnect.learn(one, way, 0, 0, passes=1, most=1)
    longer = freezeconnect.learn(one, way, 0, 0, passes=1, most=3)
    assert longer.reported == short.reported
    assert longer.scores[:1] == short.scores
    assert len(longer.scores) == 3


@pytest.mark.parametrize(
    ("metric", "scores", "target", "expected"),
    [
        ("mape", [9.0, 5.0, 4.0], 5.0, 2),
        ("mape", [9.0, 5.0, 4.0], 3.0, None),
        ("accuracy", [10.0, 50.0], 50.0, 2),
        ("accuracy", [], 50.0, None),
    ],
)
def test_passes_to_a_score(metric, scores, target, expected):
    assert freezeconnect.passes_to(scores, target, metric) == expected


# --- figures --------------------------------------------------------------------------


@pytest.mark.parametrize("part", diagnostics_figures.DRAWN)
def test_figures_are_drawn_from_the_tables_and_always_the_same(made, tmp_path, part):
    table = made.folder / f"{TABLES[part]}.csv"
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        diagnostics_figures.make_figure(part, table, path)
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_table_without_rows(tmp_path):
    table = tmp_path / "w2.csv"
    table.write_text("variant,W\n")
    with pytest.raises(ValueError, match="expected rows, received none"):
        diagnostics_figures.make_figure("w2", table, tmp_path / "w2.png")


def test_same_seed_same_tables(small, made, tmp_path):
    again = make(small, tmp_path, "derivatives", "months", "years")
    assert again == made.rows["derivatives"]
    assert np.isfinite([float(row["der_w"]) for row in again]).all()


# --- the file of settings -------------------------------------------------------------

WHERE = "config/experiments/ignet_diagnostics.yaml"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("experiment", "ignett", "received 'ignett' (did you mean 'ignet'?)"),
        ("derivatives.variants", ["depth9"], "derivatives (scale demo): variant: expe"),
        ("w2.protocol", "papr", "received 'papr' (did you mean 'paper'?)"),
        ("w2.raised", "W", "w2.raised: expected one of W1, W2, received 'W'"),
        (
            "scales.demo.freezeconnect.folds",
            9,
            "folds: expected at most the 5 of paper",
        ),
    ],
)
def test_names_that_are_not_there_are_refused_before_any_job(path, value, expected):
    settings = read_yaml(ROOT / "config/config.yaml", "config.yaml")
    configs = load_configs(ROOT, settings)
    files = {"experiments": configs.experiments, "protocols": configs.protocols}
    config = files["experiments"]["ignet_diagnostics"]
    assert list(checked.problems(WHERE, config, **files)) == []
    *place, key = path.split(".")
    at = config
    for name in place:
        at = at[name]
    at[key] = value
    found = list(checked.problems(WHERE, config, **files))
    assert found
    assert found[0].startswith(f"{WHERE}: ")
    assert any(expected in line for line in found)
