"""Local response normalisation in NumPy: the definition, in float64 and in float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class ResponseNorm:
    """The numbers of a local response normalisation; size counts channels.

    The window of a channel c is c − before … c + after, as far as there are channels.
    """

    size: int
    alpha: float
    beta: float
    bias: float

    @property
    def before(self) -> int:
        """Channels of the window before its own."""
        return (self.size - 1) // 2

    @property
    def after(self) -> int:
        """Channels of the window behind its own."""
        return self.size // 2


def forward(x: Array, y: Array, s: Array, norm: ResponseNorm) -> None:
    """s = bias + α/size Σ x² over the window, y = x s^−β; all (n, C, H, W)."""
    squares = _sums(x * x, norm.before, norm.after)
    s[...] = norm.bias + norm.alpha / norm.size * squares
    y[...] = x * s**-norm.beta + (s - s)  # NaN where s overflows and would hide x


def backward(
    x: Array, y: Array, s: Array, dy: Array, dx: Array, norm: ResponseNorm
) -> None:
    """dx = dy s^−β − 2 α β/size · x Σ dy y / s over the windows that hold x."""
    shares = _sums(dy * y / s, norm.after, norm.before)
    factor = 2.0 * norm.alpha * norm.beta / norm.size
    dx[...] = dy * s**-norm.beta - factor * x * shares


def _sums(values: Array, before: int, after: int) -> Array:
    """Return Σ of channels c − before … c + after for each channel c."""
    sums = [
        values[:, max(c - before, 0) : c + after + 1].sum(axis=1)
        for c in range(values.shape[1])
    ]
    return np.stack(sums, axis=1)
