"""Pooling: maxima in one pass over the output for each element of the window.

Means are summed along rows and columns apart. A window's places outside the map are
left out of the pass, so nothing is padded.
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
    """Return the stage y = the windows' means: sums of rows, then of columns."""
    maps = y.reshape(len(y), g.channels, g.out_height, g.out_width)
    divisors = _divisors(g)
    rows, columns = _axes(g)

    def run(samples: slice, worker: int) -> None:
        xs, ys = x[samples], maps[samples]
        if _is_global(g):
            np.sum(xs, axis=(2, 3), keepdims=True, out=ys)
        else:
            sums = backend.room(worker, "pool", (*xs.shape[:2], g.out_height, g.width))
            rows.gather(xs, sums)
            columns.gather(sums, ys)
        np.divide(ys, divisors, out=ys)

    return backend.stage(run, chunks.cut_small(len(x), x[0].size))


def average_backward(backend: Threads, dy: Array, dx: Array, g: PoolGeometry) -> Stage:
    """Return the stage dx = dy over the divisors, summed over each place's windows."""
    maps = dy.reshape(len(dy), g.channels, g.out_height, g.out_width)
    divisors = _divisors(g)
    rows, columns = _axes(g)

    def run(samples: slice, worker: int) -> None:
        dxs, dys = dx[samples], maps[samples]
        shares = backend.room(worker, "shares", dys.shape)
        np.divide(dys, divisors, out=shares)
        if _is_global(g):
            np.copyto(dxs, shares)
            return
        sums = backend.room(worker, "pool", (*dxs.shape[:2], g.out_height, g.width))
        columns.scatter(shares, sums)
        rows.scatter(sums, dxs)

    return backend.stage(run, chunks.cut_small(len(dx), dx[0].size))


class _Axis:
    """One axis of the windows: a pass for each of their elements along it.

    A pass is (which windows have this element on the map, where there it lies), as
    indices. A mean's window is summed along one axis after the other: for 3 × 3 places
    that is 6 passes and not 9, and those over the rows move whole rows.
    """

    def __init__(self, g: PoolGeometry, axis: int):
        outs, size = (g.out_height, g.out_width)[axis], (g.height, g.width)[axis]
        after = (slice(None),) * (1 - axis)
        self.passes = []
        served = np.zeros(size, int)
        for element in range(g.size[axis]):
            offset = element * g.dilation[axis] - g.padding[axis]
            out, inside = _meet(offset, outs, size, g.stride[axis])
            served[inside] += 1
            self.passes.append(((..., out, *after), (..., inside, *after)))
            if element == 0:
                self.first_has_all = out == slice(0, outs)
        self.each_served_once = bool((served == 1).all())

    def gather(self, x: Array, y: Array) -> None:
        """y = the sums of x over the windows' elements along this axis."""
        if not self.first_has_all:
            y.fill(0.0)
        for number, (out, inside) in enumerate(self.passes):
            if number == 0 and self.first_has_all:
                np.copyto(y[out], x[inside])
            else:
                np.add(y[out], x[inside], out=y[out])

    def scatter(self, y: Array, x: Array) -> None:
        """x = the sums of y over the windows that each place lies in."""
        if not self.each_served_once:
            x.fill(0.0)
        for out, inside in self.passes:
            if self.each_served_once:
                np.copyto(x[inside], y[out])
            else:
                np.add(x[inside], y[out], out=x[inside])


def _axes(g: PoolGeometry) -> tuple[_Axis, _Axis]:
    """Return the windows' rows and columns."""
    return _Axis(g, 0), _Axis(g, 1)


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
