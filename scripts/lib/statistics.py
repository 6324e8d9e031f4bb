"""Means and their spread."""

from __future__ import annotations

import math
from collections.abc import Sequence


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the standard deviation (divisor n − 1; None for one value).

    Raises: ValueError for no values, NaN or infinity.
    """
    if not values or not all(math.isfinite(v) for v in values):
        raise ValueError(
            f"mean: expected at least one finite number, received {values!r}"
        )
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None
    spread = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return mean, math.sqrt(spread)
