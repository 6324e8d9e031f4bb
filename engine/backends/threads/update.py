"""The optimiser's update on threads: engine/backends/update.py without new arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage
from engine.backends.threads import chunks
from engine.backends.update import UpdateRule

if TYPE_CHECKING:
    from engine.backends.threads.backend import Threads

Array = np.ndarray


def update(
    backend: Threads, rule: UpdateRule, w: Array, dw: Array, *kept: Array
) -> Stage:
    """Return the stage that changes w and what is kept, piece by piece."""
    step = _RULES[rule.name]
    decays = any(rule.decay.kinds)
    numbers: list[np.float32] = []
    coefficients: list[np.float32] = []

    def piece(arrays: tuple[Array, ...], worker: int) -> None:
        w, dw, *kept = arrays
        g, d, spare = backend.room(worker, "update", (3, w.size))
        if decays:
            _add_penalties(w, dw, g, spare, *coefficients[:2])
            dw = g
        step(dw, kept, d, spare, *numbers)
        if decays:
            _shrink(w, spare, *coefficients[2:])
        np.subtract(w, d, out=w)

    arrays = w, dw, *kept
    pieces = [tuple(a[part] for a in arrays) for part in chunks.cut_elements(w.size)]
    stage = backend.stage(piece, pieces)

    def run() -> None:
        if backend.fault.any():
            return
        numbers[:] = map(np.float32, rule.at(backend.state))
        if decays:
            coefficients[:] = map(np.float32, rule.decay_at(backend.state))
        stage()

    return run


def _add_penalties(w, dw, g, spare, l1, l2):
    """g = dw + l2 w + l1 sign(w)."""
    np.multiply(w, l2, out=g)
    g += dw
    if l1:
        np.sign(w, out=spare)
        spare *= l1
        g += spare


def _shrink(w, spare, shrinking, s3):
    """w ← w − (shrinking + s3 |w|) w."""
    np.abs(w, out=spare)
    spare *= s3
    spare += shrinking
    spare *= w
    w -= spare


# Each writes d = the step to be taken; `spare` is scratch.


def _sgd(g, kept, d, spare, rate):
    np.multiply(g, rate, out=d)


def _momentum(g, kept, d, spare, inertia, gain, rate):
    (v,) = kept
    v *= inertia
    np.multiply(g, gain, out=d)
    v += d
    np.multiply(v, rate, out=d)


def _nesterov(g, kept, d, spare, inertia, gain, rate):
    (v,) = kept
    v *= inertia
    np.multiply(g, gain, out=spare)
    v += spare
    np.multiply(v, inertia, out=d)
    d += spare
    d *= rate


def _adagrad(g, kept, d, spare, rate, inside, outside):
    (s,) = kept
    np.multiply(g, g, out=d)
    s += d
    np.add(s, inside, out=spare)
    _divide(g, spare, d, rate, outside)


def _adadelta(g, kept, d, spare, rate, rho, rest, epsilon):
    s, u = kept
    _average_of_squares(s, g, spare, rho, rest)
    np.add(s, epsilon, out=spare)
    np.add(u, epsilon, out=d)
    d /= spare
    np.sqrt(d, out=d)
    d *= g
    _average_of_squares(u, d, spare, rho, rest)
    d *= rate


def _adam(
    g, kept, d, spare, rate, correction, beta1, rest1, beta2, rest2, inside, outside
):
    m, v = kept
    m *= beta1
    np.multiply(g, rest1, out=d)
    m += d
    _average_of_squares(v, g, spare, beta2, rest2)
    np.multiply(v, correction, out=spare)
    if inside:
        spare += inside
    _divide(m, spare, d, rate, outside)


def _average_of_squares(average, values, spare, portion, rest):
    """average ← portion · average + rest · values²."""
    average *= portion
    np.multiply(values, rest, out=spare)
    spare *= values
    average += spare


def _divide(values, squares, d, rate, outside):
    """d = rate · values / (√squares + outside); squares is spoilt."""
    np.sqrt(squares, out=squares)
    squares += outside
    np.multiply(values, rate, out=d)
    d /= squares


_RULES = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "adam": _adam,
}
