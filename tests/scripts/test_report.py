"""What the report says of a row: reached or not, and what the leak is worth."""

import pytest

from scripts import report


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


def test_the_ceiling_is_no_trivial_baseline():
    row = {"metric": "accuracy", "protocol": "paper"}
    rows = [
        {"protocol": "paper", "model": model, "ours": ours, "seconds": ""}
        for model, ours in (("ceiling", "100"), ("majority", "20"), ("logistic", "30"))
    ]
    assert report.best_trivial(row, rows)["model"] == "logistic"


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


def test_deviations_are_plain_text(tmp_path, monkeypatch):
    entry = ("engine/x.py", "max |dL/dw| is ours")
    monkeypatch.setattr(report.deviations, "collect", lambda base: [entry])
    report.make_summary([], None, tmp_path / "summary.rst")
    text = (tmp_path / "summary.rst").read_text("utf-8")
    assert r"* max \|dL/dw\| is ours (``engine/x.py``)" in text


def _rung(part, ours, **more):
    ends = {"low": ours - 1, "high": ours + 1}
    about = {"dataset": "d", "status": "official", "scale": "paper", "seeds": "0"}
    named = {"rung": "x", "label": "X", "part": part, "epoch": "last", "ours": ours}
    empty = {"published": "", "published_where": "", "note": ""}
    return {**empty, **about, **named, **ends, **more}


def test_a_rung_says_whether_it_reaches_what_is_published():
    published = {"published": "50.0", "published_where": "S4 5"}
    rows = [
        _rung("train", 80.0),
        _rung("validation", 49.5, **published),
        _rung("test", 45.0, **published),
        _rung("test", 1.0, rung="chance", epoch=""),
    ]
    text = "\n".join(report._ladder_lines("cifar", rows))
    assert "chance: 1.00 %" in text and "generated" not in text
    assert "* **X**: validation 49.50 % [48.50, 50.50], published 50.00 %" in text
    assert "(S4 5): reached to within 1 point; test 45.00 %" in text
    assert "not reached, 5.00 points behind; train 80.00 % [79.00, 81.00]." in text


def test_a_rung_at_another_scale_or_on_other_data_says_so():
    published = {"published": "50.0", "published_where": "S4 5", "scale": "demo"}
    rows = [
        _rung("test", 55.0, status="stand-in", note="the training of y", **published),
        _rung("test", 1.0, rung="chance", epoch=""),
    ]
    text = "\n".join(report._ladder_lines("cifar", rows))
    assert "The photographs are **generated**" in text
    assert "**X** (the training of y): test" in text
    assert "reached (other data) (scale demo)." in text
