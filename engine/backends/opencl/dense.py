"""Dense layers on OpenCL: tiles and launches. The kernels: kernels/dense.cl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage
from engine.backends.opencl.functions import IDENTITY, Function

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL
    from engine.backends.opencl.program import Kernel

_ITEMS = 32  # that are enough for the cores of a processor
_GROUP = 4  # tiles at least, for one turned panel


def forward(
    backend: OpenCL,
    x: BatchArray,
    w: FlatArray,
    b: FlatArray | None,
    y: BatchArray,
    f: Function = IDENTITY,
) -> Stage:
    """Return the stage y = f(x wᵀ + b)."""
    items = _tiles(backend, y.features) * _pairs(x)
    return backend.launch(
        _kernel(backend, "dense_forward", w, f), items, x, w, w if b is None else b, y,
        np.float32(f.slope), np.uint32(x.blocks), np.int32(b is not None),
    )  # fmt: skip


def backward(
    backend: OpenCL,
    x: BatchArray,
    dy: BatchArray,
    w: FlatArray,
    dx: BatchArray | None,
    dw: FlatArray | None,
    db: FlatArray | None,
    f: Function = IDENTITY,
) -> Stage:
    """Return the stage dx = dy w, dw = dyᵀ x, db = Σ_n dy, each unless None.

    dx times f' by f.y unless f is the identity.
    """
    groups = items = 0
    if dw is not None:
        panels = -(-x.features // (2 * backend.lanes))
        groups = min(_tiles(backend, dy.features) // _GROUP, -(-_ITEMS // panels))
        groups = max(groups, 1)
        items = panels * groups
    if dx is not None:
        items += _tiles(backend, dx.features) * _pairs(dx)
    # What is not wanted is not written, and w is as good as any other array.
    weights, biases, data = (w if array is None else array for array in (dw, db, dx))
    return backend.launch(
        _kernel(backend, "dense_backward", w, f), items, x, dy, w, weights, biases,
        data, dy if f.y is None else f.y, np.float32(f.slope),
        *map(np.uint32, (dy.n, dy.blocks, groups)), np.int32(db is not None),
    )  # fmt: skip


def _tall(backend: OpenCL, rows: int) -> int:
    """Return how many rows a tile takes; it is two vectors wide."""
    return min(backend.tile // 2, rows)


def _tiles(backend: OpenCL, rows: int) -> int:
    return -(-rows // _tall(backend, rows))


def _pairs(x: BatchArray) -> int:
    return -(-x.blocks // 2)


def _kernel(backend: OpenCL, name: str, w: FlatArray, f: Function = IDENTITY) -> Kernel:
    outputs, features = w.shape
    tall = _tall(backend, outputs)
    return backend.programs.kernel(
        ("functions", "dense"), name, FUNCTION=f.number, O=outputs, K=features,
        OT=tall, KT=_tall(backend, features),
        KU=max(min(backend.tile // 2 // tall, 4), 1),
    )  # fmt: skip
