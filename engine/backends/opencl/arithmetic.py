"""Clip, scale and product on OpenCL. The kernels: kernels/arithmetic.cl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL

_CHUNK = 64


def clip_forward(
    backend: OpenCL, x: BatchArray, y: BatchArray, low: float, high: float
) -> Stage:
    """Return the stage y = min(max(x, low), high)."""
    return _by_chunks(backend, "clip_forward", y, x, y, *map(np.float32, (low, high)))


def clip_backward(
    backend: OpenCL,
    y: BatchArray,
    dy: BatchArray,
    dx: BatchArray,
    low: float,
    high: float,
) -> Stage:
    """Return the stage dx = dy where low < y < high, else 0."""
    limits = map(np.float32, (low, high))
    return _by_chunks(backend, "clip_backward", dx, y, dy, dx, *limits)


def scale(
    backend: OpenCL, x: BatchArray, w: FlatArray, b: FlatArray | None, y: BatchArray
) -> Stage:
    """Return the stage y = w x + b."""
    numbers = w.size
    each = x.features // numbers
    return _by_chunks(
        backend, "scale", y, x, w, w if b is None else b, y,
        np.uint32(numbers), np.uint32(each), np.int32(b is not None),
    )  # fmt: skip


def scale_backward_weights(
    backend: OpenCL,
    x: BatchArray,
    dy: BatchArray,
    dw: FlatArray | None,
    db: FlatArray | None,
) -> Stage:
    """Return the stage dw = Σ dy x, db = Σ dy."""
    weight, bias = db if dw is None else dw, dw if db is None else db
    numbers = weight.size
    return backend.launch(
        _kernel(backend, "scale_weights"), numbers, x, dy, weight, bias,
        np.uint32(numbers), np.uint32(x.features // numbers),
        np.int32(dw is not None), np.int32(db is not None), np.uint32(x.blocks),
    )  # fmt: skip


def multiply(backend: OpenCL, a: BatchArray, b: BatchArray, y: BatchArray) -> Stage:
    """Return the stage y = a b."""
    each = (np.uint32(y.features // array.features) for array in (a, b))
    return _by_chunks(backend, "multiply", y, a, b, y, *each)


def multiply_sum(backend: OpenCL, a: BatchArray, b: BatchArray, y: BatchArray) -> Stage:
    """Return the stage y = Σ a b over what each number of y serves."""
    if a.features < b.features:
        a, b = b, a
    each = a.features // y.features
    b_each = a.features // b.features
    return backend.launch(
        _kernel(backend, "multiply_sum"), y.blocks * y.features, a, b, y,
        np.uint32(each), np.uint32(b_each),
    )  # fmt: skip


def _by_chunks(backend: OpenCL, name: str, y: BatchArray, *arguments) -> Stage:
    """Return the stage that runs a kernel on all vectors of y, in chunks."""
    count = y.blocks * y.features
    kernel = _kernel(backend, name)
    return backend.launch(kernel, -(-count // _CHUNK), *arguments, np.uint64(count))


def _kernel(backend: OpenCL, name: str):
    return backend.programs.kernel(("arithmetic",), name)
