"""Activation functions by their numbers in kernels/functions.cl."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray

FUNCTIONS = ("relu", "leaky_relu", "sigmoid", "bipolar_sigmoid", "tanh", "identity")


@dataclass(frozen=True)
class Function:
    """An activation function by its number, a leaky ReLU's slope, and f's output."""

    number: int
    slope: float
    y: BatchArray | None = None


def named(function: str, slope: float, y: BatchArray | None = None) -> Function:
    """Return the function of that name."""
    return Function(FUNCTIONS.index(function), slope, y)


IDENTITY = named("identity", 0.0)
