"""Means, intervals and tests: by hand, against published numbers, by simulation."""

import math

import numpy as np
import pytest
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from scripts.lib.score import intervals

FINITE = "at least one finite number"


def test_mean_and_sd():
    assert intervals.mean_sd([2.0]) == (2.0, None)
    mean, sd = intervals.mean_sd([1.0, 2.0, 3.0])
    assert (mean, sd) == (2.0, 1.0)
    for values in ([1.0, math.nan], []):
        with pytest.raises(ValueError, match=FINITE):
            intervals.mean_sd(values)


def test_bootstrap_of_two_children_by_hand():
    # Children a (1 sample of 0) and b (3 of 1): twice a gives 0, twice b 1, one of each
    # 3/4; a quarter of the resamples is 0, so the 10 % quantile is, and 90 % is 1.
    low, high = intervals.bootstrap_interval("abbb", [0, 1, 1, 1], level=0.8)
    assert (low, high) == (0, 1)
    # The middle half lies between the quarters: from 3/4 upwards.
    low, high = intervals.bootstrap_interval("abbb", [0, 1, 1, 1], level=0.4)
    assert (low, high) == (0.75, 0.75)


def test_bootstrap_weights_are_as_good_as_repetition():
    groups, values = ["a", "b", "b", "c"], [1.0, 2.0, 5.0, 3.0]
    twice = intervals.bootstrap_interval([*groups, "b"], [*values, 5.0], seed=4)
    weighted = intervals.bootstrap_interval(
        groups, values, weights=[1, 1, 2, 1], seed=4
    )
    assert weighted == pytest.approx(twice)
    halved = intervals.bootstrap_interval(
        groups, values, weights=[0.5, 0.5, 1, 0.5], seed=4
    )
    assert halved == pytest.approx(twice)


def test_bootstrap_repeats_and_has_seeds(monkeypatch):
    groups, values = np.arange(40) // 2, np.arange(40) ** 0.5
    one = intervals.bootstrap_interval(groups, values, seed=1)
    assert one == intervals.bootstrap_interval(groups, values, seed=1)
    assert one != intervals.bootstrap_interval(groups, values, seed=2)
    # The children's order of appearance counts, not what they are called.
    named = [f"child {g}" for g in groups]
    assert one == intervals.bootstrap_interval(named, values, seed=1)
    # Blocks only bound the memory. (20 numbers are 5 blocks of the generator, whole.)
    monkeypatch.setattr(intervals, "_DRAWN", 20 * 300)
    assert one == intervals.bootstrap_interval(groups, values, seed=1)


def test_bootstrap_covers_the_mean_where_children_are_alike_in_themselves():
    rng = np.random.default_rng(0)
    children = np.repeat(np.arange(50), 3)
    held = {"children": 0, "drawings": 0}
    trials = 200
    for trial in range(trials):
        values = rng.normal(size=50)[children] + 0.5 * rng.normal(size=150)
        for name, groups in (("children", children), ("drawings", range(150))):
            low, high = intervals.bootstrap_interval(
                groups, values, seed=trial, resamples=300
            )
            held[name] += low <= 0 <= high
    # 95 % ± 4 % (2.6 standard deviations of 200 trials); the naive way falls far short.
    assert 0.91 <= held["children"] / trials <= 0.99
    assert held["drawings"] / trials < 0.85


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"values": [1.0, math.inf, 2.0]}, FINITE),
        ({"values": [1.0, 2.0]}, r"as many groups and weights as values \(2\)"),
        ({"groups": ["a", "a", "a"]}, "at least 2 groups to redraw, received 1"),
        ({"weights": [1, 0, 1]}, "finite weights above 0"),
        ({"level": 95}, "level: expected between 0 and 1, received 95"),
    ],
)
def test_bootstrap_refuses(change, text):
    given = {"groups": ["a", "b", "c"], "values": [1.0, 2.0, 3.0], **change}
    with pytest.raises(ValueError, match=text):
        intervals.bootstrap_interval(given.pop("groups"), given.pop("values"), **given)


def test_corrected_t_by_hand():
    # d̄ = 2, s² = 2.5, n = 5: √((1/5 + 1/4) · 2.5) = 1.06066; the plain test's error
    # would be √(2.5 / 5) = 0.70711. t(4) has its 97.5 % quantile at 2.776445.
    test = intervals.corrected_resampled_t([0, 1, 2, 3, 4], n_test=20, n_train=80)
    assert test.t == pytest.approx(1.885618, abs=1e-6)
    half = 2.776445 * 1.060660
    assert test.interval == pytest.approx((2 - half, 2 + half), abs=1e-5)
    # Two-sided p of t with 4 degrees of freedom, in closed form.
    u = test.t**2 / (4 + test.t**2)
    assert test.p == pytest.approx(1 - math.sqrt(u) * (1 + (1 - u) / 2))


def test_corrected_t_gives_scikit_learns_published_example():
    # "Statistical comparison of models using grid search" in its gallery: corrected
    # t 0.750, p 0.227 (one-sided) for the kernels rbf and linear.
    x, t = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, linear = (
        cross_val_score(SVC(kernel=k), x, t, cv=folds, scoring="roc_auc")
        for k in ("rbf", "linear")
    )
    test = intervals.corrected_resampled_t(rbf - linear, n_test=10, n_train=90)
    assert (round(test.t, 3), round(test.p / 2, 3)) == (0.750, 0.227)


def test_corrected_t_where_all_differences_are_equal():
    same = intervals.corrected_resampled_t([0.0] * 5, n_test=1, n_train=4)
    assert same == (0.0, 1.0, (0.0, 0.0))
    other = intervals.corrected_resampled_t([-0.5] * 5, n_test=1, n_train=4)
    assert other == (-math.inf, 0.0, (-0.5, -0.5))


@pytest.mark.parametrize(
    ("differences", "sizes", "text"),
    [
        ([1.0], (1, 4), "at least 2 differences, received 1"),
        ([1.0, math.nan], (1, 4), FINITE),
        ([1.0, 2.0], (1, 0), "n_train: expected above 0, received 0"),
        ([1.0, 2.0], (math.nan, 4), "n_test: expected above 0, received nan"),
    ],
)
def test_corrected_t_refuses(differences, sizes, text):
    with pytest.raises(ValueError, match=text):
        intervals.corrected_resampled_t(differences, n_test=sizes[0], n_train=sizes[1])


def test_t_interval_by_hand():
    # Mean 2, s = 1, n = 3; t(2) has its 97.5 % quantile at 4.302653.
    half = 4.302653 / math.sqrt(3)
    assert intervals.t_interval([1, 2, 3]) == pytest.approx((2 - half, 2 + half))
    assert intervals.t_interval([7.0]) is None
    with pytest.raises(ValueError, match=FINITE):
        intervals.t_interval([])


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998), Table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_newcombes_published_intervals(hits, n, low, high):
    found = intervals.wilson_interval(hits, n)
    assert tuple(round(end, 4) for end in found) == (low, high)
    other = intervals.wilson_interval(n - hits, n)
    assert other == pytest.approx((1 - found.high, 1 - found.low))


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (-1, 4), (5, 4)])
def test_wilson_refuses(hits, n):
    with pytest.raises(ValueError, match="expected 0 <= hits <= n"):
        intervals.wilson_interval(hits, n)


def test_a_straight_line_is_found():
    a, b = intervals.line_through([1, 10, 100], [3.0, 21.0, 201.0])
    assert (a, b) == (pytest.approx(1.0), pytest.approx(2.0))


def test_a_power_law_is_found():
    x = [1.0, 2.0, 5.0, 9.0]
    law = intervals.power_law(x, [3 * value**1.5 for value in x])
    assert law.exponent == pytest.approx(1.5)
    assert law.factor == pytest.approx(3)
    assert law.interval == pytest.approx((1.5, 1.5))
    assert law.r2 == pytest.approx(1)
    assert intervals.power_law(x, [2.0] * 4).exponent == 0


def test_a_power_laws_interval_by_hand():
    # log2: x 0, 1, 2; y 0, 2, 2: slope 1, rest -1/3, 2/3, -1/3; t(1) has its 97.5 %
    # quantile at 12.7062.
    law = intervals.power_law([1, 2, 4], [1, 4, 4])
    half = 12.7062 * math.sqrt((1 / 9 + 4 / 9 + 1 / 9) / (1 * 2))
    assert law.exponent == pytest.approx(1)
    assert law.interval == pytest.approx((1 - half, 1 + half), rel=1e-5)
    assert law.r2 == pytest.approx(1 - (2 / 3) / (8 / 3))


def test_a_power_laws_interval_holds_the_exponent():
    draw = np.random.default_rng(0)
    x = np.arange(1, 9, dtype=float)
    held = 0
    for _ in range(400):
        law = intervals.power_law(x, 2 * x**0.8 * np.exp(0.1 * draw.normal(size=8)))
        held += law.interval.low <= 0.8 <= law.interval.high
    assert 0.92 < held / 400 < 0.98


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 2], [1, 2], "three different x, received 2 x, 2 different, and 2 y"),
        ([1, 1, 2], [1, 2, 3], "2 different"),
        ([1, 2, 3], [1, 2], "and 2 y"),
        ([1, 2, 3], [1, 0, 2], "finite numbers above 0"),
        ([1, 2, 3], [1, math.nan, 2], "finite numbers above 0"),
    ],
)
def test_a_power_law_refuses(x, y, said):
    with pytest.raises(ValueError, match=said):
        intervals.power_law(x, y)
