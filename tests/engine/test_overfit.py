"""The batch learned by heart: networks that can, and networks that cannot."""

from __future__ import annotations

import math

import numpy as np
import pytest

import engine
from engine.diagnostics import overfit
from tests.engine.test_training import digest

GOOD = {"input": [1, 6, 5], "loss": "softmax_cross_entropy", "layers": [
    {"conv": {"filters": 8, "kernel": 3, "padding": "same"}},
    {"batch_norm": {}},
    {"activation": "relu"},
    {"dropout": 0.2},
    {"dense": {"units": 4}},
]}  # fmt: skip
ADAM = {"adam": {"learning_rate": 0.01}}


def data(n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Return noise in four classes: nothing in it but to be learned by heart."""
    generator = np.random.Generator(np.random.PCG64(2))
    return generator.standard_normal((n, 1, 6, 5)), np.arange(n) % 4


def network(device, layers=GOOD["layers"], **changes) -> engine.Network:
    return engine.Network.from_spec(
        GOOD | {"layers": layers} | changes, device=device, seed=1
    )


def test_a_good_network_learns_noise_by_heart(any_device):
    result = overfit(network(any_device), *data(), optimizer=ADAM)
    assert result.passed
    assert result.accuracy == 1.0
    assert result.loss <= 0.01
    assert result.first_loss > 0.5
    assert 10 <= result.steps < 300
    assert result.classes == (0, 1)
    assert "learned by heart: after" in result.text()
    assert "accuracy 100%" in result.text()


BROKEN = {
    "no-rate": (GOOD["layers"], {"sgd": {"learning_rate": 0.0}}),
    "zeros": (
        [
            {"dense": {"units": 8, "init": "zeros"}},
            {"activation": "relu"},
            {"dense": {"units": 4, "init": "zeros"}},
        ],
        ADAM,
    ),
    "one-sees-nothing": (
        [{"pad": {"padding": 0}}, {"dropout": 0.999}, {"dense": {"units": 4}}],
        {"sgd": {"learning_rate": 1e-6}},
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_one_does_not(kind, any_device):
    layers, optimizer = BROKEN[kind]
    net = network(any_device, layers)
    result = overfit(net, *data(), optimizer=optimizer, steps=45)
    assert not result.passed
    assert result.steps == 45
    assert result.loss > 0.5
    assert "NOT learned by heart: after 45 steps" in result.text()


def test_zeros_learn_no_more_than_how_often_a_class_is_there(reference):
    layers, optimizer = BROKEN["zeros"]
    result = overfit(network(reference, layers), *data(), optimizer=optimizer)
    assert result.accuracy == 0.5
    assert result.loss == pytest.approx(math.log(2), abs=0.02)


def test_the_network_ends_as_it_began(any_device):
    net = network(any_device)
    before = digest(net)
    overfit(net, *data(), optimizer=ADAM, steps=20)
    assert digest(net) == before
    x, t = data()
    with pytest.raises(engine.NumericsError, match="step "):
        overfit(net, x * 1e38, t, optimizer={"sgd": {"learning_rate": 1e6}})
    assert digest(net) == before


def test_the_first_two_classes_with_enough_samples_are_taken(reference):
    x, _ = data(50)
    t = np.array([3, 0, 2, 2, 0] * 10)
    t[:3] = 1
    result = overfit(network(reference), x, t, samples=20, optimizer=ADAM)
    assert result.classes == (0, 2)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"samples": 52}, r"26 samples or more .* 0: 25, 1: 25, .*lower samples=52"),
        ({"samples": 7}, "samples: expected an even number .* received 7"),
        ({"samples": 0}, "samples: expected an even number .* received 0"),
        ({"samples": 8.0}, "samples: expected an even number .* received 8.0"),
        ({"steps": 0}, "steps: expected an integer of at least 1, received 0"),
        ({"t": np.eye(4)[np.arange(100) % 4]}, "class numbers .* received portions"),
        ({"t": np.full(100, 9)}, r"numbers 0 \.\.\. 3"),
        ({"x": np.zeros((100, 2))}, "input: expected shape"),
    ],
)
def test_what_cannot_be_tried(settings, text, reference):
    x, t = data()
    given = {"x": x, "t": t} | settings
    with pytest.raises(engine.InputError, match=text):
        overfit(network(reference), **given)


def test_a_loss_of_values_is_refused(reference):
    net = network(reference, loss="squared_error")
    with pytest.raises(engine.InputError, match="received squared_error"):
        overfit(net, *data())
