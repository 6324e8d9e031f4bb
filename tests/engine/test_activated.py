"""An activation in one pass with the layer before it and the one behind it."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine.backends.geometry import ConvGeometry, PoolGeometry
from engine.diagnostics import mav
from engine.layers import Activation
from engine.layers.fused import Activated, fuse
from tests.engine.cases import FLOAT32_FORWARD, Case, relative
from tests.engine.test_fused import gradients_in_training

CONV = {"conv": {"filters": 3, "kernel": 3, "padding": 1, "bias": "learned"}}
WIDE = {"conv": {"filters": 32, "kernel": 3, "padding": 1}}
DENSE = {"dense": {"units": 6}}
TANH = {"activation": "tanh"}
LEAKY = {"activation": {"leaky_relu": 0.1}}


def weighted(*layers) -> list[str | None]:
    case = Case("rule", (3, 5, 4), layers)
    steps = fuse(case.network(engine.open_device("reference")).layers, weighted=True)
    return ["one" if isinstance(e, Activated) else e and e.kind for e in steps]


# --- which layers ---------------------------------------------------------------------


@pytest.mark.parametrize("layer", [CONV, DENSE], ids=["conv", "dense"])
def test_a_layer_with_weights_is_computed_with_the_activation_behind_it(layer):
    assert weighted(layer, TANH) == [None, "one"]


APART = {
    "its output is taken twice": [
        *(CONV | {"name": "c"}, TANH | {"name": "t"}),
        {"add": {}, "inputs": ["c", "t"]},
    ],
    "softmax sums over the channels": [CONV, {"activation": "softmax"}],
    "identity is nothing": [CONV, {"activation": "identity"}],
    "no weights": [{"max_pool": {"size": 2}}, TANH],
}


@pytest.mark.parametrize("layers", APART.values(), ids=APART)
def test_what_is_computed_layer_by_layer(layers):
    assert "one" not in weighted(*layers)


# --- nothing changes ------------------------------------------------------------------


NETWORKS = {
    "a chain": (CONV, LEAKY, CONV, TANH, DENSE, {"activation": "sigmoid"}, DENSE),
    "to Winograd's": (WIDE, LEAKY, WIDE, {"activation": "relu"}, DENSE),
    "taken twice": (
        *(WIDE, TANH | {"name": "t"}, WIDE | {"name": "c"}),
        *({"add": {}, "inputs": ["c", "t"]}, DENSE, TANH),
    ),
    "to windows apart": (
        *(CONV, {"activation": "sigmoid"}, {"max_pool": {"size": 2}}),
        *(CONV, TANH, {"average_pool": {"size": [2, 1]}}, DENSE),
    ),
    "to windows that overlap": (
        *(CONV, LEAKY, {"max_pool": {"size": 3, "stride": 2, "padding": 1}}),
        *(CONV, LEAKY, {"average_pool": {"size": 2, "stride": 1}}, DENSE),
    ),
    "to one that has none": (
        *(CONV, TANH, {"batch_norm": {}}, CONV, TANH, {"dropout": 0.3}, DENSE),
    ),
    "to nothing that learns": (
        *({"max_pool": {"size": 2}}, {"conv": CONV["conv"] | {"padding_mode": "edge"}}),
        *(TANH, {"conv": CONV["conv"] | {"padding_mode": "edge"}}, TANH, DENSE),
    ),
    "left out": (
        *({"conv": CONV["conv"] | {"dropconnect": 0.4}}, TANH),
        *({"dense": {"units": 6, "dropconnect": 0.4}}, TANH, DENSE),
    ),
}


@pytest.mark.parametrize("layers", NETWORKS.values(), ids=NETWORKS)
def test_the_bytes_are_those_of_one_layer_after_another(layers, any_device):
    case = Case("activated", (2, 9, 16), layers, n=9)
    network = case.network(any_device)
    received = gradients_in_training(network, case)
    expected = network.gradients(case.x(), case.t(*network.output_shape))
    for name, values in received.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_opencl_does_it(opened):
    """Or the test above would compare nothing with itself."""
    case = Case("activated", (2, 9, 16), NETWORKS["a chain"], n=9)
    network = case.network(opened("opencl"))
    bounds = network.plan(case.n, training=True).bounds
    through = [io.through for io in bounds if io is not None]
    leaky = ("leaky_relu", 0.1)
    assert through == [None, leaky, ("tanh", 0.0), ("sigmoid", 0.0)]
    apart = network.plan(case.n, training=True, input_gradient=True).bounds
    assert None not in apart
    assert not any(io.through for io in apart)


def test_a_gradient_that_two_take_is_not_written_over(opened):
    """Of "taken twice" the last, with no layer behind, is multiplied in place."""
    case = Case("activated", (2, 9, 16), NETWORKS["taken twice"], n=9)
    network = case.network(opened("opencl"))
    bounds = network.plan(case.n, training=True).bounds
    own = [io for io in bounds if io is not None and io.dz is not None]
    assert [io.dz.buffer == io.dy.buffer for io in own] == [True, True]
    assert not any(io.through for io in bounds if io is not None)


def test_an_output_that_is_not_stored_can_be_had(any_device):
    case = Case("activated", (2, 9, 16), NETWORKS["a chain"], n=9)
    network = case.network(any_device)
    plan = network.plan(case.n, training=True)
    plan.run(case.x())
    get = network.backend.get
    for layer in network.layers:
        if isinstance(layer, Activation):
            z, y = (
                np.float64(get(plan.output(i))) for i in (layer.index - 1, layer.index)
            )
            f = {
                "tanh": np.tanh,
                "sigmoid": lambda z: 1.0 / (1.0 + np.exp(-z)),
                "leaky_relu": lambda z: np.where(z > 0, z, 0.1 * z),
            }[layer.settings["function"]]
            assert relative(y, f(z)) <= FLOAT32_FORWARD


def test_the_diagnostics_see_every_layer(opened):
    """In the midst of a training, whose plan stores fewer."""
    case = Case("activated", (2, 9, 16), NETWORKS["a chain"], n=9)
    tables = []
    for name in ("opencl", "reference"):
        network = case.network(opened(name))
        trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.01}}, 9)
        x, t = case.x(), case.t(*network.output_shape)
        trainer.step(x, t)
        tables.append(mav(network, x, t))
    for a, b in zip(*(table.rows for table in tables), strict=True):
        assert a.layer == b.layer
        assert a.der_b == pytest.approx(b.der_b, rel=1e-4)
        assert a.der == pytest.approx(b.der, rel=1e-4)


@pytest.mark.parametrize("function", ["relu", "leaky_relu", "sigmoid", "tanh"])
def test_an_overflow_is_not_hidden(function, opened):
    """Each function would map an infinity to a finite number, or keep it."""
    case = Case("overflows", (3, 5, 4), (CONV, {"activation": function}, DENSE))
    network = case.network(opened("opencl"))
    network.set_parameters({"conv1.bias": np.full(3, -3e38, np.float32)})
    w = np.full((3, 3, 3, 3), -3e38, np.float32)
    network.set_parameters({"conv1.weight": w})
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.01}}, case.n)
    x = np.abs(case.x())
    with pytest.raises(engine.NumericsError, match="output of the layer conv1;"):
        trainer.step(x, case.t(*network.output_shape))
    with pytest.raises(engine.NumericsError, match="output of the layer conv1;"):
        network.predict(x)


# --- the primitives -------------------------------------------------------------------


def drawn(backend, n: int, shape: tuple[int, ...], key: int):
    """Return a batch array of random numbers."""
    array = backend.empty(n, shape)
    values = np.random.Generator(np.random.PCG64(key)).normal(size=(n, *shape))
    backend.put(array, values.astype(np.float32))
    return array


def weights(backend, shape: tuple[int, ...]):
    """Return a flat array of random numbers."""
    array = backend.part(backend.flat(int(np.prod(shape))), 0, shape)
    values = np.random.Generator(np.random.PCG64(9)).normal(size=shape)
    backend.put_flat(array, values.astype(np.float32))
    return array


CONVOLUTIONS = {
    "direct": ConvGeometry(3, 9, 7, 5, (3, 3), (2, 2), (1, 1), (1, 1)),
    "Winograd": ConvGeometry(32, 9, 16, 32, (3, 3), (1, 1), (1, 1), (1, 1)),
    "Winograd, many": ConvGeometry(256, 8, 8, 256, (3, 3), (1, 1), (1, 1), (1, 1)),
}
F = ("tanh", 0.0)


@pytest.mark.parametrize("g", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolutions(g, any_device):
    backend, n = any_device, 5
    x = drawn(backend, n, (g.channels, g.height, g.width), 1)
    dy, z, y, two = (
        drawn(backend, n, (g.filters, g.out_height, g.out_width), 2) for _ in range(4)
    )
    w = weights(backend, (g.filters, g.channels, *g.kernel))
    b = weights(backend, (g.filters,))
    backend.conv_activate(x, w, b, y, g, *F)()
    backend.conv_forward(x, w, b, z, g)()
    backend.activation_forward(z, two, *F)()
    np.testing.assert_array_equal(backend.get(y), backend.get(two))
    dx, dz, two = (backend.empty_like(x) for _ in range(3))
    backend.conv_backward_through(dy, w, x, dx, g, *F)()
    backend.conv_backward_data(dy, w, dz, g)()
    backend.activation_backward(x, dz, two, *F)()
    np.testing.assert_array_equal(backend.get(dx), backend.get(two))


def test_dense(any_device):
    backend, n = any_device, 19
    x, y, z, two = (drawn(backend, n, (k,), 1) for k in (11, 7, 7, 7))
    dy, w, b = drawn(backend, n, (7,), 2), weights(backend, (7, 11)), None
    backend.dense_activate(x, w, b, y, *F)()
    backend.dense_forward(x, w, b, z)()
    backend.activation_forward(z, two, *F)()
    np.testing.assert_array_equal(backend.get(y), backend.get(two))
    dx, dz, two = (backend.empty_like(x) for _ in range(3))
    backend.dense_backward_through(dy, w, x, dx, *F)()
    backend.dense_backward_data(dy, w, dz)()
    backend.activation_backward(x, dz, two, *F)()
    np.testing.assert_array_equal(backend.get(dx), backend.get(two))


@pytest.mark.parametrize("through", [None, F], ids=["plain", "through"])
def test_dense_backward_at_once(through, any_device):
    """Its gradients, each by itself and together."""
    backend, n = any_device, 19
    x, dy = drawn(backend, n, (37,), 1), drawn(backend, n, (13,), 2)
    w, dw, own, db, own_b = (
        weights(backend, shape) for shape in [(13, 37)] * 3 + [(13,)] * 2
    )
    dx, own_x = backend.empty_like(x), backend.empty_like(x)
    backend.dense_backward(x, dy, w, dx, dw, db, through)()
    backend.dense_backward_weights(x, dy, own, own_b)()
    if through:
        backend.dense_backward_through(dy, w, x, own_x, *through)()
    else:
        backend.dense_backward_data(dy, w, own_x)()
    np.testing.assert_array_equal(backend.get(dx), backend.get(own_x))
    np.testing.assert_array_equal(backend.get_flat(dw), backend.get_flat(own))
    np.testing.assert_array_equal(backend.get_flat(db), backend.get_flat(own_b))


@pytest.mark.parametrize("width", [4, 6, 32])
def test_large_maps_are_stored_past_the_caches(width, opened, monkeypatch):
    """To the same bytes; smaller maps stand for large ones here."""
    from engine.backends.opencl import backend as opencl

    device, bytes_ = opened("opencl"), []
    layers = (
        *(WIDE, {"batch_norm": {}}, LEAKY, WIDE, LEAKY),
        *({"average_pool": {"size": 2}}, DENSE),
    )
    case = Case("streamed", (2, 10, width), layers, n=9)
    for most in (1 << 21, 0):
        monkeypatch.setattr(opencl, "_CACHED", most)
        bytes_.append(gradients_in_training(case.network(device), case))
    x = device.empty(9, (32, 10, width))
    assert device.streams(x) or device.kind != "cpu"
    for name, values in bytes_[0].items():
        np.testing.assert_array_equal(values, bytes_[1][name], err_msg=name)


WINDOWS = {
    "apart": PoolGeometry(3, 9, 7, (2, 2), (2, 3)),
    "overlapping": PoolGeometry(3, 9, 7, (3, 2), (2, 1), (1, 0), (1, 0)),
    "large": PoolGeometry(3, 9, 7, (9, 7), (9, 7)),
    "dilated": PoolGeometry(3, 9, 7, (2, 2), (3, 3), dilation=(2, 1)),
    "beyond the map": PoolGeometry(3, 9, 7, (2, 2), (2, 2), ceil_mode=True),
}


@pytest.mark.parametrize("g", WINDOWS.values(), ids=WINDOWS)
def test_pools(g, any_device):
    backend, n = any_device, 9
    z, x, dx, d, two = (drawn(backend, n, (3, 9, 7), 1) for _ in range(5))
    y, place, dy = (
        drawn(backend, n, (3, g.out_height, g.out_width), 2) for _ in range(3)
    )
    backend.activation_forward(z, x, *F)()
    backend.max_pool_forward(x, y, place, g)()
    backend.max_pool_backward_through(dy, place, x, y, dx, g, *F)()
    backend.max_pool_backward(dy, place, d, g)()
    backend.activation_backward(x, d, two, *F)()
    np.testing.assert_array_equal(backend.get(dx), backend.get(two))
    backend.average_pool_backward_through(dy, x, dx, g, *F)()
    backend.average_pool_backward(dy, d, g)()
    backend.activation_backward(x, d, two, *F)()
    np.testing.assert_array_equal(backend.get(dx), backend.get(two))
