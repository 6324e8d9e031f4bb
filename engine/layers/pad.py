"""Padding as a layer of its own."""

from __future__ import annotations

from engine.backends.geometry import PadGeometry
from engine.layers.base import Bound, Layer, Shape, Stage
from engine.settings import Setting, number, one_of, sides


class Pad(Layer):
    r"""y[n,c,i,j] = x[n, c, i − p_top, j − p_left] on the map; around it, by mode:

    constant   value
    edge       x at the nearest place of the map ("input padding")
    reflect    x mirrored at the outermost rows and columns, which are not repeated

    x (n, C, H, W), y (n, C, H + p_top + p_bottom, W + p_left + p_right).
    Backward: dx = Σ of dy over the places of y that are copies of the place of x.
    padding: number, [h, w] or [top, left, bottom, right].   Source: S0 section 6.
    """

    kind = "pad"
    table = {
        "padding": Setting(sides(0)),
        "mode": Setting(one_of("constant", "edge", "reflect"), "constant"),
        "value": Setting(number(-1e30, 1e30), 0.0),
    }

    def build(self) -> Shape:
        c, h, w = self.image_shape()
        s = self.settings
        top, left, bottom, right = s["padding"]
        if s["mode"] == "reflect" and (max(top, bottom) >= h or max(left, right) >= w):
            raise self.fail(
                f"reflect: the padding {s['padding']} (top, left, bottom, right) must "
                f"be smaller than its input {(h, w)}"
            )
        if s["mode"] != "constant" and s["value"] != 0.0:
            raise self.fail(f"{s['mode']} takes no value, received {s['value']}")
        self.geometry = g = PadGeometry(c, h, w, *s["padding"], s["mode"], s["value"])
        return c, g.out_height, g.out_width

    def passes_through(self, training: bool) -> bool:
        return self.in_shape == self.out_shape

    def forward(self, backend, io: Bound) -> list[Stage]:
        return [backend.pad_forward(io.x, io.y, self.geometry)]

    def backward(self, backend, io: Bound) -> list[Stage]:
        if io.dx is None:
            return []
        return [backend.pad_backward(io.dy, io.dx, self.geometry)]
