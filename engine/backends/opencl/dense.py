"""Dense layers on OpenCL: tiles and launches. The kernels: kernels/dense.cl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyopencl as cl

from engine.backends.base import Stage, in_order

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL

_PANELS_EACH = 8  # of a work-item: they share what it reads of dy


def forward(
    backend: OpenCL, x: BatchArray, w: FlatArray, b: FlatArray | None, y: BatchArray
) -> Stage:
    """Return the stage y = x wᵀ + b."""
    items = _tiles(backend, y.features) * _pairs(x)
    return backend.launch(
        _kernel(backend, "dense_forward", w), items, x, w, w if b is None else b, y,
        np.uint32(x.blocks), np.int32(b is not None),
    )  # fmt: skip


def backward_data(
    backend: OpenCL, dy: BatchArray, w: FlatArray, dx: BatchArray
) -> Stage:
    """Return the stage dx = dy w."""
    items = _tiles(backend, dx.features) * _pairs(dx)
    kernel = _kernel(backend, "dense_data", w)
    return backend.launch(kernel, items, dy, w, dx, np.uint32(dx.blocks))


def backward_weights(
    backend: OpenCL,
    x: BatchArray,
    dy: BatchArray,
    dw: FlatArray,
    db: FlatArray | None,
) -> Stage:
    """Return the stage dw = dyᵀ x, db = Σ_n dy."""
    width = 2 * backend.lanes
    panels = -(-x.features // width)
    turned = backend.flat(panels * width * x.blocks * backend.lanes)
    items = _tiles(backend, dy.features) * -(-panels // _PANELS_EACH)
    samples, blocks = np.uint32(x.n), np.uint32(x.blocks)
    turn = _kernel(backend, "dense_panels", dw)
    multiply = _kernel(backend, "dense_weights", dw)
    return in_order(
        [
            backend.launch(turn, panels, x, turned, blocks),
            backend.launch(
                multiply, items, turned, dy, dw, dw if db is None else db, samples,
                blocks, np.int32(db is not None),
            ),
        ]
    )  # fmt: skip


def _tall(backend: OpenCL, rows: int) -> int:
    """Return how many rows a tile takes; it is two vectors wide."""
    return min(backend.tile // 2, rows)


def _tiles(backend: OpenCL, rows: int) -> int:
    return -(-rows // _tall(backend, rows))


def _pairs(x: BatchArray) -> int:
    return -(-x.blocks // 2)


def _kernel(backend: OpenCL, name: str, w: FlatArray) -> cl.Kernel:
    outputs, features = w.shape
    tall = _tall(backend, outputs)
    return backend.programs.kernel(
        ("dense",), name, O=outputs, K=features, OT=tall, KT=_tall(backend, features),
        KU=max(min(backend.tile // 2 // tall, 4), 1), PT=_PANELS_EACH,
    )  # fmt: skip
