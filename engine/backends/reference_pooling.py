"""The reference's pooling: the definition, short and plain."""

from __future__ import annotations

import numpy as np

from engine.backends.base import Stage
from engine.backends.geometry import PoolGeometry
from engine.backends.windows import inner, padded, windows

Array = np.ndarray


def max_forward(x: Array, y: Array, place: Array, g: PoolGeometry) -> Stage:
    """Return the stage y = maxima, place = where in its window each first stands."""

    def run() -> None:
        y[...] = -np.inf
        # x − x is 0, or NaN for an infinity that a maximum would hide.
        values = padded(x + (x - x), g, -np.inf)
        for u, v, window in windows(g):
            better = ~(values[window] <= y) & (y == y)  # a NaN is kept
            y[...] = np.where(better, values[window], y)
            place[...] = np.where(better, u * g.size[1] + v, place)

    return run


def max_backward(dy: Array, place: Array, dx: Array, g: PoolGeometry) -> Stage:
    """Return the stage dx = dy, sent to the places that forward kept."""

    def run() -> None:
        total = np.zeros_like(padded(dx, g))
        for u, v, window in windows(g):
            total[window] += dy * (place == u * g.size[1] + v)
        dx[...] = inner(total, g)

    return run


def average_forward(x: Array, y: Array, g: PoolGeometry) -> Stage:
    """Return the stage y = the windows' means."""
    out = y.reshape(len(y), g.channels, g.out_height, g.out_width)

    def run() -> None:
        values = padded(x, g)
        out[...] = sum(values[window] for _, _, window in windows(g)) / g.divisors()

    return run


def average_backward(dy: Array, dx: Array, g: PoolGeometry) -> Stage:
    """Return the stage dx = dy over the divisors, summed over each place's windows."""
    maps = dy.reshape(len(dy), g.channels, g.out_height, g.out_width)

    def run() -> None:
        total = np.zeros_like(padded(dx, g))
        for _, _, window in windows(g):
            total[window] += maps / g.divisors()
        dx[...] = inner(total, g)

    return run
