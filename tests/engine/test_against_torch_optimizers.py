"""Every optimiser and schedule against PyTorch's, the same network in float32."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine.optimizers import OPTIMIZERS
from tests.engine.cases import relative

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.compare

STEPS = 20
TOLERANCE = 1e-4
SPEC = {
    "input": [2, 9, 8],
    "layers": [
        {"conv": {"filters": 5, "kernel": 3, "bias": "learned"}},
        {"activation": "tanh"},
        {"dense": {"units": 3}},
    ],
    "loss": "softmax_cross_entropy",
}
L2_OF_ALL = {"l2": 0.05, "parameters": "all"}

# ours (without the learning rate), PyTorch's class and its settings
CASES = {
    "sgd": ({"sgd": {}}, "SGD", {}),
    "sgd-l2": ({"sgd": {"weight_decay": L2_OF_ALL}}, "SGD", {"weight_decay": 0.05}),
    "momentum": (
        {"momentum": {"rate_in_velocity": False}}, "SGD", {"momentum": 0.9},
    ),
    "momentum-l2": (
        {"momentum": {"rate_in_velocity": False, "weight_decay": L2_OF_ALL}},
        "SGD", {"momentum": 0.9, "weight_decay": 0.05},
    ),
    "nesterov": (
        {"nesterov": {"rate_in_velocity": False, "momentum": 0.8}},
        "SGD", {"momentum": 0.8, "nesterov": True},
    ),
    "adagrad": ({"adagrad": {}}, "Adagrad", {}),
    "adagrad-filled": (
        {"adagrad": {"initial_accumulator": 0.1, "epsilon": 1e-3}},
        "Adagrad", {"initial_accumulator_value": 0.1, "eps": 1e-3},
    ),
    "adadelta": ({"adadelta": {}}, "Adadelta", {}),
    "adadelta-l2": (
        {"adadelta": {"rho": 0.95, "epsilon": 1e-5, "weight_decay": L2_OF_ALL}},
        "Adadelta", {"rho": 0.95, "eps": 1e-5, "weight_decay": 0.05},
    ),
    "adam": ({"adam": {}}, "Adam", {}),
    "adam-l2": ({"adam": {"weight_decay": L2_OF_ALL}}, "Adam", {"weight_decay": 0.05}),
    "adam-decoupled": (
        {"adam": {"weight_decay": {"decoupled": 0.5, "parameters": "all"}}},
        "AdamW", {"weight_decay": 0.5},
    ),
}  # fmt: skip
RATES = {"adadelta": 1.0, "adam": 0.01}

SCHEDULES = {
    "constant": ("constant", None, {}),
    "cosine": (
        {"cosine": {"steps": STEPS, "minimum": 0.002}},
        "CosineAnnealingLR", {"T_max": STEPS, "eta_min": 0.002},
    ),
    "step": (
        {"step": {"steps": 6, "factor": 0.3}}, "StepLR", {"step_size": 6, "gamma": 0.3},
    ),
}  # fmt: skip


def their_network(values: dict[str, np.ndarray]) -> torch.nn.Module:
    """Return SPEC's network with the same parameters."""
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 5, 3),
        torch.nn.Tanh(),
        torch.nn.Flatten(),
        torch.nn.Linear(210, 3),
    )
    with torch.no_grad():
        for mine, theirs in zip(values.values(), network.parameters(), strict=True):
            theirs.copy_(torch.from_numpy(mine.astype(np.float32)))
    return network


def compare(device, setting, their_class, their_settings, schedule) -> None:
    """Take the same steps on both sides; the parameters must stay together."""
    (name, settings), *_ = setting.items()
    rate = RATES.get(name, 0.05)
    ours = engine.Network.from_spec(SPEC, device=device, seed=5)
    theirs = their_network(ours.parameters())
    trainer = engine.Trainer(
        ours, {name: {"learning_rate": rate, **settings}}, schedule=schedule[0]
    )
    optimizer = getattr(torch.optim, their_class)(
        theirs.parameters(), lr=rate, **their_settings
    )
    scheduler = schedule[1] and getattr(torch.optim.lr_scheduler, schedule[1])(
        optimizer, **schedule[2]
    )
    rng = np.random.default_rng(6)
    for _ in range(STEPS):
        x = rng.standard_normal((8, 2, 9, 8)).astype(np.float32)
        t = rng.integers(0, 3, 8)
        trainer.step(x, t)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(x)), torch.from_numpy(t)
        ).backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
    pairs = zip(ours.parameters().items(), theirs.parameters(), strict=True)
    for (parameter, received), expected in pairs:
        error = relative(received, expected.detach().numpy())
        assert error <= TOLERANCE, f"{parameter}: {error:.1e}"


def test_every_optimiser_is_compared():
    assert {next(iter(setting)) for setting, *_ in CASES.values()} == set(OPTIMIZERS)


@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_as_pytorch_takes_them(case, any_device):
    compare(any_device, *CASES[case], SCHEDULES["constant"])


@pytest.mark.parametrize("schedule", ["cosine", "step"])
@pytest.mark.parametrize("case", ["sgd", "momentum", "nesterov", "adam-decoupled"])
def test_schedules_as_pytorch_has_them(case, schedule, any_device):
    compare(any_device, *CASES[case], SCHEDULES[schedule])
