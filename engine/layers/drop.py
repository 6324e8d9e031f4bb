"""Layers that leave a random portion out for one step."""

from __future__ import annotations

from typing import Any

from engine.errors import SpecError
from engine.layers.base import Bound, Layer, Shape, Stage
from engine.settings import number


class Dropout(Layer):
    r"""Training: y = x · m / (1 − p), m = 1 where u ≥ p else 0; dx = dy · m / (1 − p).

    u is uniform in [0, 1), the counter's number for (seed, "dropout", step, layer,
    sample, element): the same on every device, and never stored. Evaluation: y = x.
    Source: S0 Fig. 2 (neurons left out), S2.
    """

    kind = "dropout"

    @classmethod
    def parse(cls, value: Any, place: str) -> dict[str, Any]:
        try:
            return {"portion": number(0.0, 1.0, open_high=True)(value)}
        except ValueError as error:
            raise SpecError(f"{place}: {error}") from None

    def build(self) -> Shape:
        return self.in_shape

    def passes_through(self, training: bool) -> bool:
        return not training or self.settings["portion"] == 0.0

    def forward(self, backend, io: Bound) -> list[Stage]:
        return [backend.dropout(io.x, io.y, self.settings["portion"], self.index)]

    def backward(self, backend, io: Bound) -> list[Stage]:
        if io.dx is None:
            return []
        return [backend.dropout(io.dy, io.dx, self.settings["portion"], self.index)]
