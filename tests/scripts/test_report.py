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
