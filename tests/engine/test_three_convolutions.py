"""S4's three convolutions against the reference's."""

from __future__ import annotations

import numpy as np
import pytest

from engine import random
from engine.backends.three_convolutions import CONVOLUTIONS, correlate
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


def test_the_convolution_function_does_not_flip_the_kernel():
    image = np.arange(12.0).reshape(3, 4)
    received = correlate(image, np.array([[1.0, 10.0]]), (2, 2), (1, 2))
    np.testing.assert_array_equal(received, [[20.0], [108.0]])
