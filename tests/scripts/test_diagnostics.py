"""Derivatives, tuned ranges, the W² experiment on a small data set; the figures."""

import jsonschema
import numpy as np
import pytest

import engine
from scripts import diagnostics_figures
from scripts.lib.diagnostics.writing import ABOUT
from scripts.lib.io.schema import read_yaml
from scripts.lib.study import kinds
from scripts.lib.study.config import load_configs
from tests.conftest import ROOT
from tests.scripts.diagnosed import RECIPE, TABLES, case, make


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
    config = configs.experiments["ignet_diagnostics"]
    assert list(kinds.diagnostics.problems("ignet_diagnostics", configs)) == []
    *place, key = path.split(".")
    at = config
    for name in place:
        at = at[name]
    at[key] = value
    found = list(kinds.diagnostics.problems("ignet_diagnostics", configs))
    assert found
    assert found[0].startswith(f"{WHERE}: ")
    assert any(expected in line for line in found)
