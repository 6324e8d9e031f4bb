"""The reference's forward against each layer's formula, written out as plain loops.

Backward is held to forward by finite differences (test_gradients.py), so with this file
the definition that all devices are compared with stands on its own feet.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import engine
from tests.engine.cases import (
    ACTIVATIONS,
    CLIPS,
    CONVOLUTIONS,
    DENSE,
    MERGES,
    PADS,
    POOLS,
    RESPONSE_NORMS,
    SCALES,
    SOFTMAXES,
    Case,
    relative,
)

FLOAT32 = 1e-6  # predict returns float32


def pair(value) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def before(settings: dict, size: int, axis: int) -> int:
    """Return how many zeros stand before the map along an axis.

    `same`: as many outputs as ⌈size / stride⌉; of an odd number of zeros the larger
    half stands behind.
    """
    padding = settings.get("padding", 0)
    if padding == "valid":
        return 0
    if padding != "same":
        return pair(padding)[axis]  # also of [top, left, bottom, right]
    stride = pair(settings.get("stride", 1))[axis]
    reach = pair(settings.get("dilation", 1))[axis] * (
        pair(settings["kernel"])[axis] - 1
    )
    outputs = math.ceil(size / stride)
    return max((outputs - 1) * stride + reach + 1 - size, 0) // 2


def convolve(x: np.ndarray, w: np.ndarray, b, settings: dict, shape) -> np.ndarray:
    """y[n,f,i,j] = b[f] + Σ w[f,c,u,v] x[n, c, i s + u d − p, …]; outside x is 0, or
    what stands at the edge.
    """
    n, _, height, width = x.shape
    filters, depth, kh, kw = w.shape
    (sh, sw), (dh, dw) = (pair(settings.get(k, 1)) for k in ("stride", "dilation"))
    top, left = before(settings, height, 0), before(settings, width, 1)
    per_group = filters // settings.get("groups", 1)
    y = np.zeros((n, *shape))
    for f, i, j, c, u, v in itertools.product(*map(range, (*shape, depth, kh, kw))):
        a, e = i * sh + u * dh - top, j * sw + v * dw - left
        if settings.get("padding_mode") == "edge":
            a, e = min(max(a, 0), height - 1), min(max(e, 0), width - 1)
        if 0 <= a < height and 0 <= e < width:
            y[:, f, i, j] += w[f, c, u, v] * x[:, f // per_group * depth + c, a, e]
    return y if b is None else y + b[:, None, None]


def pooled(x: np.ndarray, kind: str, settings: dict, shape) -> np.ndarray:
    """Maxima over what lies on the map; means with zeros outside it."""
    _, _, height, width = x.shape
    if kind == "global_average_pool":
        return np.array([[math.fsum(c.ravel()) / c.size for c in s] for s in x])
    size, dilation = pair(settings["size"]), pair(settings.get("dilation", 1))
    stride = pair(settings.get("stride", settings["size"]))
    sides = settings.get("padding", 0)
    top, left, bottom, right = (*pair(sides), *pair(sides))[:4]
    counted = settings.get("count_padding", True)
    y = np.empty((len(x), *shape))
    for c, i, j in itertools.product(*map(range, shape)):
        rows = [i * stride[0] + u * dilation[0] - top for u in range(size[0])]
        columns = [j * stride[1] + v * dilation[1] - left for v in range(size[1])]
        window = [
            x[:, c, a, e]
            for a, e in itertools.product(rows, columns)
            if 0 <= a < height and 0 <= e < width
        ]
        if kind == "max_pool":
            y[:, c, i, j] = np.max(window, axis=0)
            continue
        declared = sum(a < height + bottom for a in rows) * sum(
            e < width + right for e in columns
        )
        y[:, c, i, j] = sum(window) / (declared if counted else len(window))
    return y


FUNCTIONS = {
    "identity": lambda z, a: z,
    "relu": lambda z, a: z if z > 0 else 0.0,
    "leaky_relu": lambda z, a: z if z > 0 else a * z,
    "sigmoid": lambda z, a: 1.0 / (1.0 + math.exp(-z)),
    "bipolar_sigmoid": lambda z, a: (1.0 - math.exp(-z)) / (1.0 + math.exp(-z)),
    "tanh": lambda z, a: math.tanh(z),
}


def outputs(case: Case, reference) -> tuple[np.ndarray, dict, tuple[int, ...]]:
    """Return the network's outputs, its parameters, and the first layer's shape."""
    network = case.network(reference)
    return network.predict(case.x()), network.parameters(), network.layers[0].out_shape


@pytest.mark.parametrize(
    "case", [c for c in CONVOLUTIONS if not c.big], ids=lambda case: case.name
)
def test_convolution(case, reference):
    received, parameters, shape = outputs(case, reference)
    w, b = parameters["conv1.weight"], parameters.get("conv1.bias")
    expected = convolve(case.x(), w, b, case.layers[0]["conv"], shape)
    assert relative(received, expected.reshape(received.shape)) <= FLOAT32


@pytest.mark.parametrize("case", POOLS, ids=lambda case: case.name)
def test_pooling(case, reference):
    ((kind, settings),) = case.layers[0].items()
    received, _, shape = outputs(case, reference)
    expected = pooled(case.x(), kind, settings, shape)
    assert relative(received, expected.reshape(received.shape)) <= FLOAT32


@pytest.mark.parametrize("case", PADS, ids=lambda case: case.name)
def test_padding(case, reference):
    settings = case.layers[0]["pad"]
    received, _, _ = outputs(case, reference)
    sides, mode = settings["padding"], settings.get("mode", "constant")
    top, left, bottom, right = (*pair(sides), *pair(sides))[:4]
    value = {"constant_values": settings.get("value", 0)} if mode == "constant" else {}
    widths = [(0, 0), (0, 0), (top, bottom), (left, right)]
    expected = np.pad(case.x(), widths, mode=mode, **value)
    assert relative(received, expected.reshape(received.shape)) <= FLOAT32


@pytest.mark.parametrize("case", DENSE, ids=lambda case: case.name)
def test_dense(case, reference):
    received, parameters, _ = outputs(case, reference)
    w, b = parameters["dense1.weight"], parameters.get("dense1.bias")
    x = case.x().reshape(case.n, -1).astype(np.float64)
    for n, o in itertools.product(range(min(case.n, 3)), range(min(len(w), 9))):
        expected = math.fsum(x[n] * w[o]) + (0.0 if b is None else b[o])
        assert received[n, o] == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("case", ACTIVATIONS, ids=lambda case: case.name)
def test_activation(case, reference):
    given = case.layers[0]["activation"]
    name, slope = (
        next(iter(given.items())) if isinstance(given, dict) else (given, 0.01)
    )
    received, _, _ = outputs(case, reference)
    expected = [FUNCTIONS[name](float(z), slope) for z in case.x().ravel()]
    assert relative(received.ravel(), np.array(expected)) <= FLOAT32


@pytest.mark.parametrize("case", SOFTMAXES, ids=lambda case: case.name)
def test_softmax(case, reference):
    received, _, _ = outputs(case, reference)
    received = received.reshape(case.x().shape)
    expected = np.empty(received.shape)
    for n, *place in itertools.product(range(case.n), *map(range, received.shape[2:])):
        where = n, slice(None), *place
        powers = [math.exp(v) for v in case.x()[where]]
        expected[where] = [p / math.fsum(powers) for p in powers]
    assert relative(received, expected) <= FLOAT32


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([1000.0, 0.0, -1000.0], [1.0, 0.0, 0.0]),
        ([-1000.0, -1000.0, -1000.0], [1 / 3, 1 / 3, 1 / 3]),
        ([1000.0, 1000.0, 999.0], [0.4223188, 0.4223188, 0.1553624]),
    ],
)
def test_softmax_of_large_numbers(x, expected, any_device):
    vector = Case("large", (3,), ({"activation": "softmax"},), n=1)
    network = vector.network(any_device)
    np.testing.assert_allclose(network.predict([x])[0], expected, atol=1e-6)
    gradient = network.gradients([x], [[0.0, 0.0, 1.0]])["input"]
    dy = np.array(expected) - [0.0, 0.0, 1.0]
    np.testing.assert_allclose(
        gradient[0], expected * (dy - (dy * expected).sum()), atol=1e-6
    )


def test_add_and_concat(reference):
    layers = (
        {"activation": "tanh", "name": "a"},
        {"add": {}, "inputs": ["a", "input"], "name": "sum"},
        {"concat": {}, "inputs": ["input", "sum", "a"]},
        "flatten",
    )
    case = Case("merged", (2, 3, 2), layers)
    x = case.x().astype(np.float64)
    expected = np.concatenate([x, np.tanh(x) + x, np.tanh(x)], axis=1)
    received, _, _ = outputs(case, reference)
    assert relative(received, expected.reshape(received.shape)) <= FLOAT32


@pytest.mark.parametrize("case", CLIPS, ids=lambda case: case.name)
def test_clip(case, reference):
    given = case.layers[0]["clip"]
    low, high = given.get("minimum", -math.inf), given.get("maximum", math.inf)
    received, _, _ = outputs(case, reference)
    expected = [min(max(float(x), low), high) for x in case.x().ravel()]
    assert relative(received.ravel(), np.array(expected)) <= FLOAT32


@pytest.mark.parametrize("case", SCALES, ids=lambda case: case.name)
def test_scale(case, reference):
    received, parameters, shape = outputs(case, reference)
    per = case.layers[0]["scale"].get("per", "channel")
    w, b = parameters["scale1.weight"], parameters.get("scale1.bias")
    x, expected = case.x().astype(np.float64), np.empty((case.n, *shape))
    for at in np.ndindex(shape):
        place = {"channel": at[:1], "element": at, "all": (0,)}[per]
        bias = 0.0 if b is None else b[place]
        expected[:, *at] = w[place] * x[:, *at] + bias
    assert relative(received, expected.reshape(received.shape)) <= FLOAT32


def test_scale_begins_as_the_identity(any_device):
    layers = ({"scale": {"bias": "learned"}}, "flatten")
    spec = Case("new", (3, 2, 2), layers).spec
    network = engine.Network.from_spec(spec, device=any_device)
    x = Case("new", (3, 2, 2), layers).x()
    np.testing.assert_array_equal(network.predict(x), x.reshape(5, 12))


@pytest.mark.parametrize("case", RESPONSE_NORMS, ids=lambda case: case.name)
def test_local_response_norm(case, reference):
    given = {"beta": 0.75, "bias": 1.0, "alpha": 1e-4}
    given |= case.layers[0]["local_response_norm"]
    size, channels = given["size"], case.input[0]
    x = case.x().astype(np.float64)
    expected = np.empty_like(x)
    for c in range(channels):
        low, high = c - math.floor((size - 1) / 2), c + math.ceil((size - 1) / 2)
        window = [k for k in range(low, high + 1) if 0 <= k < channels]
        squares = sum(x[:, k] ** 2 for k in window)
        s = given["bias"] + given["alpha"] / size * squares
        expected[:, c] = x[:, c] / s ** given["beta"]
    received, _, _ = outputs(case, reference)
    assert relative(received, expected.reshape(received.shape)) <= FLOAT32


def test_products(reference):
    cases = {case.name: case for case in MERGES}
    case = cases["multiply-two-gates"]
    x = case.x().astype(np.float64)
    expected = (
        x * x.max(axis=(2, 3), keepdims=True) * x.mean(axis=(2, 3), keepdims=True)
    )
    received, _, _ = outputs(case, reference)
    assert relative(received, expected.reshape(received.shape)) <= FLOAT32
    case = cases["multiply-vectors"]
    x = case.x().astype(np.float64)
    expected = np.tanh(x) * x / (1.0 + np.exp(-x)) ** 2
    received, _, _ = outputs(case, reference)
    assert relative(received, expected) <= FLOAT32


@pytest.mark.parametrize("slope", [-80.0, 80.0])
def test_sigmoids_of_large_numbers_do_not_overflow(slope, any_device):
    x = np.array([[slope, 10 * slope]], np.float32)
    for name, ends in (("sigmoid", (0.0, 1.0)), ("bipolar_sigmoid", (-1.0, 1.0))):
        case = Case("large", (2,), ({"activation": name},), n=1)
        y = case.network(any_device).predict(x)
        np.testing.assert_allclose(y, ends[int(slope > 0)], atol=1e-7)
