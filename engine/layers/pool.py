"""Pooling."""

from __future__ import annotations

from engine.backends.base import PoolGeometry
from engine.layers.base import Bound, Layer, Shape, Stage
from engine.settings import Setting, optional, pair


class _Pool(Layer):
    """What both poolings share: the geometry."""

    table = {
        "size": Setting(pair(1)),
        "stride": Setting(optional(pair(1)), None),
        "padding": Setting(pair(0), 0),
    }

    def build(self) -> Shape:
        c, h, w = self.image_shape()
        size, padding = self.settings["size"], self.settings["padding"]
        if 2 * padding[0] > size[0] or 2 * padding[1] > size[1]:
            raise self.fail(
                f"the padding {padding} must be at most half the size {size}: "
                "a window may not lie outside the map"
            )
        self.geometry = g = PoolGeometry(
            channels=c,
            height=h,
            width=w,
            size=size,
            stride=self.settings["stride"] or size,
            padding=padding,
        )
        if g.out_height < 1 or g.out_width < 1:
            raise self.fail(
                f"the window {size} is larger than its padded input "
                f"{(h + 2 * padding[0], w + 2 * padding[1])}"
            )
        return c, g.out_height, g.out_width


class MaxPool(_Pool):
    r"""y[n,c,i,j] = max_{u<kh, v<kw} x[n, c, i·s_h + u − p_h, j·s_w + v − p_w]

    Places outside the map take no part. H' = ⌊(H + 2 p_h − kh) / s_h⌋ + 1.

    Backward: dx = Σ of dy over the windows whose maximum stands there; of equal values
    the first in row order is taken. Forward keeps its place (u · kw + v) for that.
    Source: S0 Fig. 2, S2 (max-pool 2).
    """

    kind = "max_pool"

    def forward(self, backend, io: Bound) -> list[Stage]:
        io.scratch["place"] = place = backend.empty_like(io.y)
        return [backend.max_pool_forward(io.x, io.y, place, self.geometry)]

    def backward(self, backend, io: Bound) -> list[Stage]:
        if io.dx is None:
            return []
        place = io.scratch["place"]
        return [backend.max_pool_backward(io.dy, place, io.dx, self.geometry)]


class AveragePool(_Pool):
    r"""y[n,c,i,j] = 1/(kh kw) Σ_{u<kh, v<kw} x[n, c, i·s_h + u − p_h, j·s_w + v − p_w]

    Places outside the map count as 0 and take part in the mean.
    Backward: dx = Σ of dy / (kh kw) over the windows that lie over the place.
    Source: S4 (the reduction block).
    """

    kind = "average_pool"

    def forward(self, backend, io: Bound) -> list[Stage]:
        return [backend.average_pool_forward(io.x, io.y, self.geometry)]

    def backward(self, backend, io: Bound) -> list[Stage]:
        if io.dx is None:
            return []
        return [backend.average_pool_backward(io.dy, io.dx, self.geometry)]


class GlobalAveragePool(AveragePool):
    r"""y[n,c] = 1/(H W) Σ_{i,j} x[n,c,i,j]; dx = dy / (H W).   Source: S4."""

    kind = "global_average_pool"
    table = {}

    def build(self) -> Shape:
        c, h, w = self.image_shape()
        self.geometry = PoolGeometry(c, h, w, size=(h, w), stride=(h, w))
        return (c,)
