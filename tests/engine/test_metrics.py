"""Scores by hand, ties, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import engine
from engine import metrics

OUTPUTS = np.array([[0.1, 0.9, 0.3], [2.0, 1.0, 3.0], [0.0, -1.0, -2.0]], np.float32)


def test_values_by_hand():
    assert metrics.mape([90.0, 110.0], [100, 100]) == 10.0
    assert metrics.mape([-3.0, 1.0], [-2.0, 2.0]) == 50.0
    assert metrics.mean_absolute_error([1.0, 5.0], [2.0, 2.0]) == 2.0
    assert metrics.mean_absolute_error([[1.0], [5.0]], [2, 2]) == 2.0
    assert metrics.mean_absolute_error(np.ones((2, 3, 4)), np.zeros((2, 3, 4))) == 1.0


def test_a_column_and_a_row_are_never_spread_over_each_other():
    """(n, 1) − (n,) would be (n, n)."""
    assert metrics.mean_absolute_error([[1.0], [2.0]], [1.0, 2.0]) == 0.0
    assert metrics.mape([1.0, 2.0], [[1.0], [2.0]]) == 0.0


def test_classes_by_hand():
    assert metrics.accuracy(OUTPUTS, [1, 0, 0]) == pytest.approx(2 / 3)
    assert metrics.accuracy(OUTPUTS, np.array([[1], [2], [0]])) == 1.0
    assert metrics.top_k(OUTPUTS, [1, 0, 0], 2) == 1.0
    assert metrics.top_k(OUTPUTS, [0, 1, 2], 2) == 0.0
    assert metrics.top_k(OUTPUTS, [0, 1, 2], 3) == 1.0


@pytest.mark.parametrize(("class_", "places"), [(0, 2), (1, 1), (2, 3), (3, 4)])
def test_of_equal_outputs_the_smaller_class_comes_first(class_, places):
    outputs = [[1.0, 2.0, 1.0, 1.0]]
    for k in (1, 2, 3, 4):
        assert metrics.top_k(outputs, [class_], k) == float(k >= places)
    assert metrics.accuracy(outputs, [class_]) == float(places == 1)


def test_top_k_is_that_of_a_stable_order():
    generator = np.random.Generator(np.random.PCG64(0))
    outputs = generator.integers(0, 4, (200, 6)).astype(float)
    classes = generator.integers(0, 6, 200)
    order = np.argsort(-outputs, axis=1, kind="stable")
    for k in range(1, 7):
        expected = (order[:, :k] == classes[:, None]).any(axis=1).mean()
        assert metrics.top_k(outputs, classes, k) == expected


VALUES = [
    ([1.0, 2.0], [1.0], r"of one shape, received \(2,\) and \(1,\)"),
    (np.ones((2, 3)), np.ones((3, 2)), r"received \(2, 3\) and \(3, 2\)"),
    (np.ones((1, 2)), np.ones(2), r"received \(1, 2\) and \(2,\)"),
    ([], [], r"predicted: .*at least one row, received float64 of shape \(0,\)"),
    (1.0, 1.0, r"predicted: .*of shape \(\)"),
    (["a"], [1.0], "predicted: expected numbers.* received <U1"),
    ([1.0, math.nan], [1.0, 1.0], "predicted: NaN or infinity in row 1"),
    ([1.0, 1.0], [math.inf, 1.0], "true: NaN or infinity in row 0"),
]


@pytest.mark.parametrize("score", [metrics.mape, metrics.mean_absolute_error])
@pytest.mark.parametrize(("predicted", "true", "text"), VALUES)
def test_values_that_do_not_fit(score, predicted, true, text):
    with pytest.raises(engine.InputError, match=text):
        score(predicted, true)


def test_mape_refuses_a_true_zero():
    with pytest.raises(engine.InputError, match="other than 0, received 0 in row 1"):
        metrics.mape([1.0, 1.0], [2.0, 0.0])


CLASSES = [
    (OUTPUTS[0], [1], r"expected shape \(n, classes\), received \(3,\)"),
    (OUTPUTS, [1, 0], r"integers of shape \(3,\), received int64 of shape \(2,\)"),
    (OUTPUTS, [1.0, 0.0, 2.0], r"integers of shape \(3,\), received float64"),
    (OUTPUTS, np.eye(3), r"received float64 of shape \(3, 3\)"),
    (OUTPUTS, [0, 1, 3], r"numbers 0 \.\.\. 2, received 3 in row 2"),
    (OUTPUTS, [0, -1, 1], r"numbers 0 \.\.\. 2, received -1 in row 1"),
    (OUTPUTS * math.nan, [0, 1, 2], "outputs: NaN or infinity in row 0"),
    (np.empty((0, 3)), np.empty(0, int), "outputs: .*at least one row"),
]


@pytest.mark.parametrize(("outputs", "classes", "text"), CLASSES)
def test_classes_that_do_not_fit(outputs, classes, text):
    with pytest.raises(engine.InputError, match=text):
        metrics.accuracy(outputs, classes)
    with pytest.raises(engine.InputError, match=text):
        metrics.top_k(outputs, classes, 2)


@pytest.mark.parametrize("k", [0, 4, -1, 1.0, True, None])
def test_k_is_one_of_the_numbers_of_classes(k):
    with pytest.raises(engine.InputError, match=r"one of 1 \.\.\. 3 \(classes\), rec"):
        metrics.top_k(OUTPUTS, [0, 1, 2], k)
