"""Each optimiser on every device against its formula, written out in float64."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine.optimizers import OPTIMIZERS
from tests.engine.test_training import LINEAR, digest, trainer_of, vectors

SPEC = {
    "input": [5],
    "layers": [{"dense": {"units": 3}}],
    "loss": "mean_squared_error",
}
ETA = 0.1


def varying(step: int) -> float:
    """Return a factor for each step: only then it shows where η stands in a formula."""
    return 1.0 - 0.04 * step


# Each takes w, the gradient g, the dict of what it keeps, η, t and returns the new w.


def sgd(w, g, kept, eta, t):
    return w - eta * g


def momentum_in(w, g, kept, eta, t):
    v = kept["v"] = 0.8 * kept.get("v", 0.0) + eta * g
    return w - v


def momentum_out(w, g, kept, eta, t):
    v = kept["v"] = 0.8 * kept.get("v", 0.0) + g
    return w - eta * v


def nesterov_in(w, g, kept, eta, t):
    v = kept["v"] = 0.8 * kept.get("v", 0.0) + eta * g
    return w - (0.8 * v + eta * g)


def nesterov_out(w, g, kept, eta, t):
    v = kept["v"] = 0.8 * kept.get("v", 0.0) + g
    return w - eta * (g + 0.8 * v)


def adagrad(w, g, kept, eta, t):
    s = kept["s"] = kept.get("s", 0.5) + g**2
    return w - eta * g / (np.sqrt(s) + 0.01)


def adagrad_inside(w, g, kept, eta, t):
    s = kept["s"] = kept.get("s", 0.0) + g**2
    return w - eta * g / np.sqrt(s + 0.01)


def adadelta(w, g, kept, eta, t):
    s = kept["s"] = 0.95 * kept.get("s", 0.0) + 0.05 * g**2
    d = np.sqrt(kept.get("u", 0.0) + 1e-4) / np.sqrt(s + 1e-4) * g
    kept["u"] = 0.95 * kept.get("u", 0.0) + 0.05 * d**2
    return w - eta * d


def moments(g, kept, t):
    m = kept["m"] = 0.9 * kept.get("m", 0.0) + 0.1 * g
    v = kept["v"] = 0.99 * kept.get("v", 0.0) + 0.01 * g**2
    return m / (1 - 0.9**t), v / (1 - 0.99**t)


def adam(w, g, kept, eta, t):
    m, v = moments(g, kept, t)
    return w - eta * m / (np.sqrt(v) + 1e-3)


def adam_inside(w, g, kept, eta, t):
    m, v = moments(g, kept, t)
    return w - eta * m / np.sqrt(v + 1e-3)


ADAM = {"beta2": 0.99, "epsilon": 1e-3}
FORMULAS = {
    "sgd": ("sgd", {}, sgd),
    "momentum": ("momentum", {"momentum": 0.8}, momentum_in),
    "momentum-rate-outside": (
        "momentum", {"momentum": 0.8, "rate_in_velocity": False}, momentum_out,
    ),
    "nesterov": ("nesterov", {"momentum": 0.8}, nesterov_in),
    "nesterov-rate-outside": (
        "nesterov", {"momentum": 0.8, "rate_in_velocity": False}, nesterov_out,
    ),
    "adagrad": (
        "adagrad", {"initial_accumulator": 0.5, "epsilon": 0.01}, adagrad,
    ),
    "adagrad-inside": (
        "adagrad", {"epsilon": 0.01, "epsilon_inside": True}, adagrad_inside,
    ),
    "adadelta": ("adadelta", {"rho": 0.95, "epsilon": 1e-4}, adadelta),
    "adam": ("adam", ADAM, adam),
    "adam-inside": ("adam", ADAM | {"epsilon_inside": True}, adam_inside),
}  # fmt: skip

# weight_decay -> (what is added to g, what w loses beside the step)
DECAYS = {
    "l2": ({"l2": 0.1}, lambda w: 0.1 * w, lambda w, eta: 0.0),
    "l1": ({"l1": 0.1}, lambda w: 0.1 * np.sign(w), lambda w, eta: 0.0),
    "decoupled": ({"decoupled": 0.2}, lambda w: 0.0, lambda w, eta: eta * 0.2 * w),
    "s3": ({"s3": 0.03}, lambda w: 0.0, lambda w, eta: 0.03 * abs(w) * w),
    "all-four": (
        {"l2": 0.1, "l1": 0.05, "decoupled": 0.2, "s3": 0.03},
        lambda w: 0.1 * w + 0.05 * np.sign(w),
        lambda w, eta: eta * 0.2 * w + 0.03 * abs(w) * w,
    ),
}


def no_penalty(w):
    return 0.0


def no_loss(w, eta):
    return 0.0


def gradients_of(w, x, y):
    """Return the gradients of the mean squared error of SPEC's network."""
    error = x @ w["dense1.weight"].T + w["dense1.bias"] - y
    d = 2 * error / error.size
    return {"dense1.weight": d.T @ x, "dense1.bias": d.sum(axis=0)}


def compare(device, spec, setting, rule, decays, rates=None, added=None, lost=None):
    """Take twenty steps on both sides; `decays` names the parameters that decay."""
    added, lost = added or no_penalty, lost or no_loss
    net = engine.Network.from_spec(spec, device=device, seed=3)
    trainer = engine.Trainer(net, setting, batch_size=8, schedule=varying)
    rng = np.random.default_rng(0)
    w = {k: v.astype(float) for k, v in net.parameters().items()}
    kept = {k: {} for k in w}
    for step in range(20):
        x, y = rng.random((8, 5)), rng.random((8, 3))
        gradients = gradients_of(w, x, y)
        trainer.step(x, y)
        for name, old in w.items():
            eta = ETA * varying(step) * (rates or {}).get(name, 1.0)
            decay = name in decays
            g = gradients[name] + (added(old) if decay else 0.0)
            new = rule(old, g, kept[name], eta, step + 1)
            w[name] = new - (lost(old, eta) if decay else 0.0)
    tolerance = 1e-12 if device.kind == "reference" else 2e-5
    for name, values in net.parameters().items():
        np.testing.assert_allclose(values, w[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", FORMULAS)
def test_twenty_steps_follow_the_formula(case, any_device):
    name, settings, rule = FORMULAS[case]
    setting = {name: {"learning_rate": ETA, **settings}}
    compare(any_device, SPEC, setting, rule, decays=())


def test_every_optimiser_has_a_formula():
    assert {name for name, _, _ in FORMULAS.values()} == set(OPTIMIZERS)


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("case", ["sgd", "momentum", "adadelta", "adam"])
def test_weight_decay_follows_the_formula(case, decay, any_device):
    """By default weights alone decay."""
    name, settings, rule = FORMULAS[case]
    kinds, added, lost = DECAYS[decay]
    setting = {name: {"learning_rate": ETA, "weight_decay": kinds, **settings}}
    weights = ("dense1.weight",)
    compare(any_device, SPEC, setting, rule, weights, added=added, lost=lost)


def test_all_parameters_may_decay(any_device):
    kinds, added, lost = DECAYS["all-four"]
    decay = kinds | {"parameters": "all"}
    setting = {"sgd": {"learning_rate": ETA, "weight_decay": decay}}
    both = ("dense1.weight", "dense1.bias")
    compare(any_device, SPEC, setting, sgd, both, added=added, lost=lost)


def test_a_weight_of_0_stays_0_under_l1(any_device):
    setting = {"sgd": {"learning_rate": 0.1, "weight_decay": {"l1": 0.5}}}
    trainer = trainer_of(LINEAR, any_device, optimizer=setting)
    trainer.network.set_parameters({"dense1.weight": np.array([[0.0, 1.0, -1.0, 0]])})
    trainer.step(np.zeros((2, 4)), np.zeros((2, 1)))
    weight = trainer.network.parameters()["dense1.weight"]
    np.testing.assert_allclose(weight, [[0.0, 0.95, -0.95, 0.0]], rtol=1e-6)


def test_the_loss_has_no_penalty_in_it(any_device):
    setting = {"sgd": {"learning_rate": 0.1, "weight_decay": {"l2": 1e3}}}
    trainer = trainer_of(LINEAR, any_device, optimizer=setting)
    x, t = vectors()
    expected = trainer_of(LINEAR, any_device).step(x, t)
    assert trainer.step(x, t) == expected


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_parameters_in_many_pieces(name, opened, reference):
    """More weights than a piece or a work-item holds, an odd number of them."""
    spec = {
        "input": [997],
        "layers": [{"dense": {"units": 131}}, {"dense": {"units": 2}}],
        "loss": "mean_squared_error",
    }
    settings = {"learning_rate": 0.01, "weight_decay": {"l2": 0.01}}
    if "epsilon" in OPTIMIZERS[name].table:  # else it divides the rounding of a small
        settings["epsilon"] = 0.01  # gradient by as small a number
    setting = {name: settings}
    rng = np.random.default_rng(1)
    x, t = rng.standard_normal((7, 997)), rng.standard_normal((7, 2))
    results = []
    for device in (reference, opened("threads"), opened("opencl")):
        trainer = trainer_of(spec, device, optimizer=setting)
        for _ in range(3):
            trainer.step(x, t)
        results.append(trainer.network.parameters())
    for name, expected in results[0].items():
        for received in (results[1][name], results[2][name]):
            np.testing.assert_allclose(received, expected, atol=2e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twice_the_same_bytes(name, any_device):
    def run():
        trainer = trainer_of(SPEC, any_device, optimizer={name: {"learning_rate": 0.1}})
        rng = np.random.default_rng(2)
        for _ in range(10):
            trainer.step(rng.random((8, 5)), rng.random((8, 3)))
        return digest(trainer.network)

    assert run() == run()


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"adm": {}}, r"unknown optimiser 'adm' \(did you mean 'adam'"),
        ({"sgd": {"rate": 0.1}}, "optimizer: sgd: unknown setting 'rate'"),
        ("sgd", "optimizer: sgd: the setting 'learning_rate' is missing"),
        ({"momentum": {"learning_rate": 1, "momentum": 1.0}}, r"momentum: .*\[0.0, 1"),
        ({"adam": {"epsilon": 0.0}}, r"adam: epsilon: .*received 0.0"),
        ({"adagrad": {"epsilon_inside": 1}}, "epsilon_inside: expected true or false"),
        (
            {"adam": {"weight_decay": {"l3": 0.1}}},
            r"adam: weight_decay: kinds: unknown setting 'l3' \(did you mean",
        ),
        (
            {"adam": {"weight_decay": {"parameters": "all"}}},
            "adam: weight_decay: expected one of l1, l2, decoupled, s3, received",
        ),
        ({"adam": {"weight_decay": {"l2": -1}}}, "weight_decay: kinds: l2: .*rec.* -1"),
        ({"adam": {"weight_decay": 0.1}}, "weight_decay: .*by name, received 0.1"),
        (
            {"adam": {"weight_decay": {"l2": 1, "parameters": "biases"}}},
            "parameters: expected one of weights, all, received 'biases'",
        ),
    ],
)
def test_mistakes_are_named(setting, text, reference):
    with pytest.raises(engine.SpecError, match=text):
        trainer_of(LINEAR, reference, optimizer=setting)
