"""Clip, scale and product, cut by samples.

Of an array with fewer numbers than its partner each serves several of them in a row;
so both are read as (n, fewer, several), one of them with several = 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage
from engine.backends.reference import rows
from engine.backends.threads import chunks

if TYPE_CHECKING:
    from engine.backends.threads.backend import Threads

Array = np.ndarray


def visible(run: Callable[[Array, Array], None]) -> Callable[[Array, Array], None]:
    """Return the function y = run(x) with NaN where x is infinite.

    A limit or a sigmoid would hide an infinity. x and y are flat pieces.
    """

    def checked(x: Array, y: Array) -> None:
        run(x, y)
        # The square is a quick first look; x − x is 0, or NaN for an infinity.
        if not np.isfinite(np.dot(x, x)):
            y += x - x

    return checked


def clip_forward(
    backend: Threads, x: Array, y: Array, low: float, high: float
) -> Stage:
    """Return the stage y = min(max(x, low), high)."""
    low, high = np.float32(low), np.float32(high)
    run = visible(lambda x, y: np.clip(x, low, high, out=y))
    return backend.elementwise(run, x, y)


def clip_backward(
    backend: Threads, y: Array, dy: Array, dx: Array, low: float, high: float
) -> Stage:
    """Return the stage dx = dy where low < y < high, else 0."""
    low, high = np.float32(low), np.float32(high)

    def run(y: Array, dy: Array, dx: Array) -> None:
        np.multiply(dy, (low < y) & (y < high), out=dx)

    return backend.elementwise(run, y, dy, dx)


def scale(backend: Threads, x: Array, w: Array, b: Array | None, y: Array) -> Stage:
    """Return the stage y = w x + b."""
    xs, ys, w = rows(x, w.size), rows(y, w.size), w.reshape(-1, 1)
    b = None if b is None else b.reshape(-1, 1)

    def run(piece: slice, worker: int) -> None:
        np.multiply(xs[piece], w, out=ys[piece])
        if b is not None:
            ys[piece] += b

    return backend.stage(run, _pieces(x))


def scale_backward_weights(
    backend: Threads, x: Array, dy: Array, dw: Array | None, db: Array | None
) -> Stage:
    """Return the stage dw = Σ dy x, db = Σ dy: of each piece, then of the pieces."""
    count = (db if dw is None else dw).size
    xs, dys = rows(x, count), rows(dy, count)
    pieces = list(enumerate(_pieces(x)))
    sums = backend.flat(2 * len(pieces) * count).reshape(2, len(pieces), count)

    def run(piece: tuple[int, slice], worker: int) -> None:
        number, samples = piece
        if dw is not None:
            np.einsum("nki,nki->k", xs[samples], dys[samples], out=sums[0, number])
        if db is not None:
            np.sum(dys[samples], axis=(0, 2), out=sums[1, number])

    stage = backend.stage(run, pieces)

    def with_totals() -> None:
        stage()
        for parts, total in zip(sums, (dw, db), strict=True):
            if total is not None:
                np.sum(parts, axis=0, out=chunks.flat(total))

    return with_totals


def multiply(backend: Threads, a: Array, b: Array, y: Array) -> Stage:
    """Return the stage y = a b."""
    a, b, y = _side_by_side(a, b, y)

    def run(piece: slice, worker: int) -> None:
        np.multiply(a[piece], b[piece], out=y[piece])

    return backend.stage(run, _pieces(y))


def multiply_sum(backend: Threads, a: Array, b: Array, y: Array) -> Stage:
    """Return the stage y = Σ a b over what each number of y serves."""
    a, b, y = _side_by_side(a, b, y)
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b, y = np.broadcast_to(a, shape), np.broadcast_to(b, shape), y[:, :, 0]

    def run(piece: slice, worker: int) -> None:
        np.einsum("nki,nki->nk", a[piece], b[piece], out=y[piece])

    return backend.stage(run, _pieces(a))


def _side_by_side(*arrays: Array) -> list[Array]:
    """Return views (n, fewest numbers, -1) of the arrays."""
    fewest = min(array[0].size for array in arrays)
    return [rows(array, fewest) for array in arrays]


def _pieces(x: Array) -> list[slice]:
    return chunks.cut_samples(len(x), x[0].size)
