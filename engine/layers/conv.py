"""Convolution (cross-correlation, as all the documents compute it)."""

from __future__ import annotations

from engine import initializers
from engine.backends.geometry import ConvGeometry
from engine.layers.base import Bound, Layer, Parameter, Shape, Stage
from engine.settings import Setting, count, one_of, pair, pair_or


class Conv(Layer):
    r"""y[n,f,i,j] = b[f] + Σ_{c,u,v} w[f,c,u,v] · x[n, c, i·s_h + u·d_h − p_h, …]

    x (n, C, H, W), w (F, C/groups, kh, kw), b (F,), y (n, F, H', W'), where
    H' = ⌊(H + p_top + p_bottom − d_h (kh − 1) − 1) / s_h⌋ + 1; x outside the map is 0.

    Backward, with dy = ∂loss/∂y:
        dw[f,c,u,v] = Σ_{n,i,j} dy[n,f,i,j] · x[n, c, i·s_h + u·d_h − p_h, …]
        db[f]       = Σ_{n,i,j} dy[n,f,i,j]
        dx[n,c,a,b] = Σ w[f,c,u,v] · dy[n,f,i,j]
                      over f, i, j, u, v with i·s_h + u·d_h − p_h = a, …

    padding: number, [h, w], `valid` (0) or `same` (H' = ⌈H / s_h⌉; an odd rest goes to
    the bottom and right). bias: none, learned, or fixed (drawn once, never updated).
    Source: S0 Eqs. 1-2a and section 6; S4 section 2.
    """

    kind = "conv"
    table = {
        "filters": Setting(count),
        "kernel": Setting(pair(1)),
        "stride": Setting(pair(1), 1),
        "padding": Setting(pair_or(("same", "valid"), 0), 0),
        "dilation": Setting(pair(1), 1),
        "groups": Setting(count, 1),
        "bias": Setting(one_of("none", "learned", "fixed"), "none"),
        "init": Setting(initializers.parse, "glorot_uniform"),
    }

    def build(self) -> Shape:
        c, h, w = self.image_shape()
        s = self.settings
        filters, groups = s["filters"], s["groups"]
        if c % groups or filters % groups:
            raise self.fail(
                f"groups must divide the input's channels (={c}) and the filters "
                f"(={filters}), received groups={groups}"
            )
        top, bottom = self._padding(h, 0)
        left, right = self._padding(w, 1)
        self.geometry = g = ConvGeometry(
            channels=c,
            height=h,
            width=w,
            filters=filters,
            kernel=s["kernel"],
            stride=s["stride"],
            padding=(top, left),
            padding_end=(bottom, right),
            dilation=s["dilation"],
            groups=groups,
        )
        if g.out_height < 1 or g.out_width < 1:
            raise self.fail(
                f"the kernel {s['kernel']} (dilation {s['dilation']}) is larger than "
                f"its padded input {(h + top + bottom, w + left + right)}"
            )
        kh, kw = s["kernel"]
        fan = initializers.Fan(
            fan_in=c // groups * kh * kw,
            fan_out=filters // groups * kh * kw,
            extent=kh * kw,
        )
        shape = (filters, c // groups, kh, kw)
        self.parameters = [Parameter("weight", shape, s["init"], fan)]
        if s["bias"] != "none":
            learned = s["bias"] == "learned"
            self.parameters.append(
                Parameter("bias", (filters,), s["init"], fan, learned, is_bias=True)
            )
        return filters, g.out_height, g.out_width

    def _padding(self, size: int, axis: int) -> tuple[int, int]:
        """Return the zeros (before, after) along the axis 0 (height) or 1 (width)."""
        s = self.settings
        if s["padding"] == "valid":
            return 0, 0
        if s["padding"] != "same":
            return s["padding"][axis], s["padding"][axis]
        reach = s["dilation"][axis] * (s["kernel"][axis] - 1) + 1
        stride = s["stride"][axis]
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        return total // 2, total - total // 2

    def forward(self, backend, io: Bound) -> list[Stage]:
        bias = io.p.get("bias")
        return [backend.conv_forward(io.x, io.p["weight"], bias, io.y, self.geometry)]

    def backward(self, backend, io: Bound) -> list[Stage]:
        stages = [
            backend.conv_backward_weights(
                io.x, io.dy, io.g["weight"], io.g.get("bias"), self.geometry
            )
        ]
        if io.dx is not None:
            weight = io.p["weight"]
            stages.append(
                backend.conv_backward_data(io.dy, weight, io.dx, self.geometry)
            )
        return stages

    def multiply_adds(self) -> int:
        g = self.geometry
        window = g.channels // g.groups * g.kernel[0] * g.kernel[1]
        return g.filters * g.out_height * g.out_width * window
