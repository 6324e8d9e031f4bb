"""Backward against finite differences of forward."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from engine import random
from engine.errors import DeviceError
from engine.network import Network


def gradient_check(
    network: Network,
    x: Any,
    t: Any,
    *,
    directions: int = 4,
    step: float = 1e-5,
    seed: int = 0,
) -> dict[str, float]:
    r"""Return for each learned parameter, and "input", how wrong its gradient is.

    For an array a with gradient g = ∂loss/∂a, and random directions d ~ N(0, 1) of a's
    shape,
        error = max_d | (loss(a + h d) − loss(a − h d)) / 2h − Σ g d | / ‖g‖
    with h = step. Each direction moves all elements at once, so no element is left out
    and an array costs 2 · directions forward passes, whatever its size. A correct
    float64 gradient gives about 1e-9; where all of g is 0 the error is absolute.

    x (n, *input shape), t as for `Network.gradients`: training mode, dropout's masks
    are those of step 0. Keep x away from kinks (a ReLU at 0, equal maxima, MAE at its
    target): there a difference across the kink is not the derivative on either side.

    Raises: DeviceError if the network's device does not compute in float64;
    InputError for x or t that do not fit.
    """
    backend = network.backend
    if backend.dtype != np.float64:
        raise DeviceError(
            f"gradient_check: expected a network on the device reference (float64), "
            f"received one on {backend.id} ({backend.dtype}): its rounding would hide "
            "the error"
        )
    x = np.array(network.check_input(x), np.float64)
    targets = network.check_targets(t, len(x))
    plan = network.plan(len(x), training=True, input_gradient=True)

    def loss() -> float:
        backend.state.seed, backend.state.step = network.seed, 0
        plan.run(x)
        losses = plan.run_loss(targets)
        return float(losses.sum()) * network.loss_function.scale(len(x))

    arrays = {"input": x.copy()} | network.parameters()
    errors = {}
    for name, g in network.gradients(x, t).items():
        if name == "input":
            put = functools.partial(np.copyto, x)
        else:
            put = functools.partial(_put_parameter, network, name)
        moves = [
            random.stream(seed, "noise", name, turn).normal(size=g.shape)
            for turn in range(directions)
        ]
        errors[name] = _error(g, arrays[name], put, loss, moves, step)
    return errors


def _put_parameter(network: Network, name: str, values: np.ndarray) -> None:
    network.set_parameters({name: values})


def _error(
    g: np.ndarray,
    start: np.ndarray,
    put: Callable[[np.ndarray], None],
    loss: Callable[[], float],
    moves: list[np.ndarray],
    step: float,
) -> float:
    """Return the error of one gradient; `put` writes the array that `loss` reads."""
    differences = []
    try:
        for d in moves:
            sides = []
            for h in (step, -step):
                put(start + h * d)
                sides.append(loss())
            slope = (sides[0] - sides[1]) / (2.0 * step)
            differences.append(abs(slope - float((g * d).sum())))
    finally:
        put(start)
    norm = float(np.linalg.norm(g))
    return float(np.max(differences)) / (norm if norm > 0.0 else 1.0)
