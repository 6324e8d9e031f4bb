"""Statistics of two portions: on the same images, and on others."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from scripts.lib.score import intervals


@pytest.mark.parametrize(
    ("only_a", "only_b"), [(0, 0), (1, 0), (5, 5), (8, 2), (0, 7), (310, 250)]
)
def test_mcnemar_is_the_exact_binomial_test(only_a, only_b):
    p = intervals.mcnemar(only_a, only_b)
    if only_a + only_b:
        assert p == pytest.approx(binomtest(only_a, only_a + only_b).pvalue)
    else:
        assert p == 1
    assert p == intervals.mcnemar(only_b, only_a)


@pytest.mark.parametrize(
    ("counts", "ends"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((10, 10, 0, 10), (0.6075, 1.0)),
    ],
)
def test_difference_interval_gives_newcombes_published_intervals(counts, ends):
    assert intervals.difference_interval(*counts) == pytest.approx(ends, abs=5e-5)


def test_paired_interval_by_hand():
    # n = 98, b = 9, c = 4: (10 - 5) / 100 and the root of (0.15 - 0.05²) / 100
    half = 1.959963984540054 * math.sqrt((0.15 - 0.0025) / 100)
    found = intervals.paired_interval(9, 4, 98)
    assert found == pytest.approx((0.05 - half, 0.05 + half))
    low, high = intervals.paired_interval(4, 9, 98)
    assert (-high, -low) == pytest.approx(found)


def test_paired_interval_covers():
    draws = np.random.default_rng(0).multinomial(200, [0.3, 0.2, 0.12, 0.38], 2000)
    held = 0
    for _, only_a, only_b, _ in draws.tolist():
        low, high = intervals.paired_interval(only_a, only_b, 200)
        held += low <= 0.08 <= high
    assert 0.935 < held / len(draws) < 0.97


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: intervals.mcnemar(-1, 2), "only_a: expected at least 0, received -1"),
        (lambda: intervals.paired_interval(3, 3, 5), "at least only_a .* = 6, rec"),
        (lambda: intervals.paired_interval(0, 0, 0), "n of at least 1"),
    ],
)
def test_paired_counts_that_cannot_be_are_refused(call, text):
    with pytest.raises(ValueError, match=text):
        call()
