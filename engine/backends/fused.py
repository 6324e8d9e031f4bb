"""Primitives that are several of the others; a backend may do them in one pass.

Here they run one after another, over an array between them. An activation function f
is given by its name and slope, see engine/layers/activation.py; its f' is taken from
its output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from engine.backends.geometry import ConvGeometry, PoolGeometry
from engine.backends.norm import Norm

Array = Any
Stage = Callable[[], None]


def in_order(stages: Iterable[Stage]) -> Stage:
    """Return the stage that runs the given ones one after another."""
    stages = list(stages)

    def run() -> None:
        for stage in stages:
            stage()

    return run


class FusedPrimitives:
    """What is made of a backend's other primitives.

    fuses_activations: whether conv_activate, dense_activate and the four *_through take
    one pass; `activation_backward` may then write dx over dy.
    """

    fuses_activations = False

    def conv_activate(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        y: Array,
        g: ConvGeometry,
        function: str,
        slope: float,
    ) -> Stage:
        """y = f(conv(x, w) + b)."""
        z = self.empty_like(y)
        f = self.activation_forward(z, y, function, slope)
        return in_order([self.conv_forward(x, w, b, z, g), f])

    def conv_backward_through(
        self,
        dy: Array,
        w: Array,
        x: Array,
        dx: Array,
        g: ConvGeometry,
        function: str,
        slope: float,
    ) -> Stage:
        """dx = f' ∂loss/∂x for the function f whose output x is, overwritten."""
        return self._through(
            x, dx, lambda d: self.conv_backward_data(dy, w, d, g), function, slope
        )

    def conv_add_data(self, dy: Array, w: Array, dx: Array, g: ConvGeometry) -> Stage:
        """dx += ∂loss/∂x."""
        own = self.empty_like(dx)
        return in_order(
            [self.conv_backward_data(dy, w, own, g), self.add([dx, own], dx)]
        )

    def adds_data(self, g: ConvGeometry) -> bool:
        """Return whether conv_add_data needs no array, and no pass, of its own."""
        return False

    def dense_activate(
        self,
        x: Array,
        w: Array,
        b: Array | None,
        y: Array,
        function: str,
        slope: float,
    ) -> Stage:
        """y = f(x wᵀ + b)."""
        z = self.empty_like(y)
        f = self.activation_forward(z, y, function, slope)
        return in_order([self.dense_forward(x, w, b, z), f])

    def dense_backward_through(
        self, dy: Array, w: Array, x: Array, dx: Array, function: str, slope: float
    ) -> Stage:
        """dx = f' ∂loss/∂x for the function f whose output x is, overwritten."""
        return self._through(
            x, dx, lambda d: self.dense_backward_data(dy, w, d), function, slope
        )

    def dense_backward(
        self,
        x: Array,
        dy: Array,
        w: Array,
        dx: Array,
        dw: Array,
        db: Array | None,
        through: tuple[str, float] | None,
    ) -> Stage:
        """dx, dw, db as of dense_backward_data and dense_backward_weights.

        through: name and slope of f, for dx as of dense_backward_through.
        """
        weights = self.dense_backward_weights(x, dy, dw, db)
        if through is None:
            return in_order([weights, self.dense_backward_data(dy, w, dx)])
        return in_order([weights, self.dense_backward_through(dy, w, x, dx, *through)])

    def max_pool_backward_through(
        self,
        dy: Array,
        place: Array,
        x: Array,
        y: Array,
        dx: Array,
        g: PoolGeometry,
        function: str,
        slope: float,
    ) -> Stage:
        """The same of a max pool; x and y are its input and output."""
        return self._through(
            x, dx, lambda d: self.max_pool_backward(dy, place, d, g), function, slope
        )

    def average_pool_backward_through(
        self,
        dy: Array,
        x: Array,
        dx: Array,
        g: PoolGeometry,
        function: str,
        slope: float,
    ) -> Stage:
        """The same of an average pool."""
        return self._through(
            x, dx, lambda d: self.average_pool_backward(dy, d, g), function, slope
        )

    def _through(
        self,
        x: Array,
        dx: Array,
        backward: Callable[[Array], Stage],
        function: str,
        slope: float,
    ) -> Stage:
        own = self.empty_like(dx)
        f = self.activation_backward(x, own, dx, function, slope)
        return in_order([backward(own), f])

    def put_batch(self, x: Array, values: Any, t: Array, targets: np.ndarray) -> None:
        """Put values (n, *shape), which may be drawn, and targets (n, k)."""
        self.put(x, values)
        self.put(t, targets)

    def guard_losses(
        self, gradients: Array, size: int, losses: Array
    ) -> Callable[[], Callable[[], np.ndarray]]:
        """Return what runs `guard`, and gives what `getting` gives of the losses."""
        guard = self.guard(gradients, size, losses)

        def run() -> Callable[[], np.ndarray]:
            guard()
            return self.getting(losses)

        return run

    def normalize_activate(
        self,
        x: Array,
        shortcut: Array | None,
        y: Array,
        by: Norm,
        function: str,
        slope: float,
    ) -> Stage:
        """y = f(normalize(x) + shortcut), the latter unless None."""
        z = self.empty_like(y)
        stages = [self.normalize(x, z, by)]
        if shortcut is not None:
            stages.append(self.add([z, shortcut], z))
        return in_order([*stages, self.activation_forward(z, y, function, slope)])

    def normalize_activate_backward(
        self,
        x: Array,
        y: Array,
        dy: Array,
        dx: Array | None,
        dshortcut: Array | None,
        dgamma: Array | None,
        dbeta: Array | None,
        by: Norm,
        function: str,
        slope: float,
    ) -> Stage:
        """dshortcut = dz = f'(y) dy, and of dz as `normalize_backward`, overwritten.

        Each unless None. One of dx and dshortcut may be dy itself.
        """
        dz = self.empty_like(dy)
        stages = [self.activation_backward(y, dy, dz, function, slope)]
        if dx is not None or dgamma is not None:
            stages.append(self.normalize_backward(x, dz, dx, dgamma, dbeta, by))
        if dshortcut is not None:
            stages.append(self.activation_forward(dz, dshortcut, "identity", 0.0))
        return in_order(stages)
