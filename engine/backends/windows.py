"""How a kernel's or a pooling's windows lie on a map, as indices of NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.backends.geometry import ConvGeometry, PoolGeometry


def padded(
    x: np.ndarray, g: ConvGeometry | PoolGeometry, value: float = 0.0
) -> np.ndarray:
    """Return x (n, C, H, W) with `value` around it: every window lies inside.

    The map of it begins at g.padding and is H × W large.
    """
    sides = [(0, 0), (0, 0)]
    size = _size(g)
    outs, maps = (g.out_height, g.out_width), (g.height, g.width)
    for axis in (0, 1):
        before = g.padding[axis]
        reach = g.dilation[axis] * (size[axis] - 1) + 1
        needed = (outs[axis] - 1) * g.stride[axis] + reach - before - maps[axis]
        sides.append((before, max(needed, 0)))
    return np.pad(x, sides, constant_values=value)


def inner(array: np.ndarray, g: ConvGeometry | PoolGeometry) -> np.ndarray:
    """Return the map within what `padded` returned."""
    (top, left) = g.padding
    return array[:, :, top : top + g.height, left : left + g.width]


def windows(
    g: ConvGeometry | PoolGeometry,
) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
    """Yield (u, v, index): the padded map's elements under window element (u, v)."""
    (kh, kw), (dh, dw), (sh, sw) = _size(g), g.dilation, g.stride
    for u in range(kh):
        for v in range(kw):
            rows = slice(u * dh, u * dh + sh * (g.out_height - 1) + 1, sh)
            columns = slice(v * dw, v * dw + sw * (g.out_width - 1) + 1, sw)
            yield u, v, (slice(None), slice(None), rows, columns)


def groups(g: ConvGeometry) -> Iterator[tuple[slice, slice]]:
    """Yield (channels, filters) of each group."""
    c, f = g.channels // g.groups, g.filters // g.groups
    for i in range(g.groups):
        yield slice(i * c, (i + 1) * c), slice(i * f, (i + 1) * f)


def _size(g: ConvGeometry | PoolGeometry) -> tuple[int, int]:
    return g.size if isinstance(g, PoolGeometry) else g.kernel
