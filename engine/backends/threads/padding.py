"""Padding: the map is copied as it is, then border after border."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage
from engine.backends.geometry import PadGeometry
from engine.backends.threads import chunks

if TYPE_CHECKING:
    from engine.backends.threads.backend import Threads

Array = np.ndarray


def forward(backend: Threads, x: Array, y: Array, g: PadGeometry) -> Stage:
    """Return the stage y = x with what g.mode says around it."""
    rows, columns = _map(g)
    above, beside = _borders(g)

    def run(samples: slice, worker: int) -> None:
        xs, ys = x[samples], y[samples]
        if g.mode == "constant":
            ys.fill(g.value)
        ys[..., rows, columns] = xs
        for j, column in beside:
            ys[..., rows, j] = xs[..., column]
        for i, row in above:
            ys[..., i, :] = ys[..., g.top + row, :]

    return backend.stage(run, chunks.cut_samples(len(y), y[0].size))


def backward(backend: Threads, dy: Array, dx: Array, g: PadGeometry) -> Stage:
    """Return the stage dx = Σ of dy over the copies of each place."""
    rows, columns = _map(g)
    above, beside = _borders(g)

    def run(samples: slice, worker: int) -> None:
        dys, dxs = dy[samples], dx[samples]
        if g.mode == "constant":
            np.copyto(dxs, dys[..., rows, columns])
            return
        # The rows above and below first: they bring the corners with them.
        total = backend.room(worker, "pad", (*dxs.shape[:3], g.out_width))
        np.copyto(total, dys[..., rows, :])
        for i, row in above:
            total[..., row, :] += dys[..., i, :]
        np.copyto(dxs, total[..., columns])
        for j, column in beside:
            dxs[..., column] += total[..., j]

    return backend.stage(run, chunks.cut_samples(len(dy), dy[0].size))


def _map(g: PadGeometry) -> tuple[slice, slice]:
    """Return where in the output the map stands."""
    return slice(g.top, g.top + g.height), slice(g.left, g.left + g.width)


def _borders(g: PadGeometry) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return (i, its source) of the rows and of the columns that are copies."""
    if g.mode == "constant":
        return [], []
    rows, columns = (list(enumerate(sources)) for sources in g.sources())
    del rows[g.top : g.top + g.height], columns[g.left : g.left + g.width]
    return rows, columns
