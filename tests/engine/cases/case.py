"""What a case is, and one set of tolerances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import engine
from engine import random

# Relative to the largest number of the array that is compared.
FLOAT32_FORWARD = 1e-5
FLOAT32_GRADIENT = 2e-5
# Finite differences in float64, relative to the gradient's norm.
FINITE_DIFFERENCES = 1e-6


@dataclass(frozen=True)
class Case:
    """A network, a batch of n samples and what its targets are.

    targets: values; far (values that no output comes near, for kinks at the target);
    classes; soft (probabilities); portions (each in [0, 1]). big: too slow for finite
    differences, whose shapes the small ones cover; it is there to be cut into several
    pieces.
    """

    name: str
    input: tuple[int, ...]
    layers: tuple[Any, ...]
    loss: Any = "squared_error"
    n: int = 5
    targets: str = "values"
    big: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "input": list(self.input),
            "layers": list(self.layers),
            "loss": self.loss,
        }

    def network(self, device: engine.backends.base.Backend) -> engine.Network:
        """Return the network with parameters that float32 holds exactly, none 0."""
        network = engine.Network.from_spec(self.spec, device=device, seed=3)
        values = {}
        for name, old in network.parameters().items():
            drawn = random.stream(1, "init", self.name, name).normal(size=old.shape)
            values[name] = (0.4 * drawn).astype(np.float32)
            if name.endswith("variance"):
                values[name] = 0.5 + abs(values[name])
        network.set_parameters(values)
        return network

    def x(self) -> np.ndarray:
        """Return float32 inputs in (-2, 2), no two the same and none 0.

        So no maximum is shared and no ReLU stands at its kink.
        """
        size = self.n * int(np.prod(self.input))
        order = random.stream(2, "order", self.name).permutation(size)
        grid = (order + 0.5) * (4.0 / size) - 2.0
        if size % 2:  # the middle of an odd grid is 0
            grid += 0.25 / size
        return grid.astype(np.float32).reshape(self.n, *self.input)

    def t(self, *shape: int) -> np.ndarray:
        """Return targets for outputs of this shape, without the batch."""
        stream = random.stream(3, "noise", self.name)
        if self.targets == "classes":
            return stream.integers(0, *shape, size=self.n)
        values = stream.normal(size=(self.n, *shape))
        if self.targets == "far":
            values = np.where(values > 0, 60.0 + values, values - 60.0)
        if self.targets == "soft":
            values = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
        if self.targets == "portions":
            values = 1.0 / (1.0 + np.exp(-values))
        return values.astype(np.float32)


def relative(received: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference over the largest expected number."""
    assert received.shape == expected.shape
    largest = np.abs(expected).max()
    worst = np.abs(received - expected).max()
    return float(worst / largest) if largest > 0.0 else float(worst)
