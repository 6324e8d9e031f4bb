"""Layers that join inputs, or change only how the numbers are arranged."""

from __future__ import annotations

import math

from engine.layers.base import Bound, Layer, Shape, Stage
from engine.settings import Setting, shape


class Flatten(Layer):
    """(n, C, H, W) read as (n, C · H · W) in C order; no number moves."""

    kind = "flatten"

    def build(self) -> Shape:
        return (math.prod(self.in_shape),)

    def passes_through(self, training: bool) -> bool:
        return True


class Reshape(Layer):
    """(n, ...) read as (n, *shape) in C order; no number moves.

    shape: without the batch.
    """

    kind = "reshape"
    table = {"shape": Setting(shape)}

    def build(self) -> Shape:
        wanted = self.settings["shape"]
        if math.prod(wanted) != math.prod(self.in_shape):
            raise self.fail(
                f"shape: expected one of {math.prod(self.in_shape)} numbers, as the "
                f"input {self.in_shape} has, received {wanted} of {math.prod(wanted)}"
            )
        return wanted

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


class Multiply(Layer):
    r"""y = Π_i x_i over inputs of one shape; dx_i = dy · Π_{j≠i} x_j.

    Beside inputs (C, H, W) one may be (C,) or (C, 1, 1): its numbers serve a whole map
    each, y[c,i,j] = x_1[c,i,j] · x_2[c], and its gradient is summed over that map.
    Source: J. Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, Eq. 4.
    """

    kind = "multiply"
    merges = True

    def build(self) -> Shape:
        full = max(self.in_shapes, key=lambda s: (math.prod(s), len(s)))
        fitting = {full}
        if len(full) == 3:
            fitting |= {full[:1], (full[0], 1, 1)}
        if not fitting.issuperset(self.in_shapes):
            raise self.fail(
                "multiply expects inputs of one shape, or (C,) or (C, 1, 1) beside "
                f"(C, H, W), received {_listed(self.in_shapes)}"
            )
        return full

    def forward(self, backend, io: Bound) -> list[Stage]:
        first, second, *rest = io.xs
        stages = [backend.multiply(first, second, io.y)]
        return stages + [backend.multiply(io.y, x, io.y) for x in rest]

    def backward(self, backend, io: Bound) -> list[Stage]:
        stages = []
        room = backend.empty_like(io.dy) if len(io.xs) > 2 else None
        for i, dx in enumerate(io.dxs):
            if dx is None:
                continue
            product, (*others, last) = io.dy, io.xs[:i] + io.xs[i + 1 :]
            for x in others:
                stages.append(backend.multiply(product, x, room))
                product = room
            whole = self.in_shapes[i] == self.out_shape
            end = backend.multiply if whole else backend.multiply_sum
            stages.append(end(product, last, dx))
        return stages


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
