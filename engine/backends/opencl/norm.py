"""Batch normalisation on OpenCL. The kernels: kernels/norm.cl."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Norm, Stage, in_order

if TYPE_CHECKING:
    import pyopencl as cl

    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL

# Vectors that a work-item of the kernels over blocks has at least.
_VECTORS = 64


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


def forward(backend: OpenCL, x: BatchArray, y: BatchArray, by: Norm) -> Stage:
    """Return the stage y = γ (x − mean) / √(variance + ε) + β."""
    _, items, kernel = _cut(backend, x, affine=by.gamma is not None)
    return backend.launch(
        kernel("norm_forward"), items, x, y, *_arrays(by), np.float32(by.epsilon),
        np.uint32(x.n),
    )  # fmt: skip


def backward(
    backend: OpenCL,
    x: BatchArray,
    dy: BatchArray,
    dx: BatchArray | None,
    dgamma: FlatArray | None,
    dbeta: FlatArray | None,
    by: Norm,
) -> Stage:
    """Return the stage of dγ = Σ dy x̂, dβ = Σ dy, and dx."""
    channels, items, kernel = _cut(backend, x, affine=by.gamma is not None)
    totals, alongs = (backend.empty(x.n, (channels,)) for _ in range(2))
    if dgamma is None:
        dgamma, dbeta = (backend.flat(channels) for _ in range(2))
    epsilon, n, blocks = np.float32(by.epsilon), np.uint32(x.n), np.uint32(x.blocks)
    stages = [
        backend.launch(
            kernel("sample_sums"), items, x, dy, by.mean, totals, alongs
        ),
        backend.launch(
            kernel("channel_sums"), channels, totals, alongs, by.variance, dgamma,
            dbeta, epsilon, blocks,
        ),
    ]  # fmt: skip
    if dx is not None:
        count = np.float32(x.n * x.features // channels)
        stages.append(
            backend.launch(
                kernel("norm_data"), items, x, dy, dx, *_arrays(by), dgamma,
                dbeta, epsilon, count, n,
            )
        )  # fmt: skip
    return in_order(stages)


def blend(
    backend: OpenCL, kept: FlatArray, new: FlatArray, portion: float, factor: float
) -> Stage:
    """Return the stage kept ← (1 − portion) kept + portion · factor · new."""
    kernel = backend.programs.kernel(("norm",), "blend", C=1, P=1, EACH=1, AFFINE=0)
    numbers = np.float32(1.0 - portion), np.float32(portion * factor)
    size = np.uint32(math.prod(kept.shape))
    return backend.launch(kernel, 1, kept, new, backend.fault, *numbers, size)


def _cut(backend: OpenCL, x: BatchArray, *, affine: bool = False):
    """Return (channels, work-items of the kernels over blocks, name -> kernel)."""
    channels, *sizes = x.shape
    places = math.prod(sizes)
    each = min(max(_VECTORS // places, 1), channels)

    def kernel(name: str) -> cl.Kernel:
        return backend.programs.kernel(
            ("norm",), name, C=channels, P=places, EACH=each, AFFINE=int(affine)
        )

    return channels, x.blocks * -(-channels // each), kernel


def _arrays(by: Norm) -> tuple[FlatArray, ...]:
    """Return the kernels' arrays; without γ and β they read neither."""
    gamma, beta = by.gamma or by.mean, by.beta or by.mean
    return by.mean, by.variance, gamma, beta
