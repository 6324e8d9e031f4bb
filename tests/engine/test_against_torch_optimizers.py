"""Every optimiser and schedule against PyTorch's, which steps in float64.

How far rounding alone may lead from there is measured: PyTorch takes the same steps
with noise of that size. Adam, for one, divides by √v + ε, so that where a weight's
first gradient is near 0 the noise of it counts a hundredfold.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import engine
from engine.optimizers import OPTIMIZERS
from tests.engine.cases import relative

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.compare
torch.set_num_threads(1)  # for arrays as small as these more only wait for each other

STEPS = 20
# The largest deviation seen was 1.3 times what noise came to, over nine kinds of BLAS
# kernels, two runtimes of OpenCL and the device `reference`.
TIMES_NOISE = 4
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


@cache
def start() -> dict[str, np.ndarray]:
    """Return SPEC's first parameters, in float32."""
    network = engine.Network.from_spec(SPEC, device="reference", seed=5)
    return {k: v.astype(np.float32) for k, v in network.parameters().items()}


@cache
def batches() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the images and classes of each step.

    Of the 740 weights none has a first gradient below 1e-5: an Adam would hardly be
    tested by what it makes of noise.
    """
    rng = np.random.default_rng(7)
    return [
        (rng.standard_normal((8, 2, 9, 8)).astype(np.float32), rng.integers(0, 3, 8))
        for _ in range(STEPS)
    ]


def their_network() -> torch.nn.Module:
    """Return SPEC's network with the first parameters, in float64."""
    network = torch.nn.Sequential(
        torch.nn.Conv2d(2, 5, 3),
        torch.nn.Tanh(),
        torch.nn.Flatten(),
        torch.nn.Linear(210, 3),
    ).double()
    with torch.no_grad():
        for mine, theirs in zip(start().values(), network.parameters(), strict=True):
            theirs.copy_(torch.from_numpy(mine))
    return network


def their_steps(case: str, schedule: str, noise: float, seed: int = 0) -> list:
    """Return PyTorch's parameters after the steps.

    noise: its standard deviation in each gradient, relative to the largest of its
    array, and in each parameter, relative to itself.
    """
    setting, kind, settings = CASES[case]
    network = their_network()
    rate = RATES.get(next(iter(setting)), 0.05)
    optimizer = getattr(torch.optim, kind)(network.parameters(), lr=rate, **settings)
    _, kind, settings = SCHEDULES[schedule]
    schedulers = torch.optim.lr_scheduler
    scheduler = kind and getattr(schedulers, kind)(optimizer, **settings)
    generator = torch.Generator().manual_seed(seed)

    def noisy(like):
        drawn = torch.randn(like.shape, generator=generator, dtype=like.dtype)
        return noise * drawn

    for x, t in batches():
        optimizer.zero_grad()
        outputs = network(torch.from_numpy(x).double())
        torch.nn.functional.cross_entropy(outputs, torch.from_numpy(t)).backward()
        for p in network.parameters():
            p.grad += p.grad.abs().max() * noisy(p)
        optimizer.step()
        if scheduler:
            scheduler.step()
        with torch.no_grad():
            for p in network.parameters():
                p *= 1.0 + noisy(p)
    return [p.detach().numpy() for p in network.parameters()]


@cache
def expected(case: str, schedule: str) -> list[tuple[np.ndarray, float]]:
    """Return each parameter after the steps, and its condition.

    That is how much more than a rounding it is off if each step has one (the worst of
    eight draws).
    """
    exact = their_steps(case, schedule, noise=0.0)
    unit = 2.0**-24
    drawn = [their_steps(case, schedule, unit, seed) for seed in range(8)]
    conditions = [
        max(relative(p, right) for p in noisy) / unit
        for *noisy, right in zip(*drawn, exact, strict=True)
    ]
    return list(zip(exact, conditions, strict=True))


def compare(device, case: str, schedule: str) -> None:
    """Take the same steps on both sides; only rounding may part the parameters."""
    ours = engine.Network.from_spec(SPEC, device=device)
    ours.set_parameters(start())
    (name, settings), *_ = CASES[case][0].items()
    settings = {"learning_rate": RATES.get(name, 0.05), **settings}
    trainer = engine.Trainer(ours, {name: settings}, schedule=SCHEDULES[schedule][0])
    for x, t in batches():
        trainer.step(x, t)
    pairs = zip(ours.parameters().items(), expected(case, schedule), strict=True)
    for (parameter, received), (exact, condition) in pairs:
        bound = TIMES_NOISE * condition * np.finfo(received.dtype).eps / 2
        error = relative(received, exact)
        assert error <= bound, f"{parameter}: {error:.1e} where {bound:.1e} is rounding"


def test_every_optimiser_is_compared():
    assert {next(iter(setting)) for setting, *_ in CASES.values()} == set(OPTIMIZERS)


@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_as_pytorch_takes_them(case, any_device):
    compare(any_device, case, "constant")


@pytest.mark.parametrize("schedule", ["cosine", "step"])
@pytest.mark.parametrize("case", ["sgd", "momentum", "nesterov", "adam-decoupled"])
def test_schedules_as_pytorch_has_them(case, schedule, any_device):
    compare(any_device, case, schedule)
