"""Layers in one pass, and gradients' arrays that are used again: nothing changes."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import engine
from engine.layers.fused import NormActivation, fuse
from tests.engine.cases import CASES, FLOAT32_FORWARD, Case, relative

CONV = {"conv": {"filters": 3, "kernel": 3, "padding": 1}}
WIDE = {"conv": {"filters": 32, "kernel": 3, "padding": 1}}
NORM = {"batch_norm": {}}
TANH = {"activation": "tanh"}
RESIDUAL = Case(
    "residual",
    (3, 9, 7),
    (
        *(CONV, NORM, TANH | {"name": "a"}),
        *(CONV, NORM, {"add": {}, "inputs": ["batch_norm2", "a"]}),
        *({"activation": {"leaky_relu": 0.1}}, CONV, {"max_pool": {"size": 2}}),
        "flatten",
    ),
    n=33,
)


def layers_of(*layers) -> list:
    case = Case("rule", (3, 5, 4), layers)
    return case.network(engine.open_device("reference")).layers


def kinds(layers) -> list[str | None]:
    return [
        "fused" if isinstance(step, NormActivation) else step and step.kind
        for step in fuse(layers)
    ]


# --- which layers ---------------------------------------------------------------------


def test_a_norm_is_computed_with_the_activation_behind_it():
    assert kinds(layers_of(NORM, TANH)) == [None, "fused"]


def test_and_with_an_add_between():
    layers = layers_of(
        NORM | {"name": "n"}, {"add": {}, "inputs": ["n", "input"]}, TANH
    )
    assert kinds(layers) == [None, None, "fused"]
    assert fuse(layers)[2].sources == [-1, -1]
    layers = layers_of(
        *(CONV, CONV | {"name": "b", "inputs": ["input"]}, NORM | {"name": "n"}),
        *({"add": {}, "inputs": ["conv1", "n"]}, TANH),
    )
    assert kinds(layers) == ["conv", "conv", None, None, "fused"]
    assert fuse(layers)[4].sources == [1, 0]


def test_of_two_norms_that_are_added_one_is_a_layer():
    second = NORM | {"name": "b", "inputs": ["input"]}
    add = {"add": {}, "inputs": ["a", "b"]}
    layers = layers_of(NORM | {"name": "a"}, second, add, TANH)
    assert kinds(layers) == [None, "batch_norm", None, "fused"]
    assert fuse(layers)[3].sources == [-1, 1]


A, B = NORM | {"name": "a"}, TANH | {"name": "b"}
APART = {
    "the norm's output is taken twice": [A, B, {"add": {}, "inputs": ["a", "b"]}],
    "the sum's output is taken twice": [
        A,
        {"add": {}, "inputs": ["a", "input"], "name": "s"},
        B,
        {"add": {}, "inputs": ["b", "s"]},
    ],
    "the sum takes the norm twice": [A, {"add": {}, "inputs": ["a", "a"]}, TANH],
    "the sum takes three": [A, {"add": {}, "inputs": ["a", "input", "input"]}, TANH],
    "softmax sums over the channels": [A, {"activation": "softmax"}],
    "identity is nothing": [A, {"activation": "identity"}],
    "no norm": [CONV, TANH],
    "no activation": [A, CONV],
}


@pytest.mark.parametrize("layers", APART.values(), ids=APART)
def test_what_is_computed_layer_by_layer(layers):
    steps = layers_of(*layers)
    assert fuse(steps) == list(steps)


# --- nothing changes ------------------------------------------------------------------


def test_every_layers_output_can_be_had(any_device):
    """One that is not stored: by hand from those before it."""
    network = RESIDUAL.network(any_device)
    plan = network.plan(RESIDUAL.n, training=True)
    plan.run(RESIDUAL.x())
    get = network.backend.get
    conv, norm, a, _, norm2, sum_, y = (
        np.float64(get(plan.output(i))) for i in range(7)
    )
    p = network.parameters()
    mean, variance = (f(conv, (0, 2, 3), keepdims=True) for f in (np.mean, np.var))
    gamma, beta = (p[f"batch_norm1.{k}"][:, None, None] for k in ("gamma", "beta"))
    expected = gamma * (conv - mean) / np.sqrt(variance + 1e-5) + beta
    assert relative(norm, expected) <= FLOAT32_FORWARD
    assert relative(a, np.tanh(expected)) <= FLOAT32_FORWARD
    assert relative(sum_, norm2 + a) <= FLOAT32_FORWARD
    assert relative(y, np.where(sum_ > 0, sum_, 0.1 * sum_)) <= FLOAT32_FORWARD


BIASED = {"conv": CONV["conv"] | {"bias": "learned"}}
OVERFLOWS = {
    "batch_norm1": {"batch_norm1.gamma": 3e38},
    # each of its inputs is finite
    "add1": {"conv1.weight": 0.0, "conv1.bias": 2e38, "batch_norm1.beta": 2e38},
}


@pytest.mark.parametrize(("layer", "values"), OVERFLOWS.items(), ids=OVERFLOWS)
def test_an_output_that_is_not_stored_is_named(layer, values, device):
    layers = (
        *(BIASED, CONV | {"inputs": ["input"]}, NORM),
        *({"add": {}, "inputs": ["conv1", "batch_norm1"]}, TANH, "flatten"),
    )
    case = Case("overflows", (3, 5, 4), layers)
    network = case.network(device)
    old = network.parameters()
    network.set_parameters({k: np.full_like(old[k], v) for k, v in values.items()})
    with pytest.raises(engine.NumericsError, match=f"output of the layer {layer};"):
        network.gradients(case.x(), case.t(*network.output_shape))
    if layer == "add1":
        with pytest.raises(engine.NumericsError, match="output of the layer add1;"):
            network.predict(case.x())


def gradients_in_training(network, case: Case) -> dict[str, np.ndarray]:
    """Return the gradients of a plan that uses its arrays again."""
    plan = network.plan(case.n, training=True)
    network.backend.state.seed, network.backend.state.step = network.seed, 0
    x, t = network.check_input(case.x()), case.t(*network.output_shape)
    for _ in range(2):  # the second time the arrays hold the first one's numbers
        plan.learn(x, network.check_targets(t, case.n))
    return {
        f"{layer.name}.{name}": network.backend.get_flat(array)
        for layer in network.layers
        for name, array in network.gradients_of(layer).items()
    }


# Enough channels for OpenCL's Winograd convolutions, which add to a gradient.
BLOCK = Case(
    "block",
    (2, 9, 16),
    (
        WIDE,
        *(
            {"activation": "tanh", "name": "a"},
            WIDE,
        ),
        *(NORM, {"add": {}, "inputs": ["batch_norm1", "a"]}, TANH, "flatten"),
    ),
    n=9,
)


SMALL = [case for case in CASES if not case.big]


@pytest.mark.parametrize("case", [*SMALL, RESIDUAL, BLOCK], ids=lambda case: case.name)
def test_arrays_used_again_give_the_same_bytes(case, any_device):
    network = case.network(any_device)
    received = gradients_in_training(network, case)
    expected = network.gradients(case.x(), case.t(*network.output_shape))
    for name, values in received.items():
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_a_deep_network_needs_few_gradients(any_device):
    """Their outputs, and a few gradients: one is read while the next is written."""
    layers = [{"dense": {"units": 64, "bias": "none"}}, *[TANH] * 20]
    spec = {"input": [64], "layers": layers, "loss": "squared_error"}
    network = engine.Network.from_spec(spec, device=any_device)
    gc.collect()
    before = any_device.memory.taken
    n = 1600
    network.plan(n, training=True)
    one = n * 64 * any_device.dtype.itemsize
    arrays = (any_device.memory.taken - before) / one
    assert 22 <= arrays < 22 + 5


def test_a_convolution_adds_to_the_shortcuts_gradient(opened):
    """Without an array for its own, and a pass that adds the two."""
    network = BLOCK.network(opened("opencl"))
    plan = network.plan(BLOCK.n, training=True)
    added = [io.adds for io in plan.bounds if io is not None]
    assert added == [False, True, False, False]
    whole = network.plan(BLOCK.n, training=True, input_gradient=True)
    assert not any(io.adds for io in whole.bounds if io is not None)


@pytest.mark.parametrize("width", [3, 16, 17])
def test_data_gradients_add_to_what_is_there(width, any_device):
    """Tiles of 4: one, an even and an odd number of them."""
    case = Case("adds", (32, 9, width), (WIDE,))
    network = case.network(any_device)
    (conv,), backend, shape = network.layers, network.backend, (32, 9, width)
    dy, dx, alone = (backend.empty(9, shape) for _ in range(3))
    draw = np.random.Generator(np.random.PCG64(1)).normal
    values, there = (draw(size=(9, *shape)).astype(np.float32) for _ in range(2))
    w = network.arrays_of(conv)["weight"]
    backend.put(dy, values)
    backend.put(dx, there)
    backend.conv_add_data(dy, w, dx, conv.geometry)()
    backend.conv_backward_data(dy, w, alone, conv.geometry)()
    expected = there + backend.get(alone)
    np.testing.assert_allclose(backend.get(dx), expected, rtol=1e-6, atol=1e-6)
