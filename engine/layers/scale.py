"""A weight and a bias for each channel or element."""

from __future__ import annotations

import math

from engine import initializers
from engine.layers.base import Bound, Layer, Parameter, Shape, Stage
from engine.settings import Setting, one_of

# One input makes one output; the laws that know a filter's size see one of 1.
_FAN = initializers.Fan(fan_in=1, fan_out=1, extent=1)


class Scale(Layer):
    r"""y[n,c,i,j] = w[c] · x[n,c,i,j] + b[c]        (per: channel)

    x (n, C, ...); w and b have the shape (C,), with per: element that of the input
    without the batch, and with per: all (1,).

    Backward: dw[c] = Σ_{n,i,j} dy · x,  db[c] = Σ_{n,i,j} dy,  dx = w · dy.

    weight: learned, or fixed (drawn once, never updated); bias: none, learned, fixed.
    Source: S4 Algorithm 1 (scale and shift); ONNX operators Mul and Add, one input a
    constant.
    """

    kind = "scale"
    table = {
        "per": Setting(one_of("channel", "element", "all"), "channel"),
        "weight": Setting(one_of("learned", "fixed"), "learned"),
        "bias": Setting(one_of("none", "learned", "fixed"), "none"),
        "init": Setting(initializers.parse, "ones"),
    }

    def build(self) -> Shape:
        s = self.settings
        shapes = {"channel": self.in_shape[:1], "element": self.in_shape, "all": (1,)}
        shape, init = shapes[s["per"]], s["init"]
        learned = s["weight"] == "learned"
        self.parameters = [Parameter("weight", shape, init, _FAN, learned)]
        if s["bias"] != "none":
            learned = s["bias"] == "learned"
            self.parameters.append(
                Parameter("bias", shape, init, _FAN, learned, is_bias=True)
            )
        return self.in_shape

    def forward(self, backend, io: Bound) -> list[Stage]:
        return [backend.scale(io.x, io.p["weight"], io.p.get("bias"), io.y)]

    def backward(self, backend, io: Bound) -> list[Stage]:
        stages = []
        if io.g:
            dw, db = io.g.get("weight"), io.g.get("bias")
            stages.append(backend.scale_backward_weights(io.x, io.dy, dw, db))
        if io.dx is not None:
            stages.append(backend.scale(io.dy, io.p["weight"], None, io.dx))
        return stages

    def multiply_adds(self) -> int:
        return math.prod(self.in_shape)
