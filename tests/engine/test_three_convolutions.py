"""S4's three convolutions and their gradients against the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from engine import random
from engine.backends.geometry import ConvGeometry
from engine.backends.three_convolutions import (
    CONVOLUTIONS,
    GRADIENTS,
    correlate,
)
from engine.spec import read_spec
from tests.engine import cases
from tests.engine.cases import relative

# Loops take a microsecond for each multiply-add: they get no big cases.
PAIRS = [
    pytest.param(name, case, id=f"{name}-{case.name}")
    for name in CONVOLUTIONS
    for case in cases.CONVOLUTIONS
    if name != "loops" or not case.big
]


@pytest.mark.parametrize("name, case", PAIRS)
def test_it_computes_what_the_reference_does(name, case, reference):
    _, (layer, *_), _ = read_spec(case.spec)
    n, g = min(case.n, 3), layer.geometry
    stream = random.stream(5, "init", case.name)
    x = stream.normal(size=(n, g.channels, g.height, g.width))
    w = stream.normal(size=(g.filters, g.channels // g.groups, *g.kernel))
    b = None if case.name == "conv-no-bias" else stream.normal(size=g.filters)
    kept = x.copy()
    expected = np.empty((n, g.filters, g.out_height, g.out_width))
    reference.conv_forward(x, w, b, expected, g)()
    assert relative(CONVOLUTIONS[name](x, w, b, g), expected) <= 1e-12
    np.testing.assert_array_equal(x, kept)


@pytest.mark.parametrize("name, case", PAIRS)
def test_its_gradient_is_the_references(name, case, reference):
    _, (layer, *_), _ = read_spec(case.spec)
    n, g = min(case.n, 3), layer.geometry
    stream = random.stream(6, "init", case.name)
    dy = stream.normal(size=(n, g.filters, g.out_height, g.out_width))
    w = stream.normal(size=(g.filters, g.channels // g.groups, *g.kernel))
    kept = dy.copy()
    expected = np.empty((n, g.channels, g.height, g.width))
    reference.conv_backward_data(dy, w, expected, g)()
    received = GRADIENTS[name](dy, w, g)
    assert received.shape == expected.shape
    assert relative(received, expected) <= 1e-12
    np.testing.assert_array_equal(dy, kept)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_it_keeps_the_precision_and_without_padding_takes_x_as_it_is(name):
    g = ConvGeometry(2, 5, 6, 3, (3, 3))
    x, w = np.ones((2, 2, 5, 6), np.float32), np.ones((3, 2, 3, 3), np.float32)
    y = CONVOLUTIONS[name](x, w, None, g)
    dx = GRADIENTS[name](y, w, g)
    assert y.dtype == dx.dtype == np.float32
    np.testing.assert_array_equal(y, np.full((2, 3, 3, 4), 18))
    assert dx[0, 0, 0, 0] == 3 * 18


def test_the_convolution_function_does_not_flip_the_kernel():
    image = np.arange(12.0).reshape(3, 4)
    received = correlate(image, np.array([[1.0, 10.0]]), (2, 2), (1, 2))
    np.testing.assert_array_equal(received, [[20.0], [108.0]])
