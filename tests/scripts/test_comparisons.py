"""Two models on the same folds: pairs, differences, the test, and the table."""

import csv
import json
from types import SimpleNamespace

import pytest

from scripts import comparisons
from scripts.lib.io.files import write_json
from scripts.lib.score import intervals, paired_tests
from tests.conftest import ROOT


def _part(score, *children):
    names = children or ("anna", "ben")
    return {
        "score": score,
        "n": len(names),
        "groups": {name: [score, 1] for name in names},
    }


def _experiment(name, *variants, target=("age_months",), task="regression"):
    return {
        "experiment": name,
        "dataset": "small",
        "scale": "demo",
        "seeds": [0, 1],
        "protocols": [
            {"id": "by-child", "scored_like": "by-child", "k": 3, "reported": "test"}
        ],
        "variants": [
            {"id": v, "target": target, "task": task, "augmentation": "ignet"}
            for v in variants
        ],
    }


def test_holm_by_hand():
    # sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1, then never falling
    assert intervals.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx(
        [0.06, 0.04, 0.06, 0.06]
    )
    assert intervals.holm([0.5, 0.9]) == [1.0, 1.0]
    assert intervals.holm([]) == []
    with pytest.raises(ValueError, match=r"expected p in \[0, 1\], received 1.2"):
        intervals.holm([0.1, 1.2])


def test_pairs_tell_the_same_target_under_the_same_protocol():
    experiments = [
        _experiment("ignet", "depth2-m", "depth3-m"),
        _experiment("keras", "m"),
        _experiment("other", "y", target=("age_years",), task="classification"),
    ]
    asked = {
        "deeper": {"a": ["ignet/*"], "b": ["ignet/depth2-*"]},
        "keras": {"a": ["ignet/depth2-*"], "b": ["keras/*", "other/*"]},
        "trivial": {"a": ["other/*"], "baselines": ["median", "majority", "logistic"]},
    }
    found = [
        (question, a.name, b.name)
        for question, a, b in paired_tests.pairs(asked, experiments)
    ]
    assert found == [
        ("deeper", "ignet/depth3-m", "ignet/depth2-m"),
        ("keras", "ignet/depth2-m", "keras/m"),
        ("trivial", "other/y", "majority"),
        ("trivial", "other/y", "logistic"),
    ]


def test_a_lower_error_and_a_higher_accuracy_are_better():
    a, b = [_part(s) for s in (10, 12, 11)], [_part(s) for s in (20, 21, 25)]
    error = paired_tests.compare(a, b, lower_is_better=True, n_train=4)
    assert (error["a_score"], error["b_score"]) == (11, 22)
    assert error["difference"] == 11 and error["t"] > 0
    assert error["low"] < 11 < error["high"]
    # the sizes count: t of the plain test times sqrt(1/n / (1/n + n_test/n_train))
    plain = paired_tests.compare(a, b, lower_is_better=True, n_train=1e12)
    shrunk = plain["t"] * ((1 / 3) / (1 / 3 + 2 / 4)) ** 0.5
    assert error["t"] == pytest.approx(shrunk)
    hits = paired_tests.compare(a, b, lower_is_better=False, n_train=4)
    assert hits["difference"] == -11 and hits["t"] == pytest.approx(-error["t"])


def test_folds_with_other_rows_are_not_compared():
    with pytest.raises(ValueError, match="fold 1: expected the same rows"):
        paired_tests.compare(
            [_part(1), _part(2)],
            [_part(1), _part(2, "anna", "carla")],
            lower_is_better=True,
            n_train=4,
        )


def test_folds_that_differ_by_the_same_are_not_tested():
    a, b = [_part(10.0), _part(20.0)], [_part(15.0), _part(25.000000001)]
    rows = [
        paired_tests.compare(a, b, lower_is_better=True, n_train=4),
        paired_tests.compare(a, a, lower_is_better=True, n_train=4),
    ]
    first, same = paired_tests.with_verdicts(rows)
    assert first["verdict"] == "not tested" and first["difference"] == 5
    assert "p" not in first and "every fold differs by the same" in first["note"]
    assert (same["verdict"], same["p_holm"]) == ("no difference shown", 1)


def test_the_verdict_is_by_the_corrected_p():
    rows = [{"difference": d, "p": p} for d, p in ((3, 0.03), (-4, 0.001), (9, 0.9))]
    words = [row["verdict"] for row in paired_tests.with_verdicts(rows)]
    assert words == ["no difference shown", "b better", "no difference shown"]
    assert paired_tests.with_verdicts(rows[:1])[0]["verdict"] == "a better"


def test_the_table_holds_the_files_scores(tmp_path, monkeypatch):
    asked = {
        "title": "Two",
        "pairs": {
            "deeper": {"a": ["ignet/b"], "b": ["ignet/a"]},
            "trivial": {"a": ["ignet/a"], "baselines": ["median"]},
        },
        "experiments": [_experiment("ignet", "a", "b")],
    }
    runs, data = tmp_path / "runs", tmp_path / "data" / "small"
    for variant, scores in (("a", (20, 24, 22)), ("b", (10, 13, 12))):
        for seed in (0, 1):
            for fold, score in enumerate(scores):
                folder = runs / f"ignet/{variant}/by-child/seed{seed}/fold{fold}"
                folder.mkdir(parents=True)
                part = _part(score + seed)
                write_json(folder / "metrics.json", {"parts": {"test": {"best": part}}})
    trivial = data / "baselines/ignet/by-child"
    trivial.mkdir(parents=True)
    median = [_part(s) for s in (19, 25, 23)]
    write_json(trivial / "regression-age_months.json", {"median": median})
    source = {"title": "S", "dataset": "small", "status": "stand-in"}
    write_json(data / "source.json", {**source, "stands_in_for": "stirling"})
    monkeypatch.setattr(
        comparisons,
        "load_folds",
        lambda path, labels: SimpleNamespace(
            folds=[SimpleNamespace(train="abcd"), SimpleNamespace(train="abcdef")]
        ),
    )
    stem = tmp_path / "comparisons_x"
    comparisons.make_table(
        SimpleNamespace(
            comparison_json=json.dumps(asked),
            runs=runs,
            data=tmp_path / "data",
            output_stem=stem,
        )
    )
    with open(f"{stem}.csv", newline="") as file:
        deeper, against = list(csv.DictReader(file))
    assert tuple(deeper) == comparisons.COLUMNS
    # means over the seeds, and over the folds, of what the files hold
    assert float(deeper["a_score"]) == pytest.approx(35 / 3 + 0.5)
    assert float(deeper["difference"]) == pytest.approx(31 / 3)
    assert (deeper["folds"], deeper["n_train"], deeper["n_test"]) == ("3", "5.0", "2.0")
    assert (deeper["a"], deeper["b"]) == ("ignet/b", "ignet/a")
    assert against["b"] == "median" and float(against["b_score"]) == pytest.approx(
        67 / 3
    )
    assert deeper["status"] == "stand-in"
    text = stem.with_suffix(".md").read_text("utf-8")
    assert "generated drawings" in text and "for the 2 tests" in text
    assert "Protocols that leak have no test" in text


def test_the_schema_names_the_columns_that_are_written():
    from scripts.lib.io.schema import read_yaml

    file = ROOT / "workflow/schemas/tables.schema.yaml"
    schema = read_yaml(file, file.name)["$defs"]["comparisons"]
    assert tuple(schema["required"]) == tuple(schema["properties"])
    assert tuple(schema["required"]) == comparisons.COLUMNS
