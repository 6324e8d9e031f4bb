"""The tables of a ladder: accuracies with intervals, and neighbours compared."""

import csv
import json
from types import SimpleNamespace

import jsonschema
import pytest

from scripts import ladder_pairs, ladder_table
from scripts.lib.io.files import write_csv
from scripts.lib.io.schema import read_yaml
from scripts.lib.score import intervals
from tests.conftest import ROOT

from .ladder_files import about, write_ladder


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(root, seeds=(0,), step=ladder_table):
    """Return the rows of the CSV, and the Markdown."""
    files = write_ladder(root, seeds)
    files.about_json = json.dumps(about(seeds))
    step.make_table(files)
    stem = files.output_stem
    assert "tabular" in stem.with_suffix(".tex").read_text("utf-8")
    return read(stem.with_suffix(".csv")), stem.with_suffix(".md").read_text("utf-8")


def row_of(rows, rung, part, epoch):
    (row,) = [
        r for r in rows if (r["rung"], r["part"], r["epoch"]) == (rung, part, epoch)
    ]
    return row


def ends(row, name=""):
    keys = (f"{name}_low", f"{name}_high") if name else ("low", "high")
    return [float(row[key]) for key in keys]


def test_accuracies_of_one_seed_have_wilsons_intervals(tmp_path):
    rows, _ = table(tmp_path)
    row = row_of(rows, "flat", "test", "last")
    assert (float(row["ours"]), row["sd"], row["n"]) == (62.5, "", "8")
    wilson = [100 * end for end in intervals.wilson_interval(5, 8)]
    assert ends(row) == pytest.approx(wilson)
    assert float(row["top5"]) == 75
    top5 = [100 * end for end in intervals.wilson_interval(6, 8)]
    assert ends(row, "top5") == pytest.approx(top5)
    assert row["interval"] == "images"
    best = row_of(rows, "flat", "test", "best")
    assert (float(best["ours"]), best["pass"], row["pass"]) == (12.5, "1", "2")
    train = row_of(rows, "flat", "train", "last")
    assert (float(train["ours"]), train["n"], train["top5"]) == (90, "10", "")
    assert float(row["gap"]) == 27.5 and train["gap"] == ""
    newcombe = [100 * end for end in intervals.difference_interval(9, 10, 5, 8)]
    assert ends(row, "gap") == pytest.approx(newcombe)
    assert float(row_of(rows, "flat", "train", "best")["ours"]) == 50


def test_accuracies_of_two_seeds_have_students_intervals(tmp_path):
    row = row_of(table(tmp_path, (0, 1))[0], "flat", "test", "last")
    assert float(row["ours"]) == pytest.approx(68.75)
    assert ends(row) == pytest.approx(list(intervals.t_interval([62.5, 75])))
    assert float(row["sd"]) == pytest.approx(12.5 / 2**0.5)
    assert (row["interval"], row["seeds"]) == ("seeds", "0 1")
    assert float(row["gap"]) == pytest.approx(21.25)
    gaps = intervals.t_interval([90 - 62.5, 90 - 75])
    assert ends(row, "gap") == pytest.approx(list(gaps))


def test_accuracy_without_near_duplicates(tmp_path):
    rows, text = table(tmp_path)
    row = row_of(rows, "flat", "test", "last")
    # t3 is left out: 4 of the other 7 are right
    assert (float(row["unlike"]), row["unlike_n"]) == (pytest.approx(400 / 7), "7")
    wilson = [100 * end for end in intervals.wilson_interval(4, 7)]
    assert ends(row, "unlike") == pytest.approx(wilson)
    assert row_of(rows, "flat", "validation", "last")["unlike"] == ""
    assert "the 7 test images that resemble none of the other parts" in text


def test_published_values_stand_where_they_belong(tmp_path):
    rows, text = table(tmp_path)
    told = {(r["rung"], r["part"], r["epoch"]): r["published"] for r in rows}
    assert {key: value for key, value in told.items() if value} == {
        ("flat", "validation", "last"): "40.0",
        ("both", "train", "last"): "90.0",
        ("both", "validation", "last"): "60.0",
        ("both", "test", "last"): "99.5",
        ("final", "test", "last"): "50.0",
    }
    final = row_of(rows, "final", "test", "last")
    assert final["note"] == "the training of both"
    assert final["ours"] == row_of(rows, "both", "test", "last")["ours"]
    assert "| Both | 90.0 | 90.00 [" in text


def test_what_a_rung_costs(tmp_path):
    row = row_of(table(tmp_path, (0, 1))[0], "both", "test", "last")
    assert (float(row["pass_seconds"]), float(row["fastest_seconds"])) == (3.5, 2)
    assert (float(row["seconds"]), float(row["peak_mib"])) == (6.5, 4)
    assert (row["parameters"], row["passes"]) == ("1500", "2")
    assert (row["device"], row["threads"]) == ("threads", "2")
    assert float(row["gradient"]) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("seconds", "steady"),
    [
        ((9, 1.0, 1.0, 1.04), True),  # the first pass compiles
        ((9, 1.0, 1.2, 1.2), False),
        ((1, 1.0, 1.0), False),  # too few to know
        ((9, 1.0, 1.02, 1.03, 5.0, 1.0), True),
    ],
)
def test_times_are_steady_if_half_of_them_are_hardly_slower(seconds, steady):
    run = SimpleNamespace(history=[{"seconds": s} for s in seconds])
    assert ladder_table._steady(run) is steady


def test_chance_is_a_row(tmp_path):
    rows, text = table(tmp_path)
    row = row_of(rows, "chance", "test", "")
    assert (float(row["ours"]), float(row["top5"])) == (25, 100)
    assert "| chance |" in text


def test_the_table_says_what_it_shows(tmp_path):
    text = table(tmp_path)[1]
    assert "generated photographs, not the cifar-100 photographs" in text
    assert "Scale: demo; seeds: 0; protocol: official" in text
    assert "Wilson's over the images" in text and "not evidence" in text
    assert "10 to learn from, 5 for validation, 8 for the test" in text
    assert "Student's t over the seeds" in table(tmp_path, (0, 1))[1]


def test_neighbours_on_the_same_images(tmp_path):
    rows, text = table(tmp_path, step=ladder_pairs)
    named = {(r["a"], r["b"]): r for r in rows}
    assert set(named) == {("deep", "flat"), ("both", "flat"), ("both", "deep")}
    row = named["both", "deep"]
    counts = [int(row[k]) for k in ("both", "only_a", "only_b", "neither", "n")]
    assert counts == [2, 6, 0, 0, 8]
    assert float(row["difference"]) == 75
    assert float(row["p"]) == 2 / 2**6
    assert ends(row) == [100 * end for end in intervals.paired_interval(6, 0, 8)]
    # of three tests this is the one with the least p
    assert float(row["p_holm"]) == pytest.approx(3 * 2 / 2**6)
    assert row["verdict"] == "no difference shown"
    assert named["deep", "flat"]["difference"] == "-37.5"
    assert "McNemar's exact test" in text and "for the 3 tests" in text


def test_each_seed_is_compared_with_its_own(tmp_path):
    rows, _ = table(tmp_path, (0, 1), ladder_pairs)
    pair = [r for r in rows if (r["a"], r["b"]) == ("both", "flat")]
    assert [(r["seed"], r["only_a"]) for r in pair] == [("0", "3"), ("1", "1")]
    assert len(rows) == 6


def test_a_gap_of_less_than_a_point_is_no_difference(tmp_path, monkeypatch):
    monkeypatch.setattr(ladder_pairs.paired_tests, "LEVEL", 0.2)
    rows, _ = table(tmp_path, step=ladder_pairs)
    told = {(r["a"], r["b"]): r["verdict"] for r in rows}
    assert told["both", "deep"] == "a better"
    monkeypatch.setattr(ladder_pairs, "_EVIDENCE", 80.0)
    rows, _ = table(tmp_path, step=ladder_pairs)
    assert {r["verdict"] for r in rows} == {"no difference shown"}


def test_predictions_of_other_images_are_refused(tmp_path):
    files = write_ladder(tmp_path)
    files.about_json = json.dumps(about())
    path = tmp_path / "runs/flat/rung/official/seed0/fold0/predictions.csv"
    rows = read(path)
    write_csv(path, list(rows[0]), rows[1:])
    with pytest.raises(ValueError, match="7 of which 7 are among its 8; score both"):
        ladder_pairs.make_table(files)


@pytest.mark.parametrize("step", [ladder_table, ladder_pairs])
def test_the_tables_have_the_columns_of_their_schema(tmp_path, step):
    kind = step.__name__.rpartition(".")[2]
    kind = {"ladder_table": "ladder"}.get(kind, kind)
    schema = read_yaml(ROOT / "workflow/schemas/tables.schema.yaml", "the schema")
    assert tuple(schema["$defs"][kind]["required"]) == step.COLUMNS
    check = jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{kind}"})
    rows = table(tmp_path, (0, 1), step)[0]
    assert [error.message for row in rows for error in check.iter_errors(row)] == []
