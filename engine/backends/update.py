"""The optimiser's update: what a backend is told of it, and its definition in NumPy.

With decay as engine/regularizers.py says (l1, l2, decoupled, s3), one step is
    g = ∂loss/∂w + l2 w + l1 sign(w)
    w ← w − (η decoupled + s3 |w|) w − d
and d is what the rule makes of g and of the arrays that it keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.regularizers import NONE, WeightDecay

if TYPE_CHECKING:
    from engine.backends.base import State


@dataclass(frozen=True)
class UpdateRule:
    """How a step changes some parameters.

    name: one of RULES; numbers: (η, t = 1, 2, ...) -> the rule's numbers in that step,
    in the order of its arguments here; factor: these parameters' own on η; decay: their
    weight decay.
    """

    name: str
    numbers: Callable[[float, int], tuple[float, ...]]
    factor: float = 1.0
    decay: WeightDecay = NONE

    def at(self, state: State) -> tuple[float, ...]:
        """Return the rule's numbers in the step that is under way."""
        return self.numbers(self.factor * state.learning_rate, state.step + 1)

    def decay_at(self, state: State) -> tuple[float, float, float, float]:
        """Return (l1, l2, η · decoupled, s3) in the step that is under way."""
        l1, l2, decoupled, s3 = self.decay.kinds
        return l1, l2, self.factor * state.learning_rate * decoupled, s3


def update(rule: UpdateRule, state: State, w, dw, *kept) -> None:
    """Change w and what is kept, all arrays of one shape."""
    l1, l2, shrinking, s3 = rule.decay_at(state)
    g = dw + l2 * w + l1 * np.sign(w)
    d = RULES[rule.name](g, kept, *rule.at(state))
    w -= (shrinking + s3 * abs(w)) * w + d


# The formulas are explained in engine/optimizers.py. Of `inside` and `outside`, where ε
# stands, one is 0; a number and its rest add up to 1.


def _sgd(g, kept, rate):
    return rate * g


def _momentum(g, kept, inertia, gain, rate):
    (v,) = kept
    v[...] = inertia * v + gain * g
    return rate * v


def _nesterov(g, kept, inertia, gain, rate):
    (v,) = kept
    v[...] = inertia * v + gain * g
    return rate * (inertia * v + gain * g)


def _adagrad(g, kept, rate, inside, outside):
    (s,) = kept
    s += g**2
    return rate * g / (np.sqrt(s + inside) + outside)


def _adadelta(g, kept, rate, rho, rest, epsilon):
    s, u = kept
    s[...] = rho * s + rest * g**2
    d = np.sqrt((u + epsilon) / (s + epsilon)) * g
    u[...] = rho * u + rest * d**2
    return rate * d


def _adam(g, kept, rate, correction, beta1, rest1, beta2, rest2, inside, outside):
    m, v = kept
    m[...] = beta1 * m + rest1 * g
    v[...] = beta2 * v + rest2 * g**2
    return rate * m / (np.sqrt(correction * v + inside) + outside)


RULES = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "adam": _adam,
}
