"""Pooling."""

from __future__ import annotations

from engine.backends.geometry import PoolGeometry
from engine.layers.base import Bound, Layer, Shape, Stage
from engine.settings import Setting, flag, optional, pair, sides

# Of the output. The windows are looked at one by one, before any memory is asked for.
_LONGEST = 1 << 20


class _Pool(Layer):
    """What both poolings share: the geometry.

    H' = ⌊(H + p_top + p_bottom − d_h (kh − 1) − 1) / s_h⌋ + 1. With ceil_mode ⌈…⌉
    instead, but for a last window that would begin behind the map and the padding
    before it (the rule of PyTorch and of ONNX).
    """

    table = {
        "size": Setting(pair(1)),
        "stride": Setting(optional(pair(1)), None),
        "padding": Setting(sides(0), 0),
        "dilation": Setting(pair(1), 1),
        "ceil_mode": Setting(flag, False),
    }

    def build(self) -> Shape:
        c, h, w = self.image_shape()
        s = self.settings
        top, left, bottom, right = s["padding"]
        self.geometry = g = PoolGeometry(
            channels=c,
            height=h,
            width=w,
            size=s["size"],
            stride=s["stride"] or s["size"],
            padding=(top, left),
            padding_end=(bottom, right),
            dilation=s["dilation"],
            ceil_mode=s["ceil_mode"],
            count_padding=s.get("count_padding", False),
        )
        if g.out_height < 1 or g.out_width < 1:
            raise self.fail(
                f"the window {s['size']} (dilation {s['dilation']}) is larger than its "
                f"padded input {(h + top + bottom, w + left + right)}"
            )
        if max(g.out_height, g.out_width) > _LONGEST:
            raise self.fail(
                f"expected sides of the output of at most {_LONGEST:,}, received "
                f"{(g.out_height, g.out_width)}; lower the padding"
            )
        if not g.count_padding:
            self._check_windows()
        return c, g.out_height, g.out_width

    def goes_through(self) -> bool:
        return True

    def _check_windows(self) -> None:
        """Raises: SpecError if a window has nothing to take a maximum or mean of."""
        places = self.geometry.places(with_padding=False)
        for axis, counts in zip(("row", "column"), places, strict=True):
            if not counts.all():
                raise self.fail(
                    f"the windows of {axis} {counts.argmin()} of the output hold no "
                    f"place of the map: size {self.settings['size']}, dilation "
                    f"{self.settings['dilation']}, padding {self.settings['padding']} "
                    "(top, left, bottom, right); lower the padding"
                )


class MaxPool(_Pool):
    r"""y[n,c,i,j] = max_{u<kh, v<kw} x[n, c, i·s_h + u·d_h − p_top, j·s_w + v·d_w − …]

    Places outside the map take no part; every window must hold one on it.

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
        if io.through:
            return [
                backend.max_pool_backward_through(
                    io.dy, place, io.x, io.y, io.dx, self.geometry, *io.through
                )
            ]
        return [backend.max_pool_backward(io.dy, place, io.dx, self.geometry)]


class AveragePool(_Pool):
    r"""y[n,c,i,j] = 1/m_ij Σ_{u<kh, v<kw} x[n, c, i·s_h + u·d_h − p_top, …]

    Places outside the map count as 0. m_ij is the number of the window's places on the
    map and, with count_padding, in the declared padding; never of those that only
    ceil_mode adds. So m_ij = kh kw where a window does not reach beyond.
    Backward: dx = Σ of dy / m_ij over the windows that lie over the place.
    Source: S4 (the reduction block).
    """

    kind = "average_pool"
    table = _Pool.table | {"count_padding": Setting(flag, True)}

    def forward(self, backend, io: Bound) -> list[Stage]:
        return [backend.average_pool_forward(io.x, io.y, self.geometry)]

    def backward(self, backend, io: Bound) -> list[Stage]:
        if io.dx is None:
            return []
        if io.through:
            return [
                backend.average_pool_backward_through(
                    io.dy, io.x, io.dx, self.geometry, *io.through
                )
            ]
        return [backend.average_pool_backward(io.dy, io.dx, self.geometry)]


class GlobalAveragePool(AveragePool):
    r"""y[n,c] = 1/(H W) Σ_{i,j} x[n,c,i,j]; dx = dy / (H W).   Source: S4."""

    kind = "global_average_pool"
    table = {}

    def build(self) -> Shape:
        c, h, w = self.image_shape()
        self.geometry = PoolGeometry(c, h, w, size=(h, w), stride=(h, w))
        return (c,)
