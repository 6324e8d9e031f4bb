"""A network: its parameters, what it takes and refuses, its summary."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

import engine
from engine.layers import Parameter
from tests.engine.cases import FLOAT32_FORWARD, relative

SPEC = {
    "input": [2, 6, 5],
    "layers": [
        {"conv": {"filters": 3, "kernel": [3, 2], "bias": "learned"}},
        {"activation": "relu"},
        {"dense": {"units": 4, "bias": "fixed", "init": {"uniform": {"B": 0.5}}}},
        {"activation": "tanh"},
        {"dense": {"units": 2}, "name": "head"},
    ],
    "loss": "softmax_cross_entropy",
}
SHAPES = {
    "conv1.weight": (3, 2, 3, 2),
    "conv1.bias": (3,),
    "dense1.weight": (4, 48),
    "dense1.bias": (4,),
    "head.weight": (2, 4),
    "head.bias": (2,),
}


def batch(n: int = 7) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(0))
    return generator.standard_normal((n, 2, 6, 5)), generator.integers(0, 2, n)


@pytest.fixture
def net(any_device) -> engine.Network:
    return engine.Network.from_spec(SPEC, device=any_device, seed=1)


# --- parameters -----------------------------------------------------------------------


def test_parameters_by_name_and_shape(net):
    parameters = net.parameters()
    assert {name: p.shape for name, p in parameters.items()} == SHAPES
    assert list(parameters) == list(SHAPES)
    assert all(p.dtype == net.backend.dtype for p in parameters.values())


def test_initial_weights_come_from_the_seed_alone(any_device):
    def made(seed):
        net = engine.Network.from_spec(SPEC, device=any_device, seed=seed)
        return {k: v.tobytes() for k, v in net.parameters().items()}

    assert made(1) == made(1)
    assert made(1)["conv1.weight"] != made(2)["conv1.weight"]


def test_given_parameters_need_not_be_drawn(any_device, monkeypatch):
    given = engine.Network.from_spec(SPEC, device=any_device, seed=1).parameters()
    head = given.pop("head.weight")
    net = engine.Network.from_spec(SPEC, device=any_device, seed=1, parameters=given)
    assert net.parameters()["head.weight"].tobytes() == head.tobytes()
    monkeypatch.setattr(Parameter, "initial", None)
    given["head.weight"] = head * 3.0
    net = engine.Network.from_spec(SPEC, device=any_device, parameters=given)
    for name, values in net.parameters().items():
        assert values.tobytes() == given[name].tobytes()
    with pytest.raises(engine.InputError, match="unknown parameter 'tail'"):
        engine.Network.from_spec(SPEC, device=any_device, parameters={"tail": [0.0]})


def test_initial_weights_are_the_same_on_every_device(device, reference):
    ours = engine.Network.from_spec(SPEC, device=device, seed=1).parameters()
    theirs = engine.Network.from_spec(SPEC, device=reference, seed=1).parameters()
    for name in SHAPES:
        np.testing.assert_array_equal(ours[name], theirs[name].astype(np.float32))


def test_biases_are_zero_unless_their_law_says_otherwise(net):
    parameters = net.parameters()
    assert not parameters["conv1.bias"].any()
    assert (np.abs(parameters["dense1.bias"]) <= 0.5).all()
    assert parameters["dense1.bias"].all()


LAWS = [
    # law, expected variance for fan_in = 400, fan_out = 100; half-width if uniform
    ("zeros", 0.0, 0.0),
    ({"normal": {"sigma": 0.3}}, 0.09, None),
    ("lecun_normal", 1 / 400, None),
    ("lecun_uniform", 1 / 400, math.sqrt(3 / 400)),
    ("he_normal", 2 / 400, None),
    ("he_uniform", 2 / 400, math.sqrt(6 / 400)),
    ("glorot_normal", 2 / 500, None),
    ("glorot_uniform", 2 / 500, math.sqrt(6 / 500)),
    ("torch_uniform", 1 / 1200, 1 / 20),
    # S0 Eq. 3: ±W / (v h), the extent of a dense layer over a vector is its length
    ({"uniform": {"W": 200.0}}, 0.25 / 3, 0.5),
]


@pytest.mark.parametrize(("law", "variance", "half_width"), LAWS, ids=str)
def test_initial_weights_follow_their_law(law, variance, half_width, reference):
    spec = {
        "input": [400],
        "layers": [{"dense": {"units": 100, "init": law}}],
        "loss": "squared_error",
    }
    net = engine.Network.from_spec(spec, device=reference, seed=0)
    w = net.parameters()["dense1.weight"]
    assert w.var() == pytest.approx(variance, rel=0.03)
    assert abs(w.mean()) <= 0.02 * math.sqrt(variance)
    if half_width is not None:
        assert np.abs(w).max() <= half_width
        assert np.abs(w).max() == pytest.approx(half_width, rel=1e-3)


def test_uniform_law_of_a_filter_divides_by_its_extent(reference):
    """S0 Eq. 3: ±W / (v h) for a filter of v × h, whatever its channels."""
    init = {"uniform": {"W": 3.0, "B": 0.25}}
    layer = {"conv": {"filters": 40, "kernel": [3, 5], "init": init, "bias": "fixed"}}
    spec = {"input": [4, 6, 6], "layers": [layer, "flatten"], "loss": "squared_error"}
    net = engine.Network.from_spec(spec, device=reference, seed=0)
    largest = {name: np.abs(p).max() for name, p in net.parameters().items()}
    assert largest["conv1.weight"] == pytest.approx(3.0 / 15, rel=1e-2)
    assert 0.2 < largest["conv1.bias"] <= 0.25


def test_set_parameters_replaces_those_named(net):
    before = net.parameters()
    new = np.full((2, 4), 0.25)
    net.set_parameters({"head.weight": new})
    after = net.parameters()
    np.testing.assert_array_equal(after.pop("head.weight"), new)
    for name, values in after.items():
        assert values.tobytes() == before[name].tobytes()


def test_parameters_are_copies(net):
    net.parameters()["head.weight"][...] = 7.0
    assert not (net.parameters()["head.weight"] == 7.0).any()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"hed.weight": 0}, r"unknown parameter 'hed.weight' \(did you mean 'head.wei"),
        (
            {"head.weight": np.zeros((4, 2))},
            r"head.weight: .*\(2, 4\), received .*4, 2",
        ),
        ({"head.bias": ["a", "b"]}, "head.bias: expected numbers .*received <U1"),
        ({"head.bias": [0.0, math.nan]}, "head.bias: NaN or infinity"),
        ({"head.bias": [math.inf, 0.0]}, "head.bias: NaN or infinity"),
    ],
)
def test_set_parameters_refuses_and_then_has_changed_nothing(values, text, net):
    before = net.parameters()
    with pytest.raises(engine.InputError, match=text):
        net.set_parameters({"conv1.bias": np.ones(3)} | values)
    for name, value in net.parameters().items():
        assert value.tobytes() == before[name].tobytes()


# --- forward and backward -------------------------------------------------------------


def test_predict_is_float32_and_does_not_depend_on_the_batch_size(net):
    x, _ = batch(11)
    whole = net.predict(x)
    assert whole.dtype == np.float32
    assert whole.shape == (11, 2)
    for batch_size in (1, 4, 11, 256):
        parts = net.predict(x, batch_size=batch_size)
        assert relative(parts, whole) <= FLOAT32_FORWARD


def test_predict_of_nothing_is_nothing(net):
    assert net.predict(np.empty((0, 2, 6, 5))).shape == (0, 2)


def test_evaluate_is_loss_and_predict(net):
    x, t = batch()
    loss, outputs = net.evaluate(x, t)
    assert loss == net.loss(x, t)
    assert outputs.tobytes() == net.predict(x).tobytes()


def test_gradients_are_of_learned_parameters_and_the_input(net):
    x, t = batch()
    before = net.parameters()
    gradients = net.gradients(x, t)
    assert set(gradients) == set(SHAPES) - {"dense1.bias"} | {"input"}
    assert gradients["input"].shape == x.shape
    assert gradients["conv1.weight"].shape == SHAPES["conv1.weight"]
    for name, value in net.parameters().items():
        assert value.tobytes() == before[name].tobytes()


def test_integers_and_float32_are_taken_as_numbers(net):
    x = np.arange(60).reshape(1, 2, 6, 5) % 7
    y = net.predict(x)
    assert y.tobytes() == net.predict(x.astype(np.float32)).tobytes()
    assert y.tobytes() == net.predict(x.tolist()).tobytes()


def test_arguments_are_not_changed(net):
    x, t = batch()
    kept = x.copy(), t.copy()
    net.gradients(x, t)
    net.evaluate(x, t)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(t, kept[1])


def test_two_networks_share_a_device(any_device):
    x, t = batch()
    one = engine.Network.from_spec(SPEC, device=any_device, seed=1)
    expected = one.gradients(x, t)
    other = engine.Network.from_spec(SPEC, device=any_device, seed=2)
    other.gradients(x * 2.0, t)
    for name, value in one.gradients(x, t).items():
        assert value.tobytes() == expected[name].tobytes()


def test_many_batch_sizes_one_after_another(net):
    """Plans are kept for a few sizes and made again for the others."""
    x, t = batch(20)
    first = net.gradients(x[:3], t[:3])
    for n in range(1, 21):
        net.loss(x[:n], t[:n])
        net.gradients(x[:n], t[:n])
    again = net.gradients(x[:3], t[:3])
    for name, value in first.items():
        assert value.tobytes() == again[name].tobytes()


# --- what is refused ------------------------------------------------------------------


def with_value(value: float) -> np.ndarray:
    x, _ = batch()
    x[4, 1, 2, 3] = value
    return x


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (
            np.zeros((7, 2, 5, 6)),
            r"expected shape \(N, 2, 6, 5\), received \(7, 2, 5, 6",
        ),
        (
            np.zeros((2, 6, 5)),
            r"received \(2, 6, 5\); the first axis counts the samples",
        ),
        (np.zeros((7, 60)), r"expected shape \(N, 2, 6, 5\), received \(7, 60\)"),
        (np.zeros(()), r"received \(\)"),
        (
            np.zeros((7, 2, 6, 5), complex),
            "expected numbers, received dtype complex128",
        ),
        (np.zeros((7, 2, 6, 5), bool), "expected numbers, received dtype bool"),
        (np.full((7, 2, 6, 5), "a"), "expected numbers, received dtype <U1"),
        (np.full((7, 2, 6, 5), None), "expected numbers, received dtype object"),
        (with_value(math.nan), "NaN or infinity in sample 4"),
        (with_value(-math.inf), "NaN or infinity in sample 4"),
    ],
)
def test_input_that_does_not_fit(x, text, net):
    t = np.zeros(7, int)
    trainer = engine.Trainer(net, {"sgd": {"learning_rate": 0.1}})
    for call in (
        lambda: net.predict(x),
        lambda: net.loss(x, t),
        lambda: net.gradients(x, t),
        lambda: trainer.step(x, t),
        lambda: trainer.fit((x, t), passes=1),
    ):
        with pytest.raises(engine.InputError, match=text):
            call()


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (np.zeros(6, int), r"as many as inputs \(=7\), received shape \(6,\)"),
        (
            np.full(7, 2),
            r"numbers 0 \.\.\. 1 \(the network has 2 outputs\), received 2",
        ),
        (np.full(7, -1), r"numbers 0 \.\.\. 1 .*received -1 in row 0"),
        (np.zeros((7, 3)), r"expected shape \(7, 2\) or int classes \(n,\), received"),
    ],
)
def test_targets_that_do_not_fit(t, text, net):
    x, _ = batch()
    trainer = engine.Trainer(net, {"sgd": {"learning_rate": 0.1}})
    for call in (
        lambda: net.loss(x, t),
        lambda: net.gradients(x, t),
        lambda: trainer.step(x, t),
        lambda: trainer.fit((x, t), passes=1),
        lambda: trainer.fit(batch(), (x, t), passes=1),
    ):
        with pytest.raises(engine.InputError, match=text):
            call()


def test_no_samples_to_learn_from(net):
    with pytest.raises(engine.InputError, match="expected at least one sample"):
        net.gradients(np.empty((0, 2, 6, 5)), np.empty(0, int))


def test_a_network_larger_than_any_memory(any_device):
    layer = {"dense": {"units": 10**13, "bias": "none"}}
    spec = {"input": [100], "layers": [layer], "loss": "squared_error"}
    text = r"no memory for an array of [\d,]{16,} bytes .*use a smaller batch_size or"
    with pytest.raises(engine.DeviceError, match=text):
        engine.Network.from_spec(spec, device=any_device)


def test_a_batch_larger_than_any_memory(any_device):
    """Each sample would take 10^11 numbers; what asks for them differs by device."""
    layer = {"conv": {"filters": 10, "kernel": 1, "padding": 50_000}}
    spec = {"input": [1, 8, 8], "layers": [layer, "flatten"], "loss": "squared_error"}
    text = r"no memory .*use a smaller batch_size or"
    network = engine.Network.from_spec(spec, device=any_device)
    with pytest.raises(engine.DeviceError, match=text) as caught:
        network.predict(np.zeros((4, 1, 8, 8)))
    assert re.search(r"[\d,]{14,} bytes|[TP]iB", str(caught.value))


# --- summary --------------------------------------------------------------------------


def test_summary_counts_by_hand(reference):
    text = engine.Network.from_spec(SPEC, device=reference).summary()
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    # conv: (4, 4) outputs, 3 filters of 2 × 3 × 2 weights; bytes: float32 outputs
    assert rows["conv1"] == ["3×4×4", "39", "576", "192"]
    assert rows["activation1"] == ["3×4×4", "0", "0", "192"]
    assert rows["dense1"] == ["4", "196", "192", "16"]
    assert rows["head"] == ["2", "10", "8", "8"]
    assert rows["total"] == ["245", "776", "424"]
