"""Local response normalisation on OpenCL. The kernels: kernels/response_norm.cl."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage
from engine.backends.response_norm import ResponseNorm

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, OpenCL


def forward(
    backend: OpenCL, x: BatchArray, y: BatchArray, s: BatchArray, norm: ResponseNorm
) -> Stage:
    """Return the stage s = bias + α/size Σ x², y = x s^−β."""
    numbers = norm.alpha / norm.size, norm.beta, norm.bias
    return _stage(backend, "forward", norm, [x, y, s], numbers)


def backward(
    backend: OpenCL,
    x: BatchArray,
    y: BatchArray,
    s: BatchArray,
    dy: BatchArray,
    dx: BatchArray,
    norm: ResponseNorm,
) -> Stage:
    """Return the stage dx = ∂loss/∂x."""
    numbers = 2.0 * norm.alpha * norm.beta / norm.size, norm.beta
    return _stage(backend, "backward", norm, [x, y, s, dy, dx], numbers)


def _stage(
    backend: OpenCL,
    name: str,
    norm: ResponseNorm,
    arrays: list[BatchArray],
    numbers: tuple[float, ...],
) -> Stage:
    channels, *places = arrays[0].shape
    kernel = backend.programs.kernel(
        ("response_norm",), name,
        C=channels, PLACES=math.prod(places), BEFORE=norm.before, AFTER=norm.after,
    )  # fmt: skip
    items = arrays[0].blocks * channels
    return backend.launch(kernel, items, *arrays, *map(np.float32, numbers))
