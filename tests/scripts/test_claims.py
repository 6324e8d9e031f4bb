"""The claims register: every kind of verdict; its tests ask for what exists."""

import csv
import re
from types import SimpleNamespace

import pytest

from scripts import claims as step
from scripts.lib.io.files import write_csv, write_json
from scripts.lib.io.schema import read_yaml
from scripts.lib.score import claims
from scripts.lib.study import claims_plan
from scripts.lib.study.config import load_configs
from tests.conftest import ROOT

SCORES = [
    {"variant": "a", "protocol": "paper", "metric": "mape", "ours": "0.3"},
    {"variant": "b", "protocol": "paper", "metric": "mape", "ours": "0.6"},
    {"variant": "a", "protocol": "by-child", "metric": "mape", "ours": "20"},
    {"variant": "b", "protocol": "by-child", "metric": "mape", "ours": "30"},
    {"variant": "c", "protocol": "", "metric": "mape", "ours": ""},
]
SCORES = [{**row, "last": "", "note": ""} for row in SCORES]
SCORES[1]["last"] = "0.4"
SCORES[-1]["note"] = "not run: not of the scale demo"
TABLES = {"scores": SCORES}
TEST = {"table": "scores", "rows": {}, "column": "ours", "relation": "<=", "value": 0.5}


def find(view=None, tables=TABLES, **changes):
    return claims.find({**TEST, **changes}, tables, view=view)


def test_one_value_holds_or_fails():
    paper = {"protocol": "paper"}
    found = find(paper, rows={"variant": "a"})
    assert (found.holds, found.ours) == (True, "0.3")
    assert [row["variant"] for row in found.rows] == ["a"]
    assert find(paper, rows={"variant": "b"}).holds is False
    assert find(paper, rows={"variant": "b"}, column=["last", "ours"]).holds is True
    assert find(paper, rows={"variant": "b"}, tolerance=0.2).holds is True
    assert find(paper, rows={"variant": "b"}, relation=">", value=0.5).holds is True


def test_one_value_has_its_interval():
    row = {"ours": "12.5", "low": "10", "high": "15.25", "n": "5", "last": "11"}
    given = {"tables": {"scores": [row]}, "value": 9}
    assert find(**given).ours == "12.5 [10 … 15.25], n 5"
    assert find(**given, column="last").ours == "11"  # whose interval it is not
    zero = {"ours": "0", "low": "0", "high": "3", "n": "5", "part": "test"}
    measured = {"rows": {}, "by": ["part"], "as": "difference"}
    found = find(tables={"scores": [zero]}, against=measured)
    assert found.ours == "0"  # a difference: 0 for another reason


def test_one_row_refutes_all_but_a_missing_one_leaves_all_open():
    wrong = find({"protocol": "paper"}, rows={"variant": ["a", "b", "c"]})
    assert wrong.holds is False
    assert wrong.because == "not so in 1 of 2, such as b: 0.6"
    assert wrong.ours == "0.3 … 0.6 (2)"
    open_ = find({"protocol": "paper"}, rows={"variant": ["a", "c"]})
    assert open_.holds is None
    assert open_.because == "1 of 2 say nothing, such as c: not of the scale demo"
    few = find({"protocol": "paper"}, rows={"variant": "a"}, rows_at_least=6)
    assert (few.holds, few.because) == (None, "1 of 6 rows are there")


def test_what_is_not_there_cannot_be_decided():
    assert find(tables={}).because == "this run makes no scores"
    made = claims.find(TEST, {}, outside={"scores": "make bench"})
    assert (made.holds, made.because) == (None, "not measured here (make bench)")
    none = find({"protocol": "by-drawing"}, rows={"variant": "a"})
    assert none.holds is None
    assert "scores has no row of variant a, protocol by-drawing" in none.because
    loud = find(rows={"variant": "a", "protocol": "paper"}, require={"last": "9"})
    assert (loud.holds, loud.because, loud.ours) == (None, "a: last is ''", "0.3")


def test_a_column_that_is_not_there_is_an_error():
    with pytest.raises(ValueError, match=r"scores\.csv: expected one of the columns"):
        find(column="our")
    with pytest.raises(ValueError, match="received 'varient'"):
        find(rows={"varient": "a"})


def test_rows_measured_by_others():
    against = {"rows": {"variant": "a"}, "by": ["protocol"], "as": "gain"}
    gain = {"rows": {"variant": "b"}, "against": against, "relation": "<", "value": 0}
    found = find(**gain)
    assert (found.holds, found.ours) == (True, "-10 … -0.3 (2)")
    ratio = {**gain, "against": {**against, "as": "ratio"}, "relation": "between"}
    assert find(**{**ratio, "value": [1.5, 2]}).holds is True
    assert find(**{**ratio, "value": [1.9, 2]}).because.endswith("such as b: 1.5")
    difference = {**gain, "against": {**against, "as": "difference"}, "value": 1}
    assert find(**difference).holds is False
    alone = find(rows={"variant": "c"}, against=against)
    assert alone.holds is None
    nobody = {**against, "rows": {"variant": "d"}}
    assert "nothing to compare it with" in find(**{**gain, "against": nobody}).because


def test_rows_measured_by_those_of_another_table():
    tables = {"scores": SCORES, "others": [{**SCORES[0], "ours": "3"}]}
    against = {"table": "others", "rows": {}, "by": ["protocol"], "as": "ratio"}
    tenth = {"rows": {"variant": "a", "protocol": "paper"}, "against": against}
    found = find(**tenth, value=0.1, tables=tables)
    assert (found.holds, found.ours) == (True, "0.1")
    assert find(**tenth).because == "this run makes no others"


def test_both_ends_of_an_interval_must_say_the_same():
    row = {"a": "x", "b": "y", "difference": "0.2", "low": "-3", "high": "0.9"}
    given = {"column": "difference", "ends": ["low", "high"], "value": 1}
    assert find(**given, tables={"scores": [row]}).holds is True
    assert find(**given, tables={"scores": [row]}).ours == "0.2 [-3 … 0.9]"
    wide = find(**given, tables={"scores": [{**row, "high": "4"}]})
    assert (wide.holds, wide.because) == (None, "x / y: -3 … 4 leaves it open")
    untested = {**row, "low": "", "high": "", "note": "not tested: the same"}
    none = find(**given, tables={"scores": [untested]})
    assert (none.holds, none.because) == (None, "x / y: not tested: the same")
    above = {**row, "difference": "3", "low": "2", "high": "4"}
    assert find(**given, tables={"scores": [above]}).holds is False


def test_one_number_of_all_rows():
    rows = {"protocol": "by-child", "variant": ["a", "b"]}
    assert find(rows=rows, over="spread", relation="<=", value=10).holds is True
    assert (
        find(rows=rows, over="spread", relation="<=", value=9).because == "spread: 10"
    )
    assert find(rows=rows, over="least", relation="=", value=20).holds is True
    assert find(rows=rows, over="greatest", relation="=", value=30).holds is True
    assert find(rows=rows, over="spread", rows_at_least=3).holds is None


def test_most_rows():
    table = {"scores": [{"ours": value} for value in ("1", "1", "5", "")]}
    most = {"over": "most", "tables": table}
    assert find(**most, value=9).holds is True
    assert find(**most, value=2).because == "1 of 4 say nothing, such as row: no value"
    assert find(**most, value=0).because == "not so in 3 of 4"


def test_texts_and_the_last_of_a_column():
    rows = [{"pass": p, "word": w} for p, w in (("9", "no"), ("10", "yes"))]
    test = {"table": "t", "rows": {"pass": "$last"}, "column": "word", "relation": "="}
    assert claims.find({**test, "value": "yes"}, {"t": rows}).holds is True
    every = {**test, "rows": {}, "value": "yes"}
    assert claims.find(every, {"t": rows}).holds is False
    found = claims.find({**every, "undecided": ["no"]}, {"t": rows})
    assert found.holds is None and found.ours == "1 × yes"


def test_several_tests_must_all_hold():
    holds = {**TEST, "rows": {"variant": "a", "protocol": "paper"}}
    fails = {**TEST, "rows": {"variant": "b", "protocol": "paper"}}
    open_ = {**TEST, "rows": {"variant": "c"}}
    for tests, expected in (
        ([holds, holds], True),
        ([holds, open_], None),
        ([open_, fails, holds], False),
    ):
        assert claims.find(tests, TABLES).holds is expected


@pytest.mark.parametrize(
    ("holds", "status", "scale", "data", "word", "because"),
    [
        (True, "official", "paper", "alike", "reproduced", "why"),
        (False, "official", "paper", "alike", "not reproduced", "why"),
        (False, "official", "demo", "alike", "not reproduced (scale demo)", "why"),
        (True, "local", "demo", "alike", "reproduced (other data, scale demo)", "why"),
        (True, "local", "smoke", "alike", "cannot be decided", "scale smoke"),
        (True, "local", "paper", "own", "cannot be decided", "others' data"),
        (True, "official", "paper", "own", "reproduced", "why"),
        (False, "stand-in", "paper", "alike", "cannot be decided", "it does not hold"),
        (True, "stand-in", "paper", "alike", "cannot be decided", "not the document's"),
        (True, "stand-in", "smoke", "any", "reproduced", "why"),
        (None, "official", "paper", "alike", "cannot be decided", "why"),
        (True, "", "smoke", "any", "cannot be decided", "scale smoke"),
        (True, "", "demo", "any", "reproduced", "why"),
    ],
)
def test_verdicts(holds, status, scale, data, word, because):
    finding = claims.Finding(holds, "why")
    given = claims.verdict(finding, {status} - {""}, {scale}, data=data)
    assert given[0] == word
    assert because in given[1]


@pytest.mark.parametrize(
    ("scale", "word", "because"),
    [
        ("paper", "not reproduced", "why"),
        ("short", "cannot be decided", "scale short, not .* there it does not hold"),
        ("smoke", "cannot be decided", "shows only that everything runs"),
    ],
)
def test_some_sentences_are_decided_by_the_documents_scale_alone(scale, word, because):
    finding = claims.Finding(False, "why")
    given = claims.verdict(finding, {"official"}, {scale}, scale="own")
    assert given[0] == word
    assert re.search(because, given[1])


def test_the_table(tmp_path):
    about = {"dataset": "small", "status": "local", "scale": "demo", "seeds": "0"}
    rows = [{**row, **about} for row in SCORES]
    write_csv(tmp_path / "scores.csv", list(rows[0]), rows)
    write_json(
        tmp_path / "source.json", {"title": "S", "dataset": "small", "status": "local"}
    )
    (tmp_path / "x.yaml").write_text(
        """
title: What X says
source: X
views: {leaking: {protocol: paper}, honest: {protocol: by-child}}
claims:
  small:
    section: "1"
    says: The error is small.
    published: <= 0.5
    remark: below one half
    tests:
      leaking: &small
        {table: scores, rows: {variant: a}, column: ours, relation: <=, value: 0.5}
      honest: *small
  kind:
    section: "2"
    says: The wind is kind.
    untested: nothing measures wind
"""
    )
    stem = tmp_path / "claims_x"
    step.make_table(
        SimpleNamespace(
            claims=tmp_path / "x.yaml",
            tables=[tmp_path / "scores.csv"],
            sources=[tmp_path / "source.json"],
            scale="demo",
            output_stem=stem,
        )
    )
    with open(f"{stem}.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert tuple(found[0]) == step.COLUMNS
    assert [(r["view"], r["ours"], r["verdict"]) for r in found] == [
        ("leaking", "0.3", "reproduced (other data, scale demo)"),
        ("honest", "20", "not reproduced (other data, scale demo)"),
        ("any", "", "cannot be decided"),
    ]
    assert found[0]["seeds"] == "0" and found[0]["dataset"] == "small"
    text = stem.with_suffix(".md").read_text("utf-8")
    assert "The error is small. [below one half]" in text
    assert "cannot be decided: nothing measures wind" in text
    assert "View honest: 1 not reproduced" in text


CONFIGS = load_configs(
    ROOT, read_yaml(ROOT / "config/config.yaml", "config/config.yaml")
)
COLUMNS = read_yaml(ROOT / "workflow/schemas/tables.schema.yaml", "schema")["$defs"]


def _kind(table):
    """Return the name by which the schema knows a table."""
    if table in COLUMNS:
        return table
    groups = {e["group"] for e in CONFIGS.experiments.values() if "rung" in e}
    for group in groups:
        if table in (group, f"{group}_pairs"):
            return table.replace(group, "ladder")
    experiment = CONFIGS.experiments.get(table)
    if experiment and experiment["kind"] == "training":
        return "training"
    return next((k for k in COLUMNS if table == k or table.startswith(f"{k}_")), table)


@pytest.mark.parametrize("name", sorted(CONFIGS.claims))
def test_every_claims_table_and_column_exist(name):
    found = list(claims_plan.all_tests(CONFIGS.claims[name]))
    assert found
    for where, test in found:
        assert _kind(test["table"]) in COLUMNS, where
        known = COLUMNS[_kind(test["table"])]["required"]
        named = [
            *test["rows"],
            *test.get("require", ()),
            *claims.listed(test["column"]),
        ]
        named += test.get("ends", ())
        against = test.get("against", {})
        other = COLUMNS[_kind(against.get("table", test["table"]))]["required"]
        named += against.get("by", ())
        others = [*against.get("rows", ()), *against.get("by", ())]
        others += [against["column"]] if "column" in against else []
        assert set(others) <= set(other), where
        view = where.split(".tests.")[1]
        named += CONFIGS.claims[name]["views"].get(view, {})
        assert set(named) <= set(known), (where, set(named) - set(known))


def test_every_claims_variants_exist():
    """A pattern that fits no variant would leave its claim open for ever."""
    import fnmatch

    for where, test in claims_plan.all_tests(CONFIGS.claims["s0"]):
        experiment = CONFIGS.experiments.get(test["table"])
        if not experiment or experiment["kind"] != "training":
            continue
        for pattern in claims.listed(test["rows"]["variant"]):
            assert fnmatch.filter(experiment["variants"], pattern), (where, pattern)


def test_every_claims_rungs_exist_and_are_neighbours():
    ladders = {n: e for n, e in CONFIGS.experiments.items() if "rung" in e}
    groups = {e["group"] for e in ladders.values()}
    found = 0
    for where, test in claims_plan.all_tests(CONFIGS.claims["s4"]):
        rows = test["rows"]
        if test["table"] in groups:
            found += 1
            assert set(claims.listed(rows["rung"])) <= set(ladders), where
        elif test["table"] in {f"{group}_pairs" for group in groups}:
            found += 1
            for rung in claims.listed(rows["a"]):
                assert set(claims.listed(rows["b"])) & set(ladders[rung]["follows"])
    assert found > 20


def test_the_schema_names_the_columns_that_are_written():
    assert tuple(COLUMNS["claims"]["required"]) == step.COLUMNS
    assert tuple(COLUMNS["claims"]["properties"]) == step.COLUMNS
