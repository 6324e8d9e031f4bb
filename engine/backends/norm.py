"""What a normalisation by channels takes, on every backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Array = Any


@dataclass(frozen=True)
class Norm:
    """What channels are normalised by: flat arrays (C,), and ε. None: γ = 1, β = 0."""

    mean: Array
    variance: Array
    gamma: Array | None
    beta: Array | None
    epsilon: float
