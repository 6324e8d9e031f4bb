"""Masks over weights on OpenCL: launches. The kernels: kernels/connect.cl."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pyopencl as cl

from engine.backends.base import Stage
from engine.random import PURPOSES

if TYPE_CHECKING:
    from engine.backends.opencl.backend import FlatArray, OpenCL


def dropconnect(
    backend: OpenCL, w: FlatArray, y: FlatArray, portion: float, layer: int
) -> Stage:
    """Return the stage y = w · mask / (1 − portion)."""
    return _launch(backend, "dropconnect", w, y, portion, layer)


def freezeconnect(
    backend: OpenCL, w: FlatArray, portion: float, layer: int
) -> tuple[Stage, Stage]:
    """Return the stages that keep w, and that put the frozen portion back."""
    kept = backend.flat(math.prod(w.shape))

    def keep() -> None:
        cl.enqueue_copy(backend.queue, kept.buffer, w.buffer)

    return keep, _launch(backend, "freezeconnect", kept, w, portion, layer)


def _launch(
    backend: OpenCL, name: str, x: FlatArray, y: FlatArray, portion: float, layer: int
) -> Stage:
    """Return the stage of the kernel and purpose `name` from x to y, of y's rows."""
    kernel = backend.programs.kernel(("philox", "connect"), name)
    rows, size, state = y.shape[0], math.prod(y.shape[1:]), backend.state
    launch = backend.launch(
        kernel, rows * -(-size // (4 * backend.lanes)), x, y, np.float32(portion),
        np.float32(1.0 / (1.0 - portion)),
        *map(np.uint32, (size, 0, PURPOSES[name], layer, 0)),
    )  # fmt: skip

    def run() -> None:
        kernel.set_arg(5, np.uint32(state.seed))
        kernel.set_arg(8, np.uint32(state.step))
        launch()

    return run
