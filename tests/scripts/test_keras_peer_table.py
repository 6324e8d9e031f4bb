"""The table of Keras beside our engine."""

import csv
import json
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
import yaml

from scripts import keras_peer_table
from scripts.lib.io.files import write_csv, write_json
from scripts.lib.score import intervals
from tests.conftest import ROOT

from .protocols import PROTOCOLS
from .test_keras_peer import EXPERIMENT

# score of each fold of (ours, Keras's), by child: [[sum, n], ...]
TOLD = {
    "paper": [([[10, 1], [50, 3]], [[20, 1], [60, 3]])] * 2,
    "by-child": [
        ([[30, 1], [20, 1]], [[34, 1], [22, 1]]),
        ([[10, 1], [60, 1]], [[11, 1], [60, 1]]),
    ],
}
PASSES = {"engine": [(1, 40.0), (2, 20.0)], "keras": [(10, 50.0), (30, 25.0)]}


def _part(children):
    total, n = np.sum(children, axis=0).tolist()
    names = dict(zip("ab", children, strict=True))
    return {"score": total / n, "n": n, "groups": names}


def _write(root, protocol, fold, children, scores):
    folder = root / f"tiny/months/{protocol}/seed0/fold{fold}"
    part = PROTOCOLS[protocol]["reported"]
    write_json(folder / "metrics.json", {"parts": {part: {"best": _part(children)}}})
    write_json(folder / "training.json", {"device_name": "keras 3, torch 2"})
    rows = [{"pass": i, "validation_score": s} for i, s in enumerate(scores, 1)]
    write_csv(folder / "history.csv", ["pass", "validation_score"], rows)
    return folder


@pytest.fixture
def table(small, tmp_path):
    """Return a function that writes the table and returns (rows, Markdown)."""

    def make(alone=(40.0, 20.0)):
        for protocol, folds in TOLD.items():
            for fold, (ours, theirs) in enumerate(folds):
                _write(tmp_path / "runs", protocol, fold, ours, alone)
                folder = _write(tmp_path / "keras", protocol, fold, theirs, (50, 25))
                passes = {
                    side: [
                        {"seconds": s, "cpu_seconds": s / 2, "score": v}
                        for s, v in rows
                    ]
                    for side, rows in PASSES.items()
                }
                about = {"first": "engine", "device": "threads", "threads": 1}
                write_json(folder / "beside.json", about | passes)
        source = tmp_path / "source.json"
        about = {"dataset": "tiny", "title": "Tiny", "status": "stand-in"}
        write_json(source, about | {"stands_in_for": "stirling"})
        arguments = SimpleNamespace(
            experiment_json=json.dumps(EXPERIMENT),
            runs=tmp_path / "runs",
            keras_runs=tmp_path / "keras",
            folds=small.folder,
            labels=small.labels,
            source=source,
            output_stem=tmp_path / "tables/keras_peer",
        )
        keras_peer_table.make_table(arguments)
        with open(tmp_path / "tables/keras_peer.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert (tmp_path / "tables/keras_peer.tex").exists()
        return rows, (tmp_path / "tables/keras_peer.md").read_text("utf-8")

    return make


def test_scores_differences_and_intervals(table, small):
    paper, child, missing, left = table()[0]
    assert (paper["protocol"], child["protocol"]) == ("paper", "by-child")
    assert (float(paper["ours"]), float(paper["keras"])) == (15, 20)
    # both children of every fold score worse by Keras, by 10 of one row and of three
    assert float(paper["difference"]) == 5
    ends = [float(paper[f"difference_{end}"]) for end in ("low", "high")]
    assert ends == pytest.approx([10 / 3, 10])
    assert (paper["difference_by"], paper["p"]) == ("bootstrap over children", "")
    folds = json.loads((small.folder / "by-child.json").read_text())["folds"]
    learned = np.mean([len(fold["train"]) for fold in folds])
    test = intervals.corrected_resampled_t([3, 0.5], n_test=2, n_train=learned)
    assert float(child["difference"]) == 1.75
    assert float(child["p"]) == pytest.approx(test.p)
    assert float(child["difference_low"]) == pytest.approx(test.interval.low)
    assert child["difference_by"] == "corrected t over folds"
    assert missing["note"] == "not run: tiny does not record age_years"
    assert left["note"] == "not run: not of the scale"


@pytest.mark.parametrize(("more", "within"), [(1.75, "yes"), (200, "no")])
def test_within_each_others_interval(table, monkeypatch, more, within):
    ours = [[30, 1], [20, 1]]
    theirs = [[total + more, n] for total, n in ours]
    monkeypatch.setitem(TOLD, "by-child", [(ours, theirs)] * 2)
    assert table()[0][1]["within"] == within


def test_times_and_the_time_to_the_same_score(table):
    paper, child, *_ = table()[0]
    for row in (paper, child):
        assert (row["seconds"], row["keras_seconds"]) == ("4", "60")
        assert (float(row["ratio"]), float(row["cpu_ratio"])) == (15, 15)
        assert float(row["cpu_seconds"]) == 2
        assert float(row["same_score"]) == 25
    # each fold for itself: 2 s and 30 s; in a row: reached in the first fold
    assert (float(child["seconds_to_same"]), float(child["ratio_to_same"])) == (4, 15)
    assert float(paper["seconds_to_same"]) == 2
    assert float(paper["keras_seconds_to_same"]) == 30
    assert float(paper["cpu_ratio_to_same"]) == 15


def test_the_table_says_what_it_shows(table):
    rows, text = table()
    assert {row["repeats"] for row in rows[:2]} == {"yes"}
    assert "to the bit" not in text
    assert "generated drawings" in text and "LEAKS: copies of one drawing" in text
    assert "keras 3, torch 2; ours on threads; 1 thread(s) each" in text
    assert "| 15.00 |" in text and "3.33 … 10.00" in text
    assert "not of the scale" not in text
    rows, text = table(alone=(40.0, 20.5))
    assert {row["repeats"] for row in rows[:2]} == {"no"}
    assert "to the bit" in text


def test_scores_of_other_rows_are_refused(table, monkeypatch):
    other = [([[10, 1], [50, 3]], [[20, 2], [60, 3]])] * 2
    monkeypatch.setitem(TOLD, "paper", other)
    with pytest.raises(ValueError, match="expected the same rows of both sides"):
        table()


def test_the_table_has_the_columns_of_its_schema(table):
    schema = yaml.safe_load((ROOT / "workflow/schemas/tables.schema.yaml").read_text())
    entry = schema["$defs"]["keras_peer"]
    assert tuple(entry["required"]) == keras_peer_table.COLUMNS
    check = jsonschema.Draft202012Validator({**schema, "$ref": "#/$defs/keras_peer"})
    rows = table()[0]
    assert tuple(rows[0]) == keras_peer_table.COLUMNS
    assert [error for row in rows for error in check.iter_errors(row)] == []
