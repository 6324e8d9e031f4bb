"""NaN and infinity: wherever they arise, an error names layer and step."""

from __future__ import annotations

import math

import numpy as np
import pytest

import engine
from engine import random
from engine.layers.activation import FUNCTIONS
from tests.engine.test_training import (
    LINEAR,
    SPEC,
    digest,
    images,
    steps,
    trainer_of,
    vectors,
)


def test_divergence_names_layer_and_step(any_device):
    layers = [entry for entry in SPEC["layers"] if "batch_norm" not in entry]
    spec = SPEC | {"layers": layers}  # batch_norm keeps it from diverging
    trainer = trainer_of(spec, any_device, optimizer={"sgd": {"learning_rate": 1e5}})
    x, t = images()
    text = r"step \d+: .*(the output of the layer|parameter) (conv|dense)1.*lower the"
    with pytest.raises(engine.NumericsError, match=text):
        steps(trainer, 100, (x * 1e3, t))


def test_a_broken_parameter_is_named(any_device):
    trainer = trainer_of(
        SPEC, any_device, schedule=lambda step: math.inf if step == 2 else 1.0
    )
    text = r"step 3: NaN or infinity in the parameter conv1\.weight; the step before"
    with pytest.raises(engine.NumericsError, match=text):
        steps(trainer, 5)


def test_a_step_that_diverges_changes_nothing(any_device):
    spec = LINEAR | {"loss": "squared_error"}
    trainer = trainer_of(spec, any_device)
    huge = {"dense1.weight": np.full((1, 4), 1e38)}
    trainer.network.set_parameters(huge)
    before = digest(trainer.network)
    x, t = np.full((2, 4), 1e300), np.zeros((2, 1))
    text = "step 0: NaN or infinity in the output of the layer dense1; lower the"
    with pytest.raises(engine.NumericsError, match=text):
        trainer.step(x, t)
    assert digest(trainer.network) == before


def overflowing(*hiding) -> dict:
    """A spec whose first layer gives −∞ in float32, and layers that would hide it."""
    layers = [{"dense": {"units": 4, "bias": "none"}}, *hiding]
    layers.append({"dense": {"units": 2, "bias": "none"}})
    return {"input": [4], "layers": layers, "loss": "softmax_cross_entropy"}


HIDING = [
    *({"activation": f} for f in FUNCTIONS if f != "identity"),
    {"clip": {"minimum": 0, "maximum": 6}},
    {"batch_norm": {}},
]


@pytest.mark.parametrize("hiding", HIDING, ids=str)
def test_an_infinite_activation_is_not_hidden(hiding, device):
    """ReLU(−∞) = 0 and sigmoid(±∞) are finite: the loss alone would not tell."""
    trainer = trainer_of(overflowing(hiding), device)
    weight = np.full((4, 4), -1e38)
    weight[1] = 0.25
    trainer.network.set_parameters({"dense1.weight": weight})
    before = digest(trainer.network)
    x, t = np.full((3, 4), 100.0), np.array([0, 1, 0])
    text = "NaN or infinity in the output of the layer dense1; lower the"
    with pytest.raises(engine.NumericsError, match="step 0: " + text):
        trainer.step(x, t)
    assert digest(trainer.network) == before
    for run in (trainer.network.predict, lambda x: trainer.network.loss(x, t)):
        with pytest.raises(engine.NumericsError, match=text):
            run(x)


def test_a_maximum_does_not_hide_an_infinity(device):
    """A 1×1 convolution overflows to −∞ in one place of each window."""
    layers = [
        {"conv": {"filters": 1, "kernel": 1}}, {"max_pool": {"size": 2}}, "flatten"
    ]  # fmt: skip
    spec = {"input": [1, 4, 4], "layers": layers, "loss": "squared_error"}
    trainer = trainer_of(spec, device)
    trainer.network.set_parameters({"conv1.weight": np.full((1, 1, 1, 1), -1e30)})
    x = np.zeros((3, 1, 4, 4))
    x[:, :, ::2, ::2] = 1e30
    with pytest.raises(engine.NumericsError, match="output of the layer conv1; lower"):
        trainer.step(x, np.zeros((3, 4)))


def test_a_window_of_channels_does_not_hide_its_overflow(device):
    """x = 1e20 is finite, x² is not, and x / ∞ would be 0."""
    layers = [{"local_response_norm": {"size": 3}}, "flatten"]
    spec = {"input": [4, 1, 1], "layers": layers, "loss": "squared_error"}
    trainer = trainer_of(spec, device)
    x = np.array([1.0, 2.0, 3.0, 1e20]).reshape(1, 4, 1, 1)
    with pytest.raises(engine.NumericsError, match="the layer local_response_norm1;"):
        trainer.step(x, np.zeros((1, 4)))


@pytest.mark.parametrize("t", [[0, 1, 1], np.eye(2)[[0, 1, 1]]], ids=["class", "soft"])
def test_an_infinite_logit_is_not_hidden(t, device):
    trainer = trainer_of(overflowing(), device)
    weight = np.array([[0.0] * 4, [-1e38] * 4])
    trainer.network.set_parameters({"dense2.weight": weight})
    trainer.network.set_parameters({"dense1.weight": np.full((4, 4), 1.0)})
    text = "step 0: NaN or infinity in the output of the layer dense2"
    with pytest.raises(engine.NumericsError, match=text):
        trainer.step(np.ones((3, 4)), t)


def test_a_gradient_that_overflows_is_named(device):
    """Outputs and loss are finite, and the weights' gradient 1e30 · 1e20 is not."""
    spec = LINEAR | {"loss": "squared_error"}
    trainer = trainer_of(spec, device)
    trainer.network.set_parameters({"dense1.weight": np.zeros((1, 4))})
    before = digest(trainer.network)
    x, t = np.full((2, 4), 1e30), np.full((2, 1), 1e18)
    text = r"step 0: NaN or infinity in the gradient of dense1\.weight; lower the"
    with pytest.raises(engine.NumericsError, match=text):
        trainer.step(x, t)
    assert digest(trainer.network) == before
    with pytest.raises(engine.NumericsError, match=text):
        trainer.network.gradients(x, t)


def test_validation_that_diverges_is_no_silent_run(any_device):
    trainer = trainer_of(LINEAR, any_device)
    held_out = np.full((2, 4), 1e300), np.zeros((2, 1))
    with pytest.raises(engine.NumericsError, match="step "):
        trainer.fit(vectors(), held_out, passes=1)


def test_a_fault_within_a_pass_stops_all_that_was_begun(any_device):
    """fit hands over the next batch before it knows of this one's fault."""
    x, t = images(40)
    trainer = trainer_of(SPEC, any_device, batch_size=8)
    order = random.permutation(trainer.seed, "order", 40, step=0)
    steps = [order[i : i + 8] for i in range(0, 40, 8)]
    clean = trainer_of(SPEC, any_device, batch_size=8)
    for samples in steps[:2]:
        clean.step(x[samples], t[samples])

    def spoil(batch, targets, samples, number):
        spoilt = trainer.steps == 2
        return (np.full(batch.shape, 1e300) if spoilt else batch), targets

    text = "step 2: NaN or infinity in the output of the layer"
    with pytest.raises(engine.NumericsError, match=text):
        trainer.fit((x, t), passes=1, transform=spoil)
    assert digest(trainer.network) == digest(clean.network)
    assert trainer.steps == 2
    for each in (trainer, clean):  # and it can go on
        each.step(x[steps[3]], t[steps[3]])
    assert digest(trainer.network) == digest(clean.network)
