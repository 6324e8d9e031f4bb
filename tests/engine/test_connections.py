"""Dropconnect, freezeconnect, bias_rate: which weights and bytes, on every device."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine import random
from engine.backends.threads import Threads, chunks
from engine.optimizers import OPTIMIZERS
from tests.engine.test_checkpoint import Stop, train
from tests.engine.test_training import digest, images, steps, trainer_of

DECAYS = {"l1": 0.1, "l2": 0.1, "decoupled": 0.1, "s3": 0.1}
# 2 · 5 · 3 and 130 weights to a row: neither is a multiple of what is drawn at once.
SPEC = {
    "input": [2, 8, 7],
    "layers": [
        {"conv": {"filters": 6, "kernel": [5, 3], "bias": "learned",
                  "freezeconnect": 0.5}},
        {"activation": "tanh"},
        {"dense": {"units": 9, "freezeconnect": 0.25, "dropconnect": 0.3}},
        {"dense": {"units": 3}},
    ],
    "loss": "softmax_cross_entropy",
}  # fmt: skip
FROZEN = {"conv1.weight": (0, 0.5), "dense1.weight": (2, 0.25)}  # layer, portion


def batch(n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    return generator.standard_normal((n, 2, 8, 7)), generator.integers(0, 3, n)


def numbers(purpose: str, shape: tuple[int, ...], layer: int, step: int, seed: int = 0):
    """Return the random numbers of an array's weights."""
    return random.uniform(seed, purpose, shape=shape, layer=layer, step=step)


# --- freezeconnect --------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_leaves_the_frozen_weights_alone_and_no_others(name, any_device):
    setting = {name: {"learning_rate": 0.01, "weight_decay": DECAYS}}
    trainer = trainer_of(SPEC, any_device, optimizer=setting)
    for step in range(4):
        before = trainer.network.parameters()
        trainer.step(*batch())
        for key, value in trainer.network.parameters().items():
            same = value == before[key]
            frozen = np.zeros(value.shape, bool)
            if key in FROZEN:
                layer, portion = FROZEN[key]
                u = numbers("freezeconnect", value.shape, layer, step)
                frozen = u < np.float32(portion)
            assert value[frozen].tobytes() == before[key][frozen].tobytes()
            np.testing.assert_array_equal(same, frozen, err_msg=f"{key}, step {step}")


def test_portions(any_device):
    spec = {
        "input": [120],
        "layers": [{"dense": {"units": 80, "bias": "none", "freezeconnect": 0.3}}],
        "loss": "squared_error",
    }
    trainer = trainer_of(spec, any_device)
    generator, masks = np.random.default_rng(0), []
    for _ in range(3):
        before = trainer.network.parameters()["dense1.weight"]
        trainer.step(
            generator.standard_normal((4, 120)), generator.standard_normal((4, 80))
        )
        masks.append(trainer.network.parameters()["dense1.weight"] == before)
        assert abs(masks[-1].mean() - 0.3) < 0.02  # its standard deviation is 0.005
    for other in masks[1:]:
        assert abs((masks[0] & other).mean() - 0.09) < 0.02


def test_the_optimiser_sees_the_gradient_of_frozen_weights(any_device):
    """After one step the velocities are those of a network without freezeconnect."""
    plain = list(SPEC["layers"])
    plain[0] = {"conv": SPEC["layers"][0]["conv"] | {"freezeconnect": 0.0}}
    plain[2] = {"dense": SPEC["layers"][2]["dense"] | {"freezeconnect": 0.0}}
    velocities = []
    for spec in (SPEC, SPEC | {"layers": plain}):
        trainer = trainer_of(
            spec, any_device, optimizer={"momentum": {"learning_rate": 0.01}}
        )
        trainer.step(*batch())
        velocities.append(any_device.get_flat(trainer.optimizer.state["v"]))
    assert np.abs(velocities[0]).max() > 0.0
    assert velocities[0].tobytes() == velocities[1].tobytes()


def test_freezeconnect_changes_neither_outputs_nor_gradients(any_device):
    spec = {
        "input": [17],
        "layers": [{"dense": {"units": 5, "freezeconnect": 0.0}}],
        "loss": "squared_error",
    }
    generator = np.random.default_rng(0)
    x, t = generator.standard_normal((4, 17)), generator.standard_normal((4, 5))
    results = []
    for portion in (0.0, 0.9):
        spec["layers"][0]["dense"]["freezeconnect"] = portion
        network = engine.Network.from_spec(spec, device=any_device, seed=1)
        arrays = network.gradients(x, t) | {"outputs": network.predict(x)}
        results.append({name: a.tobytes() for name, a in arrays.items()})
    assert results[0] == results[1]


# --- dropconnect ----------------------------------------------------------------------


def weights_in_use(device, portion: float, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (w', w) of a dense layer: on the unit vectors it shows its weights."""
    spec = {
        "input": [130],
        "layers": [
            {"activation": "identity"},
            {"dense": {"units": 21, "bias": "none", "dropconnect": portion}},
        ],
        "loss": "squared_error",
    }
    network = engine.Network.from_spec(spec, device=device, seed=4)
    plan = network.plan(130, training=True)
    device.state.seed, device.state.step = 4, step
    plan.run(np.eye(130))
    weights = network.parameters()["dense1.weight"]
    return device.get(plan.z).T, weights


@pytest.mark.parametrize("step", [0, 7])
@pytest.mark.parametrize("portion", [0.1, 0.5, 0.99])
def test_dropconnect_leaves_out_what_the_counter_says(portion, step, any_device):
    used, w = weights_in_use(any_device, portion, step)
    u = numbers("dropconnect", w.shape, 1, step, seed=4)
    factors = (u >= np.float32(portion)) / (1.0 - portion)
    np.testing.assert_array_equal(used == 0.0, factors == 0.0)
    np.testing.assert_allclose(used, w * factors, rtol=1e-6)
    assert abs((used == 0.0).mean() - portion) < 0.04


def test_evaluation_takes_the_weights_as_they_are(any_device):
    spec = SPEC | {"layers": [{"dense": {"units": 3, "dropconnect": 0.5}}]}
    network = engine.Network.from_spec(spec, device=any_device)
    x, t = batch()
    parameters = network.parameters()
    expected = x.reshape(12, -1) @ parameters["dense1.weight"].T
    np.testing.assert_allclose(network.predict(x), expected, atol=1e-5)
    assert network.loss(x, t) == network.loss(x, t)


def test_gradients_are_those_of_the_mask_of_step_0(any_device):
    spec = SPEC | {"layers": [{"dense": {"units": 3, "dropconnect": 0.5}}]}
    network = engine.Network.from_spec(spec, device=any_device)
    any_device.state.seed, any_device.state.step = 9, 41
    gradient = network.gradients(*batch())["dense1.weight"]
    left_out = numbers("dropconnect", gradient.shape, 0, 0) < np.float32(0.5)
    np.testing.assert_array_equal(gradient == 0.0, left_out)


# --- the same bytes -------------------------------------------------------------------

ADAM = {"adam": {"learning_rate": 0.01, "weight_decay": DECAYS}}


def test_fifty_steps_twice_give_the_same_bytes(any_device):
    def run():
        return steps(trainer_of(SPEC, any_device, optimizer=ADAM), 50, batch(40))

    assert run() == run()


@pytest.mark.parametrize("pieces", ["as they are", "small"])
def test_fifty_steps_give_the_same_bytes_on_any_number_of_threads(pieces, monkeypatch):
    if pieces == "small":
        monkeypatch.setattr(chunks, "_ELEMENTS", 1 << 6)
        monkeypatch.setattr(chunks, "MOST_PIECES", 1 << 10)
    results = set()
    for threads in (1, 2, 3):
        device = Threads(threads)
        trainer = trainer_of(SPEC, device, optimizer=ADAM)
        results.add(steps(trainer, 50, batch(40)))
        device.close()
    assert len(results) == 1


def test_devices_train_alike(device, reference):
    ours = trainer_of(SPEC, device, optimizer=ADAM)
    theirs = trainer_of(SPEC, reference, optimizer=ADAM)
    steps(ours, 20, batch(40))
    steps(theirs, 20, batch(40))
    expected = theirs.network.parameters()
    for name, value in ours.network.parameters().items():
        np.testing.assert_allclose(value, expected[name], atol=2e-4)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(
    name, any_device, tmp_path
):
    settings = {
        "spec": SPEC | {"input": [1, 8, 7]},
        "optimizer": {name: {"learning_rate": 0.01, "weight_decay": DECAYS}},
        "schedule": {"cosine": {"passes": 4, "minimum": 0.001}},
        "data": images(60),
    }
    whole, _ = train(any_device, None, **settings)
    with pytest.raises(Stop):
        train(any_device, tmp_path / "c.npz", stop_after=2, **settings)
    resumed, _ = train(any_device, tmp_path / "c.npz", **settings)
    assert digest(resumed.network) == digest(whole.network)


# --- bias_rate ------------------------------------------------------------------------


def test_biases_have_a_rate_of_their_own(any_device):
    """One plain step: each bias moves by its factor, the weights as without any."""

    def moved(first, second):
        spec = {
            "input": [2, 6, 5],
            "layers": [
                {"conv": {"filters": 3, "kernel": 3, "bias": "learned",
                          "bias_rate": first}},
                {"activation": "tanh"},
                {"dense": {"units": 4, "bias_rate": second}},
                {"dense": {"units": 2}},
            ],
            "loss": "squared_error",
        }  # fmt: skip
        trainer = trainer_of(spec, any_device)
        before = trainer.network.parameters()
        generator = np.random.default_rng(0)
        trainer.step(
            generator.standard_normal((5, 2, 6, 5)), generator.standard_normal((5, 2))
        )
        after = trainer.network.parameters()
        return {name: after[name] - before[name] for name in before}

    plain, scaled = moved(1.0, 1.0), moved(2.5, 0.0)
    factors = {"conv1.bias": 2.5, "dense1.bias": 0.0}
    for name, change in plain.items():
        assert np.abs(change).max() > 0.0
        expected = change * factors.get(name, 1.0)
        np.testing.assert_allclose(scaled[name], expected, rtol=1e-4, atol=1e-7)


def test_the_rate_of_biases_enters_the_velocity(any_device):
    """With a factor of 0 not even an old velocity moves them."""
    spec = {
        "input": [3],
        "layers": [{"dense": {"units": 2, "bias_rate": 0.0}}],
        "loss": "squared_error",
    }
    for name in OPTIMIZERS:
        setting = {name: {"learning_rate": 0.1}}
        trainer = trainer_of(spec, any_device, optimizer=setting)
        for _ in range(3):
            trainer.step(np.ones((2, 3)), np.ones((2, 2)))
        assert not trainer.network.parameters()["dense1.bias"].any()
