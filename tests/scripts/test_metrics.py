"""Scores by hand."""

import math

import numpy as np
import pytest

from scripts.lib import metrics, statistics


def test_scores_by_hand():
    assert metrics.mape(np.array([90.0, 110.0]), np.array([100.0, 100.0])) == 10.0
    assert (
        metrics.mean_absolute_error(np.array([1.0, 5.0]), np.array([2.0, 2.0])) == 2.0
    )
    outputs = np.array([[0.1, 0.9], [2.0, 1.0], [0.0, 1.0]])
    assert metrics.accuracy(outputs, np.array([1, 0, 0])) == pytest.approx(2 / 3)


def test_mape_refuses_a_true_zero():
    with pytest.raises(ValueError, match="other than 0"):
        metrics.mape(np.array([1.0]), np.array([0.0]))


def test_mean_and_sd():
    assert statistics.mean_sd([2.0]) == (2.0, None)
    mean, sd = statistics.mean_sd([1.0, 2.0, 3.0])
    assert (mean, sd) == (2.0, 1.0)
    with pytest.raises(ValueError, match="at least one finite"):
        statistics.mean_sd([1.0, math.nan])
    with pytest.raises(ValueError, match="at least one finite"):
        statistics.mean_sd([])
