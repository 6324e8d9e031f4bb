"""Batch normalisation on OpenCL. The kernels: kernels/norm.cl."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage, in_order
from engine.backends.norm import Norm
from engine.backends.opencl.functions import IDENTITY, Function

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL
    from engine.backends.opencl.program import Kernel


# Vectors that a work-item of the kernels over blocks has at least.
_VECTORS = 64
_FILES = "functions", "norm"


def moments(
    backend: OpenCL, x: BatchArray, mean: FlatArray, variance: FlatArray
) -> Stage:
    """Return the stage mean = 1/M Σ x, variance = 1/M Σ (x − mean)²."""
    channels, items, kernel = _cut(backend, x)
    means, variances = (backend.empty(x.n, (channels,)) for _ in range(2))
    n, blocks = np.uint32(x.n), np.uint32(x.blocks)
    return in_order(
        [
            backend.launch(kernel("sample_moments"), items, x, means, variances),
            backend.launch(
                kernel("moments"), channels, means, variances, mean, variance, n, blocks
            ),
        ]
    )


def forward(
    backend: OpenCL,
    x: BatchArray,
    y: BatchArray,
    by: Norm,
    shortcut: BatchArray | None = None,
    f: Function = IDENTITY,
) -> Stage:
    """Return the stage y = f(γ (x − mean) / √(variance + ε) + β + shortcut)."""
    _, items, kernel = _cut(backend, x, by, shortcut, f)
    return backend.launch(
        kernel("norm_forward"), items, x, _or(shortcut, x), y, *_arrays(by),
        *map(np.float32, (by.epsilon, f.slope)), np.uint32(x.n),
    )  # fmt: skip


def backward(
    backend: OpenCL,
    x: BatchArray,
    dy: BatchArray,
    dx: BatchArray | None,
    dgamma: FlatArray | None,
    dbeta: FlatArray | None,
    by: Norm,
    dshortcut: BatchArray | None = None,
    f: Function = IDENTITY,
) -> Stage:
    """Return the stage of dshortcut = dz, dγ = Σ dz x̂, dβ = Σ dz, and dx.

    With dz = f'(y) dy.
    """
    channels, items, kernel = _cut(backend, x, by, dshortcut, f)
    totals, alongs = (backend.empty(x.n, (channels,)) for _ in range(2))
    if dgamma is None:
        dgamma, dbeta = (backend.flat(channels) for _ in range(2))
    epsilon, slope = np.float32(by.epsilon), np.float32(f.slope)
    y, dz = _or(f.y, dy), _or(dshortcut, dy)
    stages = [
        backend.launch(
            kernel("sample_sums"), items, x, y, dy, dz, by.mean, totals, alongs, slope
        ),
        backend.launch(
            kernel("channel_sums"), channels, totals, alongs, by.variance, dgamma,
            dbeta, epsilon, np.uint32(x.blocks),
        ),
    ]  # fmt: skip
    if dx is not None:
        count = np.float32(x.n * x.features // channels)
        stages.append(
            backend.launch(
                kernel("norm_data"), items, x, y, dz, dx, *_arrays(by), dgamma,
                dbeta, epsilon, count, slope, np.uint32(x.n),
            )
        )  # fmt: skip
    return in_order(stages)


def blend(
    backend: OpenCL, kept: FlatArray, new: FlatArray, portion: float, factor: float
) -> Stage:
    """Return the stage kept ← (1 − portion) kept + portion · factor · new."""
    sizes = {"C": 1, "P": 1, "EACH": 1, "AFFINE": 0, "SHORTCUT": 0}
    kernel = backend.programs.kernel(_FILES, "blend", **sizes, FUNCTION=IDENTITY.number)
    numbers = np.float32(1.0 - portion), np.float32(portion * factor)
    size = np.uint32(math.prod(kept.shape))
    return backend.launch(kernel, 1, kept, new, backend.fault, *numbers, size)


def _cut(
    backend: OpenCL,
    x: BatchArray,
    by: Norm | None = None,
    shortcut: BatchArray | None = None,
    f: Function = IDENTITY,
):
    """Return (channels, work-items of the kernels over blocks, name -> kernel)."""
    channels, *sizes = x.shape
    places = math.prod(sizes)
    each = min(max(_VECTORS // places, 1), channels)
    definitions = {
        "C": channels, "P": places, "EACH": each, "FUNCTION": f.number,
        "AFFINE": int(by is not None and by.gamma is not None),
        "SHORTCUT": int(shortcut is not None), "STREAMED": int(backend.streams(x)),
    }  # fmt: skip

    def kernel(name: str) -> Kernel:
        return backend.programs.kernel(_FILES, name, **definitions)

    return channels, x.blocks * -(-channels // each), kernel


def _arrays(by: Norm) -> tuple[FlatArray, ...]:
    """Return the kernels' arrays; without γ and β they read neither."""
    gamma, beta = _or(by.gamma, by.mean), _or(by.beta, by.mean)
    return by.mean, by.variance, gamma, beta


def _or(array, other):
    """Return the array, or another that the kernel then does not use."""
    return other if array is None else array
