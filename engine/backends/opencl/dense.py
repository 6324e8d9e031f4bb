"""Dense layers on OpenCL: tiles and launches. The kernels: kernels/dense.cl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage, in_order

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL


def forward(
    backend: OpenCL, x: BatchArray, w: FlatArray, b: FlatArray | None, y: BatchArray
) -> Stage:
    """Return the stage y = x wᵀ + b."""
    kernel = _kernel(backend, "dense_forward", w, bias=b is not None)
    items = -(-y.features // _tall(backend, y.features)) * _pairs(x)
    return backend.launch(
        kernel, items, x, w, w if b is None else b, y, np.uint32(x.blocks)
    )


def backward_data(
    backend: OpenCL, dy: BatchArray, w: FlatArray, dx: BatchArray
) -> Stage:
    """Return the stage dx = dy w."""
    kernel = _kernel(backend, "dense_data", w)
    items = -(-dx.features // _tall(backend, dx.features)) * _pairs(dx)
    return backend.launch(kernel, items, dy, w, dx, np.uint32(dx.blocks))


def backward_weights(
    backend: OpenCL,
    x: BatchArray,
    dy: BatchArray,
    dw: FlatArray,
    db: FlatArray | None,
) -> Stage:
    """Return the stage dw = dyᵀ x, db = Σ_n dy."""
    vectors = -(-x.features // backend.lanes)
    transposed = backend.flat(x.blocks * backend.lanes * vectors * backend.lanes)
    tiles = -(-dy.features // _tall(backend, dy.features))
    stages = [
        backend.launch(
            _kernel(backend, "dense_transpose", dw), x.blocks * vectors, x, transposed
        ),
        backend.launch(
            _kernel(backend, "dense_weights", dw), tiles * -(-vectors // 2),
            transposed, dy, dw, np.uint32(x.n),
        ),
    ]  # fmt: skip
    if db is not None:
        kernel = _kernel(backend, "dense_bias", dw)
        stages.append(backend.launch(kernel, dy.features, dy, db, np.uint32(x.blocks)))

    return in_order(stages)


def _tall(backend: OpenCL, count: int) -> int:
    """Return how many rows of a tile a work-item takes; the tile is two blocks wide."""
    return min(backend.tile // 2, count)


def _pairs(x: BatchArray) -> int:
    return -(-x.blocks // 2)


def _kernel(backend: OpenCL, name: str, w: FlatArray, *, bias: bool = False):
    outputs, features = w.shape
    tall = _tall(backend, outputs)
    return backend.programs.kernel(
        ("dense",), name, O=outputs, K=features, OT=tall, KT=_tall(backend, features),
        KU=max(min(_tall(backend, 99) // tall, 4), 1), HAS_BIAS=int(bias),
    )  # fmt: skip
