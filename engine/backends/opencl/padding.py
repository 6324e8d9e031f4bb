"""Padding on OpenCL. The kernels: kernels/pad.cl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage
from engine.backends.geometry import PadGeometry

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, OpenCL
    from engine.backends.opencl.program import Kernel

_MODES = ("constant", "edge", "reflect")


def forward(backend: OpenCL, x: BatchArray, y: BatchArray, g: PadGeometry) -> Stage:
    """Return the stage y = x with what g.mode says around it."""
    items = y.blocks * g.channels * g.out_height
    kernel = _kernel(backend, "pad_forward", g)
    return backend.launch(kernel, items, x, y, np.float32(g.value))


def backward(backend: OpenCL, dy: BatchArray, dx: BatchArray, g: PadGeometry) -> Stage:
    """Return the stage dx = Σ of dy over the copies of each place."""
    items = dx.blocks * g.channels * g.height
    return backend.launch(_kernel(backend, "pad_backward", g), items, dy, dx)


def _kernel(backend: OpenCL, name: str, g: PadGeometry) -> Kernel:
    return backend.programs.kernel(
        ("pad",), name, H=g.height, W=g.width, OH=g.out_height, OW=g.out_width,
        PT=g.top, PL=g.left, MODE=_MODES.index(g.mode),
    )  # fmt: skip
