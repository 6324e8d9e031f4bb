"""Batch normalisation: sums of each sample's channels first, then over the samples.

A piece is a few samples, so that what is read twice is still in the cache. Sums over
the places of a sample are BLAS's, over the samples NumPy's own, in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage, in_order
from engine.backends.norm import Norm
from engine.backends.threads import activation, chunks

if TYPE_CHECKING:
    from engine.backends.threads.backend import Threads

Array = np.ndarray


def moments(backend: Threads, x: Array, mean: Array, variance: Array) -> Stage:
    """Return the stage mean = 1/M Σ x, variance = 1/M Σ (x − mean)².

    As every sample has as many values, the mean is that of the samples' means, and the
    variance is that of their means and the mean of theirs. No large mean is ever
    squared.
    """
    x = _maps(x)
    n, channels, places = x.shape
    means, variances = (backend.empty(n, (channels,)) for _ in range(2))
    ones = np.ones(places, np.float32)

    def run(samples: slice, worker: int) -> None:
        xs = x[samples]
        centred = backend.room(worker, "norm", xs.shape)
        centre = means[samples]
        np.matmul(xs, ones, out=centre)
        centre /= places
        np.subtract(xs, centre[:, :, None], out=centred)
        np.vecdot(centred, centred, out=variances[samples])

    def combine() -> None:
        centre = means.mean(axis=0, dtype=np.float64)
        between = ((means - centre) ** 2).mean(axis=0)
        mean[...] = centre
        variance[...] = variances.mean(axis=0, dtype=np.float64) / places + between
        np.copyto(variance, np.nan, where=np.isinf(variance))  # x / ∞ would hide it

    return in_order([backend.stage(run, _pieces(x)), combine])


def forward(backend: Threads, x: Array, y: Array, by: Norm) -> Stage:
    """Return the stage y = γ (x − mean) / √(variance + ε) + β."""
    x, y = _maps(x), _maps(y)

    def run(samples: slice, worker: int) -> None:
        _normalize(x[samples], y[samples], by)

    return backend.stage(run, _pieces(x))


def forward_activated(
    backend: Threads,
    x: Array,
    shortcut: Array | None,
    y: Array,
    by: Norm,
    function: str,
    slope: float,
) -> Stage:
    """Return the stage y = f(z), z = what `forward` computes, + shortcut."""
    x, y = _maps(x), _maps(y)
    shortcut = None if shortcut is None else _maps(shortcut)
    activate = activation.forward(function, slope)

    def run(samples: slice, worker: int) -> None:
        z = backend.room(worker, "norm", y[samples].shape)
        _normalize(x[samples], z, by)
        if shortcut is not None:
            z += shortcut[samples]
        activate(chunks.flat(z), chunks.flat(y[samples]))

    return backend.stage(run, _pieces(x))


def _normalize(x: Array, y: Array, by: Norm) -> None:
    np.subtract(x, by.mean[:, None], out=y)
    y *= _slope(by)[:, None]
    if by.beta is not None:
        y += by.beta[:, None]


def backward(
    backend: Threads,
    x: Array,
    dy: Array,
    dx: Array | None,
    dgamma: Array | None,
    dbeta: Array | None,
    by: Norm,
) -> Stage:
    """Return the stage of dγ = Σ dy x̂, dβ = Σ dy, and dx."""
    dy = _maps(dy)
    return _backward(backend, x, dy, lambda at, _: dy[at], dx, dgamma, dbeta, by)


def backward_activated(
    backend: Threads,
    x: Array,
    y: Array,
    dy: Array,
    dx: Array | None,
    dshortcut: Array | None,
    dgamma: Array | None,
    dbeta: Array | None,
    by: Norm,
    function: str,
    slope: float,
) -> Stage:
    """Return the stage dshortcut = dz = f'(y) dy, and of dz as `backward`.

    Without a shortcut dz waits in dx until that is computed of it.
    """
    y, dy = _maps(y), _maps(dy)
    kept = dx if dshortcut is None else dshortcut
    kept = None if kept is None else _maps(kept)
    derive = activation.backward(function, slope)

    def gradient(samples: slice, worker: int) -> Array:
        dz = backend.room(worker, "gradient", y[samples].shape)
        derive(*(chunks.flat(a) for a in (y[samples], dy[samples], dz)))
        if kept is not None:  # it may be dy
            np.copyto(kept[samples], dz)
        return dz

    return _backward(backend, x, kept, gradient, dx, dgamma, dbeta, by)


def _backward(
    backend: Threads,
    x: Array,
    dz: Array | None,
    gradient: Callable[[slice, int], Array],
    dx: Array | None,
    dgamma: Array | None,
    dbeta: Array | None,
    by: Norm,
) -> Stage:
    """Return the stage of `backward`; `gradient` gives dz of some samples.

    Once all were asked for, they also stand in the array dz, unless dx is None.
    """
    x = _maps(x)
    n, channels, places = x.shape
    ones = np.ones(places, np.float32)
    # Of each sample: Σ dz and Σ dz (x − mean); then of the batch.
    totals, alongs = (backend.empty(n, (channels,)) for _ in range(2))
    total, along = (backend.flat(channels) for _ in range(2))

    def sums(samples: slice, worker: int) -> None:
        dzs = gradient(samples, worker)
        centred = backend.room(worker, "norm", dzs.shape)
        np.subtract(x[samples], by.mean[:, None], out=centred)
        np.matmul(dzs, ones, out=totals[samples])
        np.vecdot(dzs, centred, out=alongs[samples])

    def combine() -> None:
        inverse = 1.0 / np.sqrt(by.variance + np.float32(by.epsilon))
        total[...] = totals.sum(axis=0, dtype=np.float64)
        along[...] = alongs.sum(axis=0, dtype=np.float64) * inverse
        if dgamma is not None:
            dgamma[...], dbeta[...] = along, total

    stages = [backend.stage(sums, _pieces(x)), combine]
    if dx is not None:
        stages.append(_data(backend, x, dz, _maps(dx), total, along, by))
    return in_order(stages)


def _data(
    backend: Threads, x: Array, dz: Array, dx: Array, total: Array, along: Array,
    by: Norm,
) -> Stage:  # fmt: skip
    """Return the stage dx = γ / (M √(variance + ε)) · (M dz − Σ dz − x̂ Σ dz x̂).

    dx may be dz.
    """
    count = np.float32(x.size // x.shape[1])

    def run(samples: slice, worker: int) -> None:
        dxs = dx[samples]
        rest = backend.room(worker, "norm", dxs.shape)
        inverse = 1.0 / np.sqrt(by.variance + np.float32(by.epsilon))
        np.subtract(x[samples], by.mean[:, None], out=rest)
        rest *= (-inverse * along / count)[:, None]
        rest -= (total / count)[:, None]
        np.add(rest, dz[samples], out=dxs)
        dxs *= _slope(by)[:, None]

    return backend.stage(run, _pieces(x))


def _slope(by: Norm) -> Array:
    """Return γ / √(variance + ε), (C,)."""
    deviation = np.sqrt(by.variance + np.float32(by.epsilon))
    return (np.float32(1.0) if by.gamma is None else by.gamma) / deviation


def _pieces(x: Array) -> list[slice]:
    return chunks.cut_small(len(x), x[0].size)


def _maps(array: Array) -> Array:
    """Return (n, C, ...) as (n, C, places), without copying."""
    return array.reshape(*array.shape[:2], -1)
