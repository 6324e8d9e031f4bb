"""Fully connected layer."""

from __future__ import annotations

import math

from engine import initializers
from engine.layers import drop
from engine.layers.base import Bound, Layer, Shape, Stage
from engine.settings import Setting, count, one_of


class Dense(Layer):
    r"""y[n,o] = b[o] + Σ_k w[o,k] · x[n,k]        (Z = w a + b)

    x (n, ...) is read as (n, K) in C order, w (O, K), b (O,), y (n, O).

    Backward:  dw[o,k] = Σ_n dy[n,o] · x[n,k],  db[o] = Σ_n dy[n,o],
               dx[n,k] = Σ_o w[o,k] · dy[n,o].

    bias_rate: the bias's own factor on the learning rate (S2 Eq. 13's k). dropconnect,
    freezeconnect: see engine/layers/drop.py.
    Source: S2 Eqs. 4, 7-9; S0 section 5 (the last layer).
    """

    kind = "dense"
    table = {
        "units": Setting(count),
        "bias": Setting(one_of("none", "learned", "fixed"), "learned"),
        "init": Setting(initializers.parse, "glorot_uniform"),
        **drop.CONNECTIONS,
    }

    def build(self) -> Shape:
        s = self.settings
        features, units = math.prod(self.in_shape), s["units"]
        # Eq. 3 speaks of a filter's extent: a dense layer over a map is a filter that
        # covers the whole map, so v h is the map's height × width.
        extent = math.prod(self.in_shape[1:]) if len(self.in_shape) == 3 else features
        fan = initializers.Fan(fan_in=features, fan_out=units, extent=extent)
        self.parameters = self.weight_and_bias((units, features), fan)
        return (units,)

    def forward(
        self, backend, io: Bound, f: tuple[str, float] | None = None
    ) -> list[Stage]:
        """Return the stages of io.y; of f, name and slope, of it, unless None."""
        stages, weight = drop.weight_in_use(self, backend, io)
        arrays = io.x, weight, io.p.get("bias"), io.y
        if f is None:
            return [*stages, backend.dense_forward(*arrays)]
        return [*stages, backend.dense_activate(*arrays, *f)]

    def goes_through(self) -> bool:
        return True

    def backward(self, backend, io: Bound) -> list[Stage]:
        dw, db = io.g["weight"], io.g.get("bias")
        if io.dx is None:
            stage = backend.dense_backward_weights(io.x, io.dy, dw, db)
        else:
            w = io.scratch.get("weight", io.p["weight"])
            stage = backend.dense_backward(io.x, io.dy, w, io.dx, dw, db, io.through)
        return [stage, *drop.gradient_in_use(self, backend, io)]

    def multiply_adds(self) -> int:
        return math.prod(self.in_shape) * self.settings["units"]
