"""What a prediction is scored by.

Source: S0 4.5 (MAPE, accuracy).
"""

from __future__ import annotations

import numpy as np


def mean_absolute_error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Return 1/n Σ |p − t|, in the unit of the values."""
    return float(np.mean(np.abs(np.ravel(predicted) - np.ravel(true))))


def mape(predicted: np.ndarray, true: np.ndarray) -> float:
    """Return 100/n Σ |p − t| / |t|, in per cent.

    Raises: ValueError if a true value is 0.
    """
    predicted, true = np.ravel(predicted), np.ravel(true)
    if (true == 0).any():
        raise ValueError("MAPE: expected true values other than 0, received 0")
    return float(100 * np.mean(np.abs(predicted - true) / np.abs(true)))


def accuracy(outputs: np.ndarray, classes: np.ndarray) -> float:
    """Return the portion of rows whose largest output (n, K) is the class (n,)."""
    return float(np.mean(np.argmax(outputs, axis=1) == np.ravel(classes)))
