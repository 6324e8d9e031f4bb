"""Convolution (cross-correlation, as all the documents compute it)."""

from __future__ import annotations

from engine import initializers
from engine.backends.geometry import ConvGeometry, PadGeometry
from engine.layers import drop
from engine.layers.base import Bound, Layer, Shape, Stage
from engine.settings import Setting, count, one_of, pair, sides, word_or


class Conv(Layer):
    r"""y[n,f,i,j] = b[f] + Σ_{c,u,v} w[f,c,u,v] · x[n, c, i·s_h + u·d_h − p_h, …]

    x (n, C, H, W), w (F, C/groups, kh, kw), b (F,), y (n, F, H', W'), where
    H' = ⌊(H + p_top + p_bottom − d_h (kh − 1) − 1) / s_h⌋ + 1. x outside the map is 0,
    or with `padding_mode: edge` what stands at the nearest place of the map.

    Backward, with dy = ∂loss/∂y:
        dw[f,c,u,v] = Σ_{n,i,j} dy[n,f,i,j] · x[n, c, i·s_h + u·d_h − p_h, …]
        db[f]       = Σ_{n,i,j} dy[n,f,i,j]
        dx[n,c,a,b] = Σ w[f,c,u,v] · dy[n,f,i,j]
                      over f, i, j, u, v with i·s_h + u·d_h − p_h = a, …

    padding: number, [h, w], [top, left, bottom, right], `valid` (0) or `same`
    (H' = ⌈H / s_h⌉; an odd rest goes to the bottom and right). bias: none, learned, or
    fixed (drawn once, never updated); bias_rate: its own factor on the learning rate
    (S2 Eq. 13's k). dropconnect, freezeconnect: see engine/layers/drop.py.
    Source: S0 Eqs. 1-2a and section 6; S4 section 2.
    """

    kind = "conv"
    table = {
        "filters": Setting(count),
        "kernel": Setting(pair(1)),
        "stride": Setting(pair(1), 1),
        "padding": Setting(word_or(("same", "valid"), sides(0)), 0),
        "padding_mode": Setting(one_of("zeros", "edge"), "zeros"),
        "dilation": Setting(pair(1), 1),
        "groups": Setting(count, 1),
        "bias": Setting(one_of("none", "learned", "fixed"), "none"),
        "init": Setting(initializers.parse, "glorot_uniform"),
        **drop.CONNECTIONS,
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
        top, left, bottom, right = around = self._padding((h, w))
        # The edges' copies are a step before the convolution, which then pads nothing.
        self.edge: PadGeometry | None = None
        if s["padding_mode"] == "edge" and any(around):
            self.edge = PadGeometry(c, h, w, *around, "edge")
            h, w = self.edge.out_height, self.edge.out_width
            top = left = bottom = right = 0
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
        self.parameters = self.weight_and_bias(shape, fan)
        return filters, g.out_height, g.out_width

    def _padding(self, sizes: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return the padding (top, left, bottom, right) of a map of these sizes."""
        s = self.settings
        if s["padding"] == "valid":
            return 0, 0, 0, 0
        if s["padding"] != "same":
            return s["padding"]
        totals = []
        for axis, size in enumerate(sizes):
            reach = s["dilation"][axis] * (s["kernel"][axis] - 1) + 1
            stride = s["stride"][axis]
            totals.append(max((-(-size // stride) - 1) * stride + reach - size, 0))
        before = [total // 2 for total in totals]
        return *before, totals[0] - before[0], totals[1] - before[1]

    def forward(
        self, backend, io: Bound, f: tuple[str, float] | None = None
    ) -> list[Stage]:
        """Return the stages of io.y; of f, name and slope, of it, unless None."""
        x, stages, g = io.x, [], self.geometry
        if self.edge:
            x = io.scratch["padded"] = backend.empty(io.n, self._padded_shape())
            stages.append(backend.pad_forward(io.x, x, self.edge))
        dropped, weight = drop.weight_in_use(self, backend, io)
        arrays = x, weight, io.p.get("bias"), io.y, g
        if f is None:
            forward = backend.conv_forward(*arrays)
        else:
            forward = backend.conv_activate(*arrays, *f)
        return [*stages, *dropped, forward]

    def adds_gradient(self, backend) -> bool:
        return not self.edge and backend.adds_data(self.geometry)

    def goes_through(self) -> bool:
        return not self.edge

    def backward(self, backend, io: Bound) -> list[Stage]:
        x, g = io.scratch.get("padded", io.x), self.geometry
        stages = [
            backend.conv_backward_weights(
                x, io.dy, io.g["weight"], io.g.get("bias"), g
            ),
            *drop.gradient_in_use(self, backend, io),
        ]
        if io.dx is None:
            return stages
        dx = backend.empty(io.n, self._padded_shape()) if self.edge else io.dx
        weight = io.scratch.get("weight", io.p["weight"])
        if io.through:
            data = backend.conv_backward_through(io.dy, weight, x, dx, g, *io.through)
        elif io.adds:
            data = backend.conv_add_data(io.dy, weight, dx, g)
        else:
            data = backend.conv_backward_data(io.dy, weight, dx, g)
        stages.append(data)
        if self.edge:
            stages.append(backend.pad_backward(dx, io.dx, self.edge))
        return stages

    def _padded_shape(self) -> Shape:
        """Return the shape that the convolution itself sees."""
        return self.geometry.channels, self.geometry.height, self.geometry.width

    def multiply_adds(self) -> int:
        g = self.geometry
        window = g.channels // g.groups * g.kernel[0] * g.kernel[1]
        return g.filters * g.out_height * g.out_width * window
