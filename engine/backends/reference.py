"""The definition: NumPy in float64, short and plain, one expression per formula.

Other backends are tested against this one, and this one against finite differences.
A batch array is an ndarray (n, *shape); a part of a flat array is a view of it.
"""

from __future__ import annotations

import math

import numpy as np

from engine import random
from engine.backends import (
    reference_norm,
    reference_padding,
    reference_pooling,
    response_norm,
)
from engine.backends.base import Backend, Stage, State
from engine.backends.geometry import ConvGeometry, PadGeometry, PoolGeometry
from engine.backends.memory import Memory, of_host
from engine.backends.norm import Norm
from engine.backends.update import update
from engine.backends.windows import groups, inner, padded, windows


class Reference(Backend):
    """float64 on the host, one thread, no cleverness."""

    id = kind = "reference"
    name = "NumPy float64"
    compute_units = 1
    dtype = np.dtype(np.float64)
    alignment = 1

    def __init__(self) -> None:
        self.state = State()
        self.memory = Memory(self.id, of_host())
        self.fault = self.flat(1)

    def _zeros(self, shape):
        """Return zeros of the backend's dtype.  Raises: DeviceError with the bytes."""
        size = math.prod(shape) * self.dtype.itemsize
        self.memory.ask(size)
        try:
            array = np.zeros(shape, self.dtype)
        except (MemoryError, ValueError, OverflowError) as error:
            raise self.memory.error(size, error) from None
        self.memory.hold(array, size)
        return array

    def empty(self, n, shape):
        return self._zeros((n, *shape))

    def empty_like(self, array):
        return self._zeros(array.shape)

    def reshape(self, array, shape):
        return array.reshape(array.shape[0], *shape)

    def put(self, array, values):
        array[...] = values

    def get(self, array):
        return array.copy()

    def flat(self, size):
        return self._zeros((size,))

    def part(self, array, offset, shape):
        return array[offset : offset + math.prod(shape)].reshape(shape)

    def put_flat(self, array, values):
        array[...] = np.asarray(values).reshape(array.shape)

    def get_flat(self, array):
        return array.copy()

    def finish(self):
        pass

    def close(self):
        pass

    def conv_forward(self, x, w, b, y, g: ConvGeometry) -> Stage:
        def run():
            y[...] = 0.0 if b is None else b[:, None, None]
            values = padded(x, g)
            for c, f in groups(g):
                for u, v, window in windows(g):
                    y[:, f] += np.einsum(
                        "nchw,fc->nfhw", values[:, c][window], w[f, :, u, v]
                    )

        return run

    def conv_backward_data(self, dy, w, dx, g: ConvGeometry) -> Stage:
        def run():
            total = np.zeros_like(padded(dx, g))
            for c, f in groups(g):
                for u, v, window in windows(g):
                    total[:, c][window] += np.einsum(
                        "nfhw,fc->nchw", dy[:, f], w[f, :, u, v]
                    )
            dx[...] = inner(total, g)

        return run

    def conv_backward_weights(self, x, dy, dw, db, g: ConvGeometry) -> Stage:
        def run():
            values = padded(x, g)
            for c, f in groups(g):
                for u, v, window in windows(g):
                    dw[f, :, u, v] = np.einsum(
                        "nfhw,nchw->fc", dy[:, f], values[:, c][window]
                    )
            if db is not None:
                db[...] = dy.sum(axis=(0, 2, 3))

        return run

    def dense_forward(self, x, w, b, y) -> Stage:
        def run():
            y[...] = x.reshape(len(x), -1) @ w.T + (0.0 if b is None else b)

        return run

    def dense_backward_data(self, dy, w, dx) -> Stage:
        def run():
            dx[...] = (dy @ w).reshape(dx.shape)

        return run

    def dense_backward_weights(self, x, dy, dw, db) -> Stage:
        def run():
            dw[...] = dy.T @ x.reshape(len(x), -1)
            if db is not None:
                db[...] = dy.sum(axis=0)

        return run

    def max_pool_forward(self, x, y, place, g: PoolGeometry) -> Stage:
        return reference_pooling.max_forward(x, y, place, g)

    def max_pool_backward(self, dy, place, dx, g: PoolGeometry) -> Stage:
        return reference_pooling.max_backward(dy, place, dx, g)

    def average_pool_forward(self, x, y, g: PoolGeometry) -> Stage:
        return reference_pooling.average_forward(x, y, g)

    def average_pool_backward(self, dy, dx, g: PoolGeometry) -> Stage:
        return reference_pooling.average_backward(dy, dx, g)

    def pad_forward(self, x, y, g: PadGeometry) -> Stage:
        return reference_padding.forward(x, y, g)

    def pad_backward(self, dy, dx, g: PadGeometry) -> Stage:
        return reference_padding.backward(dy, dx, g)

    def moments(self, x, mean, variance) -> Stage:
        return reference_norm.moments(x, mean, variance)

    def normalize(self, x, y, by: Norm) -> Stage:
        return reference_norm.forward(x, y, by)

    def normalize_backward(self, x, dy, dx, dgamma, dbeta, by: Norm) -> Stage:
        return reference_norm.backward(x, dy, dx, dgamma, dbeta, by)

    def blend(self, kept, new, portion, factor) -> Stage:
        def run():
            if not self.fault.any():
                kept[...] = (1.0 - portion) * kept + portion * factor * new

        return run

    def softmax_forward(self, x, y) -> Stage:
        def run():
            e = np.exp(x - x.max(axis=1, keepdims=True))
            # x − x is 0, or NaN for an infinity that would be hidden.
            y[...] = e / e.sum(axis=1, keepdims=True) + (x - x)

        return run

    def softmax_backward(self, y, dy, dx) -> Stage:
        return lambda: np.copyto(dx, y * (dy - (y * dy).sum(axis=1, keepdims=True)))

    def activation_forward(self, x, y, function, slope) -> Stage:
        f = {
            "identity": lambda: x,
            "relu": lambda: np.maximum(x, 0.0),
            "leaky_relu": lambda: np.where(x > 0, x, slope * x),
            "sigmoid": lambda: 0.5 * (1.0 + np.tanh(0.5 * x)),
            "bipolar_sigmoid": lambda: np.tanh(0.5 * x),
            "tanh": lambda: np.tanh(x),
        }[function]
        # x − x is 0, or NaN for an infinity that the function would hide.
        return lambda: np.copyto(y, f() + (x - x))

    def activation_backward(self, y, dy, dx, function, slope) -> Stage:
        derivative = {
            "identity": lambda: 1.0,
            "relu": lambda: y > 0,
            "leaky_relu": lambda: np.where(y > 0, 1.0, slope),
            "sigmoid": lambda: y * (1.0 - y),
            "bipolar_sigmoid": lambda: 0.5 * (1.0 - y * y),
            "tanh": lambda: 1.0 - y * y,
        }[function]
        return lambda: np.copyto(dx, dy * derivative())

    def clip_forward(self, x, y, low, high) -> Stage:
        # x − x is 0, or NaN for an infinity that a limit would hide.
        return lambda: np.copyto(y, np.clip(x, low, high) + (x - x))

    def clip_backward(self, y, dy, dx, low, high) -> Stage:
        return lambda: np.copyto(dx, dy * ((low < y) & (y < high)))

    def local_response_norm(self, x, y, s, norm) -> Stage:
        return lambda: response_norm.forward(x, y, s, norm)

    def local_response_norm_backward(self, x, y, s, dy, dx, norm) -> Stage:
        return lambda: response_norm.backward(x, y, s, dy, dx, norm)

    def scale(self, x, w, b, y) -> Stage:
        def run():
            rows(y, w.size)[...] = w.reshape(-1, 1) * rows(x, w.size)
            if b is not None:
                rows(y, w.size)[...] += b.reshape(-1, 1)

        return run

    def scale_backward_weights(self, x, dy, dw, db) -> Stage:
        def run():
            if dw is not None:
                products = rows(dy, dw.size) * rows(x, dw.size)
                dw[...] = products.sum(axis=(0, 2)).reshape(dw.shape)
            if db is not None:
                db[...] = rows(dy, db.size).sum(axis=(0, 2)).reshape(db.shape)

        return run

    def dropout(self, x, y, portion, layer) -> Stage:
        return self._drop("dropout", x, y, portion, layer)

    def dropconnect(self, w, y, portion, layer) -> Stage:
        return self._drop("dropconnect", w, y, portion, layer)

    def freezeconnect(self, w, portion, layer) -> tuple[Stage, Stage]:
        kept = self.empty_like(w)

        def put_back():
            taken = self._taken("freezeconnect", w.shape, portion, layer)
            w[~taken] = kept[~taken]

        return lambda: np.copyto(kept, w), put_back

    def _drop(self, purpose, x, y, portion, layer) -> Stage:
        def run():
            taken = self._taken(purpose, x.shape, portion, layer)
            y[...] = x * taken / (1.0 - portion)

        return run

    def _taken(self, purpose, shape, portion, layer):
        """Return bool `shape`: which places the present step does not leave out."""
        u = random.uniform(
            self.state.seed, purpose, shape=shape, step=self.state.step, layer=layer
        )
        return u >= np.float32(portion)

    def add(self, xs, y) -> Stage:
        return lambda: np.copyto(y, sum(x.reshape(y.shape) for x in xs))

    def multiply(self, a, b, y) -> Stage:
        k = min(a[0].size, b[0].size)
        return lambda: np.copyto(rows(y, k), rows(a, k) * rows(b, k))

    def multiply_sum(self, a, b, y) -> Stage:
        k = y[0].size

        def run():
            products = rows(a, k) * rows(b, k)
            y[...] = products.sum(axis=2).reshape(y.shape)

        return run

    def copy_features(self, x, x_begin, y, y_begin, count) -> Stage:
        x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
        part = x[:, x_begin : x_begin + count]
        return lambda: np.copyto(y[:, y_begin : y_begin + count], part)

    def loss(self, kind, z, t, dz, losses, scale) -> Stage:
        def run():
            values, gradient = _LOSSES[kind](z, t)
            losses[:, 0] = values + (z - z).sum(axis=1)  # NaN where z is infinite
            if dz is not None:
                dz[...] = scale * gradient

        return run

    def guard(self, gradients, size, losses) -> Stage:
        def run():
            if not (np.isfinite(gradients[:size]).all() and np.isfinite(losses).all()):
                losses[0] = self.fault[0] = np.nan

        return run

    def update(self, rule, w, dw, *kept) -> Stage:
        def run():
            if not self.fault.any():
                update(rule, self.state, w, dw, *kept)

        return run


def rows(array: np.ndarray, count: int) -> np.ndarray:
    """Return a view (n, count, -1): each sample's numbers as so many rows."""
    return array.reshape(len(array), count, -1)


def _squared_error(z, t):
    return 0.5 * ((z - t) ** 2).sum(axis=1), z - t


def _mean_squared_error(z, t):
    return ((z - t) ** 2).mean(axis=1), 2.0 * (z - t) / z.shape[1]


def _mean_absolute_error(z, t):
    return abs(z - t).mean(axis=1), np.sign(z - t) / z.shape[1]


def _binary_cross_entropy(z, t):
    losses = np.maximum(z, 0.0) - z * t + np.log1p(np.exp(-abs(z)))
    sigmoid = 0.5 * (1.0 + np.tanh(0.5 * z))
    return losses.mean(axis=1), (sigmoid - t) / z.shape[1]


def _softmax_cross_entropy(z, t):
    shifted = z - z.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    losses = (t * (np.log(total) - shifted)).sum(axis=1)
    return losses, np.exp(shifted) / total * t.sum(axis=1, keepdims=True) - t


def _softmax_cross_entropy_classes(z, t):
    return _softmax_cross_entropy(z, np.eye(z.shape[1])[t[:, 0].astype(int)])


_LOSSES = {
    "squared_error": _squared_error,
    "mean_squared_error": _mean_squared_error,
    "mean_absolute_error": _mean_absolute_error,
    "binary_cross_entropy": _binary_cross_entropy,
    "softmax_cross_entropy": _softmax_cross_entropy,
    "softmax_cross_entropy_classes": _softmax_cross_entropy_classes,
}
