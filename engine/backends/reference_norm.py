"""The definition of batch normalisation; its formulas: engine/layers/norm.py."""

from __future__ import annotations

import numpy as np

from engine.backends.base import Stage
from engine.backends.norm import Norm

Array = np.ndarray


def moments(x: Array, mean: Array, variance: Array) -> Stage:
    """Return the stage mean = 1/M Σ x, variance = 1/M Σ (x − mean)²."""
    x = _maps(x)

    def run() -> None:
        mean[...] = x.mean(axis=(0, 2))
        variance[...] = x.var(axis=(0, 2))
        variance[np.isinf(variance)] = np.nan  # x / ∞ would hide it

    return run


def forward(x: Array, y: Array, by: Norm) -> Stage:
    """Return the stage y = γ (x − mean) / √(variance + ε) + β."""
    x, y = _maps(x), _maps(y)

    def run() -> None:
        y[...] = (x - by.mean[:, None]) / np.sqrt(by.variance + by.epsilon)[:, None]
        if by.gamma is not None:
            y[...] = by.gamma[:, None] * y + by.beta[:, None]

    return run


def backward(
    x: Array,
    dy: Array,
    dx: Array | None,
    dgamma: Array | None,
    dbeta: Array | None,
    by: Norm,
) -> Stage:
    """Return the stage of dγ = Σ dy x̂, dβ = Σ dy, and dx."""
    x, dy = _maps(x), _maps(dy)
    count = x.size // len(by.mean)

    def run() -> None:
        deviation = np.sqrt(by.variance + by.epsilon)[:, None]
        normal = (x - by.mean[:, None]) / deviation
        along, total = (dy * normal).sum(axis=(0, 2)), dy.sum(axis=(0, 2))
        if dgamma is not None:
            dgamma[...], dbeta[...] = along, total
        if dx is not None:
            slope = (1.0 if by.gamma is None else by.gamma[:, None]) / deviation
            both = total[:, None] + normal * along[:, None]
            _maps(dx)[...] = slope / count * (count * dy - both)

    return run


def _maps(array: Array) -> Array:
    """Return (n, C, ...) as (n, C, places), without copying."""
    return array.reshape(*array.shape[:2], -1)
