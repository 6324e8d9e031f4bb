"""What is left out at random: timed, learned and judged."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from scripts.lib.diagnostics import freezeconnect
from tests.scripts.diagnosed import PROTOCOLS, case


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
        assert row["part"] == "validation"  # the test part is for `evaluate` alone


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
    one = case(small, "months", protocol="by-child")
    way = ("freezeconnect", 0.5)
    short = freezeconnect.learn(one, way, 0, 0, passes=1, most=1)
    longer = freezeconnect.learn(one, way, 0, 0, passes=1, most=6)
    assert longer.scores[:1] == short.scores
    assert len(longer.scores) == 6
    assert min(longer.scores) < longer.scores[0], "a later pass is the better one"
    assert longer.best == short.best


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
