"""The threads backend: arrays are NumPy's, in float32; stages are cut into pieces.

Arrays, losses and copies are those of the reference, in float32. What takes time is
written anew in this folder, and below: dense layers and sums.
"""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.backends import response_norm
from engine.backends.base import Stage
from engine.backends.reference import Reference
from engine.backends.threads import (
    activation,
    arithmetic,
    blas,
    chunks,
    convolution,
    masks,
    norm,
    padding,
    pooling,
    update,
)
from engine.backends.threads.pool import Pool, Task


class Threads(Reference):
    """float32 on `threads` CPU threads; None: as many as this process may use."""

    id, name, kind = "threads", "CPU threads, NumPy float32", "cpu"
    dtype = np.dtype(np.float32)

    def __init__(self, threads: int | None = None):
        super().__init__()
        self.pool = Pool(threads or _cores())
        self.compute_units = self.pool.size
        self._rooms: list[dict[str, np.ndarray]] = [{} for _ in range(self.pool.size)]
        self.masks: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        self.scratch: weakref.WeakValueDictionary = weakref.WeakValueDictionary()
        blas.hold()
        self._release_blas = weakref.finalize(self, blas.release)

    def close(self):
        self.pool.close()
        self._release_blas()
        self._rooms = [{} for _ in self._rooms]

    def stage(self, task: Task, pieces: Sequence[Any]) -> Stage:
        """Return the stage that runs task(piece, worker) for every piece."""
        pool = self.pool
        return lambda: pool.run(task, pieces)

    def room(self, worker: int, purpose: str, shape: tuple[int, ...]) -> np.ndarray:
        """Return a worker's scratch array of `shape`, its numbers undefined.

        All stages share it, so it stays in the cache; it grows to the largest need.
        """
        rooms, size = self._rooms[worker], math.prod(shape)
        if purpose not in rooms or rooms[purpose].size < size:
            rooms[purpose] = np.empty(size, self.dtype)
        return rooms[purpose][:size].reshape(shape)

    # --- layers -----------------------------------------------------------------

    def conv_forward(self, x, w, b, y, g):
        return convolution.forward(self, x, w, b, y, g)

    def conv_backward_data(self, dy, w, dx, g):
        return convolution.backward_data(self, dy, w, dx, g)

    def conv_backward_weights(self, x, dy, dw, db, g):
        return convolution.backward_weights(self, x, dy, dw, db, g)

    def max_pool_forward(self, x, y, place, g):
        return pooling.max_forward(self, x, y, place, g)

    def max_pool_backward(self, dy, place, dx, g):
        return pooling.max_backward(self, dy, place, dx, g)

    def average_pool_forward(self, x, y, g):
        return pooling.average_forward(self, x, y, g)

    def average_pool_backward(self, dy, dx, g):
        return pooling.average_backward(self, dy, dx, g)

    def pad_forward(self, x, y, g):
        return padding.forward(self, x, y, g)

    def pad_backward(self, dy, dx, g):
        return padding.backward(self, dy, dx, g)

    def moments(self, x, mean, variance):
        return norm.moments(self, x, mean, variance)

    def normalize(self, x, y, by):
        return norm.forward(self, x, y, by)

    def normalize_backward(self, x, dy, dx, dgamma, dbeta, by):
        return norm.backward(self, x, dy, dx, dgamma, dbeta, by)

    def normalize_activate(self, x, shortcut, y, by, function, slope):
        return norm.forward_activated(self, x, shortcut, y, by, function, slope)

    def normalize_activate_backward(
        self, x, y, dy, dx, dshortcut, dgamma, dbeta, by, function, slope
    ):
        return norm.backward_activated(
            self, x, y, dy, dx, dshortcut, dgamma, dbeta, by, function, slope
        )

    # Dense layers are cut along the longer side of the weights, so that no sum is cut.

    def dense_forward(self, x, w, b, y):
        x, (outputs, features) = chunks.rows(x), w.shape
        by_outputs = outputs >= len(x)

        def run(piece: slice, worker: int) -> None:
            ys, xs = (y[:, piece], x) if by_outputs else (y[piece], x[piece])
            np.matmul(xs, (w[piece] if by_outputs else w).T, out=ys)
            if b is not None:
                ys += b[piece] if by_outputs else b

        count, width = (outputs, len(x)) if by_outputs else (len(x), outputs)
        return self.stage(run, chunks.cut_work(count, features * width))

    def dense_backward_data(self, dy, w, dx):
        dx = chunks.rows(dx)

        def run(piece: slice, worker: int) -> None:
            np.matmul(dy, w[:, piece], out=dx[:, piece])

        return self.stage(run, chunks.cut_work(w.shape[1], dy.size))

    def dense_backward_weights(self, x, dy, dw, db):
        x, (outputs, features) = chunks.rows(x), dw.shape
        by_outputs = outputs >= features

        def run(piece: slice, worker: int) -> None:
            if by_outputs:
                np.matmul(dy[:, piece].T, x, out=dw[piece])
            else:
                np.matmul(dy.T, x[:, piece], out=dw[:, piece])

        count, width = (outputs, x.size) if by_outputs else (features, dy.size)
        stage = self.stage(run, chunks.cut_work(count, width))

        def with_bias() -> None:
            stage()
            np.sum(dy, axis=0, out=db)

        return stage if db is None else with_bias

    # --- element by element -------------------------------------------------------

    def elementwise(self, function: Callable[..., None], *arrays: np.ndarray) -> Stage:
        """Return the stage that calls function(*pieces) on the arrays' flat pieces."""
        flat = [chunks.flat(array) for array in arrays]
        pieces = chunks.cut_elements(flat[0].size)
        return self.stage(lambda piece, _: function(*(a[piece] for a in flat)), pieces)

    def activation_forward(self, x, y, function, slope):
        return self.elementwise(activation.forward(function, slope), x, y)

    def activation_backward(self, y, dy, dx, function, slope):
        return self.elementwise(activation.backward(function, slope), y, dy, dx)

    def clip_forward(self, x, y, low, high):
        return arithmetic.clip_forward(self, x, y, low, high)

    def clip_backward(self, y, dy, dx, low, high):
        return arithmetic.clip_backward(self, y, dy, dx, low, high)

    def local_response_norm(self, x, y, s, norm):
        return self._by_samples(response_norm.forward, x, y, s, norm=norm)

    def local_response_norm_backward(self, x, y, s, dy, dx, norm):
        return self._by_samples(response_norm.backward, x, y, s, dy, dx, norm=norm)

    def _by_samples(self, function, *arrays, **others) -> Stage:
        def run(piece: slice, worker: int) -> None:
            function(*(array[piece] for array in arrays), **others)

        n = len(arrays[0])
        return self.stage(run, chunks.cut_samples(n, arrays[0][0].size))

    def scale(self, x, w, b, y):
        return arithmetic.scale(self, x, w, b, y)

    def scale_backward_weights(self, x, dy, dw, db):
        return arithmetic.scale_backward_weights(self, x, dy, dw, db)

    def multiply(self, a, b, y):
        return arithmetic.multiply(self, a, b, y)

    def multiply_sum(self, a, b, y):
        return arithmetic.multiply_sum(self, a, b, y)

    def add(self, xs, y):
        def run(y, first, second, *rest):
            np.add(first, second, out=y)
            for x in rest:
                y += x

        return self.elementwise(run, y, *xs)

    def dropout(self, x, y, portion, layer):
        return masks.drop(self, "dropout", x, y, portion, layer)

    def dropconnect(self, w, y, portion, layer):
        return masks.drop(self, "dropconnect", w, y, portion, layer)

    def freezeconnect(self, w, portion, layer):
        return masks.freeze(self, w, portion, layer)

    def update(self, rule, w, dw, *kept):
        return update.update(self, rule, w, dw, *kept)


def _cores() -> int:
    """Return how many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
