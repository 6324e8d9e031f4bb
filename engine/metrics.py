"""What outputs are scored by: regressions by values, classifiers by classes.

Source: S0 4.5 (MAPE, accuracy); S2 (top-k).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.errors import InputError
from engine.settings import is_integer


def mean_absolute_error(predicted: Any, true: Any) -> float:
    """Return 1/n Σ |p − t|, in the unit of the values.

    predicted, true: n numbers each, of one shape; (n, 1) and (n,) fit each other.
    Raises: InputError if they do not fit, there are none, or one is not finite.
    """
    p, t = _values(predicted, true)
    return float(np.mean(np.abs(p - t)))


def mape(predicted: Any, true: Any) -> float:
    """Return 100/n Σ |p − t| / |t|, the mean absolute percentage error, in per cent.

    Raises: InputError as `mean_absolute_error` does, or if a true value is 0.
    """
    p, t = _values(predicted, true)
    if (t == 0).any():
        raise InputError(
            f"MAPE: expected true values other than 0, received 0 in row "
            f"{int(np.argmax(t == 0))}; use mean_absolute_error"
        )
    return float(100.0 * np.mean(np.abs(p - t) / np.abs(t)))


def accuracy(outputs: Any, classes: Any) -> float:
    """Return the portion of rows whose largest output is that of their class.

    outputs (n, K), classes int (n,). Of equal outputs the first counts as the largest.
    Raises: InputError if they do not fit, there are none, or one is not finite.
    """
    return top_k(outputs, classes, 1)


def top_k(outputs: Any, classes: Any, k: int) -> float:
    """Return the portion of rows whose class is among those of the k largest outputs.

    Of equal outputs the one of the smaller class number counts as larger.
    Raises: InputError as `accuracy` does, or if k is not one of 1 ... K.
    """
    z, c = _classes(outputs, classes)
    if not is_integer(k) or not 1 <= k <= z.shape[1]:
        raise InputError(
            f"top_k: expected k to be one of 1 ... {z.shape[1]} (classes), received "
            f"{k!r}"
        )
    own = np.take_along_axis(z, c[:, None], axis=1)
    before = (z == own) & (np.arange(z.shape[1]) < c[:, None])
    return float(np.mean(((z > own) | before).sum(axis=1) < k))


def _values(predicted: Any, true: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both as rows of numbers."""
    p, t = _finite("predicted", predicted), _finite("true", true)
    if p.shape != t.shape and _row(p) != _row(t):
        raise InputError(
            f"expected predicted and true values of one shape, received {p.shape} and "
            f"{t.shape}"
        )
    return p.ravel(), t.ravel()


def _row(array: np.ndarray) -> tuple[int, ...]:
    """Return the shape, (n,) for (n, 1)."""
    return array.shape[:1] if array.shape[1:] == (1,) else array.shape


def _classes(outputs: Any, classes: Any) -> tuple[np.ndarray, np.ndarray]:
    z, c = _finite("outputs", outputs), np.asarray(classes)
    if z.ndim != 2:
        raise InputError(f"outputs: expected shape (n, classes), received {z.shape}")
    if c.dtype.kind not in "iu" or _row(c) != (len(z),):
        raise InputError(
            f"classes: expected integers of shape ({len(z)},), received {c.dtype} of "
            f"shape {c.shape}"
        )
    c = c.ravel()
    wrong = (c < 0) | (c >= z.shape[1])
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(
            f"classes: expected numbers 0 ... {z.shape[1] - 1}, received {int(c[row])} "
            f"in row {row}"
        )
    return z, c


def _finite(name: str, values: Any) -> np.ndarray:
    """Return the values as float64.  Raises: InputError for none, or no numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.ndim == 0 or array.size == 0:
        raise InputError(
            f"{name}: expected numbers, at least one row, received {array.dtype} of "
            f"shape {array.shape}"
        )
    array = array.astype(np.float64)
    finite = np.isfinite(array)
    if not finite.all():
        row = int(np.argwhere(~finite)[0][0])
        raise InputError(f"{name}: NaN or infinity in row {row}")
    return array
