"""Means and deviations by hand."""

import math

import pytest

from scripts.lib import statistics


def test_mean_and_sd():
    assert statistics.mean_sd([2.0]) == (2.0, None)
    mean, sd = statistics.mean_sd([1.0, 2.0, 3.0])
    assert (mean, sd) == (2.0, 1.0)
    with pytest.raises(ValueError, match="at least one finite"):
        statistics.mean_sd([1.0, math.nan])
    with pytest.raises(ValueError, match="at least one finite"):
        statistics.mean_sd([])
