"""Layers that are computed in one pass: what lies between them is never stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from engine.backends.base import Backend
from engine.layers.activation import Activation
from engine.layers.base import Bound, Layer, Stage
from engine.layers.conv import Conv
from engine.layers.dense import Dense
from engine.layers.merge import Add
from engine.layers.norm import BatchNorm


class NormActivation:
    r"""y = f(batch_norm(x) [+ shortcut]): a batch_norm, perhaps an add, an activation.

    It stands where the activation stood, takes (x, or x and shortcut), and has the
    normalisation's parameters.
    """

    def __init__(self, norm: BatchNorm, activation: Activation, shortcut: int | None):
        self.norm, self.activation = norm, activation
        self.name, self.parameters = norm.name, norm.parameters
        self.sources = norm.sources if shortcut is None else [*norm.sources, shortcut]
        self.in_shapes = [norm.in_shape] * len(self.sources)
        self.out_shape = activation.out_shape
        self.overwrites_gradient = True

    def passes_through(self, training: bool) -> bool:
        """Return False: an identity is not made part of one."""
        return False

    def spreads_gradient(self) -> bool:
        """Return False: the shortcut's gradient is f'(y) dy."""
        return False

    def adds_gradient(self, backend: Backend) -> bool:
        """Return False: the sums over the batch come first."""
        return False

    def goes_through(self) -> bool:
        """Return False: it is not done."""
        return False

    def forward(self, backend: Backend, io: Bound) -> list[Stage]:
        """Return the stages that compute io.y from io.xs."""
        s, shortcut = self.activation.settings, io.xs[1] if len(io.xs) > 1 else None
        before, by = self.norm.statistics(backend, io)
        fused = backend.normalize_activate(
            io.x, shortcut, io.y, by, s["function"], s["slope"]
        )
        return [*before, fused]

    def backward(self, backend: Backend, io: Bound) -> list[Stage]:
        """Return the stage that computes io.dxs (if wanted) and io.g from io.dy."""
        s, dshortcut = self.activation.settings, io.dxs[1] if len(io.dxs) > 1 else None
        return [
            backend.normalize_activate_backward(
                io.x, io.y, io.dy, io.dx, dshortcut, *self.norm.learned(backend, io),
                self.norm.seen(io), s["function"], s["slope"],
            )
        ]  # fmt: skip

    def track(self, backend: Backend, io: Bound) -> list[Stage]:
        """Return the stages that move the running statistics."""
        return self.norm.track(backend, io)


class Activated:
    r"""y = f(layer(x)): a conv or dense layer with the activation behind it.

    It stands where the activation stood, takes what the layer takes, and has the
    layer's parameters. Of backward the layer behind may do f' already.
    """

    def __init__(self, layer: Conv | Dense, activation: Activation):
        self.layer, self.activation = layer, activation
        self.name, self.parameters = layer.name, layer.parameters
        self.sources, self.in_shapes = layer.sources, layer.in_shapes
        self.out_shape = activation.out_shape
        self.overwrites_gradient = layer.overwrites_gradient

    @property
    def function(self) -> tuple[str, float]:
        """Return f's name and slope."""
        return self.activation.settings["function"], self.activation.settings["slope"]

    def passes_through(self, training: bool) -> bool:
        """Return False: an identity is not made part of one."""
        return False

    def spreads_gradient(self) -> bool:
        """Return False: neither layer does."""
        return False

    def adds_gradient(self, backend: Backend) -> bool:
        """Return whether the layer does."""
        return self.layer.adds_gradient(backend)

    def goes_through(self) -> bool:
        """Return whether the layer does."""
        return self.layer.goes_through()

    def forward(self, backend: Backend, io: Bound) -> list[Stage]:
        """Return the stages that compute io.y from io.x."""
        return self.layer.forward(backend, io, self.function)

    def backward(self, backend: Backend, io: Bound) -> list[Stage]:
        """Return the stages that compute io.dxs (if wanted) and io.g from io.dy."""
        if io.dz is None:
            return self.layer.backward(backend, io)
        f = backend.activation_backward(io.y, io.dy, io.dz, *self.function)
        return [f, *self.layer.backward(backend, replace(io, dy=io.dz))]

    def track(self, backend: Backend, io: Bound) -> list[Stage]:
        """Return nothing: neither layer keeps what it saw."""
        return []


Step = Layer | NormActivation | Activated


def fuse(layers: Sequence[Layer], *, weighted: bool = False) -> list[Step | None]:
    """Return what computes each layer's output; None: it is part of one behind.

    A batch_norm whose output only an activation takes, or only an add of two whose
    output only an activation takes, is computed with it; if `weighted`, a conv or dense
    layer whose output only an activation takes, too.
    """
    uses = Counter(source for layer in layers for source in layer.sources)
    steps: list[Step | None] = list(layers)
    for last in layers:
        if not isinstance(last, Activation) or not last.by_element:
            continue
        (i,) = last.sources
        if i < 0 or uses[i] > 1:
            continue
        before, shortcut = layers[i], None
        if weighted and isinstance(before, Conv | Dense):
            steps[i], steps[last.index] = None, Activated(before, last)
            continue
        if isinstance(before, Add) and len(before.sources) == 2:
            found = [
                k for k in before.sources
                if k >= 0 and uses[k] == 1 and isinstance(layers[k], BatchNorm)
            ]  # fmt: skip
            if not found:
                continue
            before, shortcut = layers[found[0]], sum(before.sources) - found[0]
        if isinstance(before, BatchNorm):
            steps[i] = steps[before.index] = None
            steps[last.index] = NormActivation(before, last, shortcut)
    return steps
