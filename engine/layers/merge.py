"""Layers that join inputs, or change only how the numbers are arranged."""

from __future__ import annotations

import math

from engine.layers.base import Bound, Layer, Shape, Stage


class Flatten(Layer):
    """(n, C, H, W) read as (n, C · H · W) in C order; no number moves."""

    kind = "flatten"

    def build(self) -> Shape:
        return (math.prod(self.in_shape),)

    def passes_through(self, training: bool) -> bool:
        return True


class Add(Layer):
    r"""y = Σ_i x_i over inputs of one shape; dx_i = dy.   Source: S4 (residual)."""

    kind = "add"
    merges = True

    def build(self) -> Shape:
        if len(set(self.in_shapes)) > 1:
            raise self.fail(
                f"add expects inputs of one shape, received {_listed(self.in_shapes)}"
            )
        return self.in_shape

    def spreads_gradient(self) -> bool:
        return True

    def forward(self, backend, io: Bound) -> list[Stage]:
        return [backend.add(io.xs, io.y)]


class Concat(Layer):
    r"""y = the inputs' channels (or features) one input after another; dx_i = its part.

    Source: S4 (dense blocks, "further work"), S2 (DenseNet, Inception).
    """

    kind = "concat"
    merges = True

    def build(self) -> Shape:
        if len({shape[1:] for shape in self.in_shapes}) > 1:
            raise self.fail(
                "concat expects inputs of one height and width, received "
                f"{_listed(self.in_shapes)}"
            )
        return sum(shape[0] for shape in self.in_shapes), *self.in_shape[1:]

    def _parts(self) -> list[tuple[int, int]]:
        """Return (first feature in y, number of features) of each input."""
        sizes = [math.prod(shape) for shape in self.in_shapes]
        return [(sum(sizes[:i]), size) for i, size in enumerate(sizes)]

    def forward(self, backend, io: Bound) -> list[Stage]:
        return [
            backend.copy_features(x, 0, io.y, begin, size)
            for x, (begin, size) in zip(io.xs, self._parts(), strict=True)
        ]

    def backward(self, backend, io: Bound) -> list[Stage]:
        return [
            backend.copy_features(io.dy, begin, dx, 0, size)
            for dx, (begin, size) in zip(io.dxs, self._parts(), strict=True)
            if dx is not None
        ]


def _listed(shapes: list[Shape]) -> str:
    return ", ".join(map(str, shapes))
