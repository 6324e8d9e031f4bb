"""Pooling: one pass over the output for each element of the window.

A window's places outside the map are left out of the pass, so nothing is padded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage
from engine.backends.geometry import PoolGeometry
from engine.backends.threads import chunks

if TYPE_CHECKING:
    from engine.backends.threads.backend import Threads

Array = np.ndarray


def max_forward(
    backend: Threads, x: Array, y: Array, place: Array, g: PoolGeometry
) -> Stage:
    """Return the stage y = maxima, place = where in its window each first stands."""
    passes = list(_passes(g))

    def run(samples: slice, worker: int) -> None:
        xs, ys, places = x[samples], y[samples], place[samples]
        if not np.isfinite(np.vdot(xs, xs)):  # a quick first look
            xs = xs + (xs - xs)  # NaN for an infinity, or a maximum hides it
        ys.fill(-np.inf)
        places.fill(0.0)
        for number, out, inside in passes:
            # Numbers grow, so the last that was greater than all before is the largest.
            # (Multiplying by the mask is several times faster than a masked copy.)
            greater = np.multiply(xs[inside] > ys[out], number, dtype=np.float32)
            np.maximum(places[out], greater, out=places[out])
            np.maximum(ys[out], xs[inside], out=ys[out])  # a NaN is kept

    return backend.stage(run, _pieces(x))


def max_backward(
    backend: Threads, dy: Array, place: Array, dx: Array, g: PoolGeometry
) -> Stage:
    """Return the stage dx = dy, sent to the places that forward kept."""
    passes = list(_passes(g))

    def run(samples: slice, worker: int) -> None:
        dxs, dys, places = dx[samples], dy[samples], place[samples]
        dxs.fill(0.0)
        for number, out, inside in passes:
            part = np.multiply(dys[out], places[out] == number)
            np.add(dxs[inside], part, out=dxs[inside])

    return backend.stage(run, _pieces(dx))


def average_forward(backend: Threads, x: Array, y: Array, g: PoolGeometry) -> Stage:
    """Return the stage y = the windows' means."""
    maps = y.reshape(len(y), g.channels, g.out_height, g.out_width)
    divisors = _divisors(g)
    passes = [] if _is_global(g) else list(_passes(g))

    def run(samples: slice, worker: int) -> None:
        xs, ys = x[samples], maps[samples]
        if not passes:
            np.sum(xs, axis=(2, 3), keepdims=True, out=ys)
        else:
            ys.fill(0.0)
        for _, out, inside in passes:
            np.add(ys[out], xs[inside], out=ys[out])
        np.divide(ys, divisors, out=ys)

    return backend.stage(run, _pieces(x))


def average_backward(backend: Threads, dy: Array, dx: Array, g: PoolGeometry) -> Stage:
    """Return the stage dx = dy over the divisors, summed over each place's windows."""
    maps = dy.reshape(len(dy), g.channels, g.out_height, g.out_width)
    divisors = _divisors(g)
    passes = [] if _is_global(g) else list(_passes(g))

    def run(samples: slice, worker: int) -> None:
        dxs, shares = dx[samples], maps[samples] / divisors
        if not passes:
            np.copyto(dxs, shares)
            return
        dxs.fill(0.0)
        for _, out, inside in passes:
            np.add(dxs[inside], shares[out], out=dxs[inside])

    return backend.stage(run, _pieces(dx))


def _pieces(x: np.ndarray) -> list[slice]:
    return chunks.cut_samples(len(x), x[0].size)


def _is_global(g: PoolGeometry) -> bool:
    """Return whether the one window is the whole map."""
    one = g.out_height == g.out_width == 1
    whole = g.size == (g.height, g.width)
    return one and whole and g.padding == (0, 0) and g.dilation == (1, 1)


def _divisors(g: PoolGeometry) -> np.float32 | np.ndarray:
    """Return the divisors of the means, (H', W'); as one number where all are equal."""
    divisors = g.divisors().astype(np.float32)
    return divisors[0, 0] if (divisors == divisors[0, 0]).all() else divisors


def _passes(g: PoolGeometry) -> Iterator[tuple[int, tuple, tuple]]:
    """Yield (u · kw + v, index into y, index into x) for each element of the window.

    The indices meet where the window's element (u, v) lies on the map.
    """
    (kh, kw), (dh, dw), (sh, sw), (top, left) = g.size, g.dilation, g.stride, g.padding
    for u in range(kh):
        out_rows, rows = _meet(u * dh - top, g.out_height, g.height, sh)
        for v in range(kw):
            out_columns, columns = _meet(v * dw - left, g.out_width, g.width, sw)
            yield u * kw + v, (..., out_rows, out_columns), (..., rows, columns)


def _meet(offset: int, outs: int, size: int, stride: int) -> tuple[slice, slice]:
    """Return the i with 0 ≤ i · stride + offset < size, and these places."""
    first = max(-(offset // stride), 0)
    last = min((size - 1 - offset) // stride, outs - 1)
    if last < first:
        return slice(0, 0), slice(0, 0)
    begin = first * stride + offset
    return (
        slice(first, last + 1),
        slice(begin, begin + (last - first) * stride + 1, stride),
    )
