"""The softmax layer on OpenCL. The kernels: kernels/softmax.cl."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, OpenCL


def forward(backend: OpenCL, x: BatchArray, y: BatchArray) -> Stage:
    """Return the stage y = e^x / Σ e^x."""
    return _launch(backend, "softmax_forward", y, x, y)


def backward(backend: OpenCL, y: BatchArray, dy: BatchArray, dx: BatchArray) -> Stage:
    """Return the stage dx = y (dy − Σ y dy)."""
    return _launch(backend, "softmax_backward", y, y, dy, dx)


def _launch(backend: OpenCL, name: str, like: BatchArray, *arrays: BatchArray) -> Stage:
    """Return the stage of a kernel with one work-item for a place of a block."""
    channels, *sizes = like.shape
    places = math.prod(sizes)
    kernel = backend.programs.kernel(("softmax",), name)
    numbers = np.uint32(channels), np.uint32(places)
    return backend.launch(kernel, like.blocks * places, *arrays, *numbers)
