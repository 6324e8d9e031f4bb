"""3×3 convolutions by Winograd's F(4×4, 3×3). The kernels: kernels/winograd*.cl."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage, in_order
from engine.backends.geometry import ConvGeometry
from engine.backends.opencl.functions import IDENTITY, Function

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL

# Below so many channels or filters the transforms cost more than the products save; the
# gradient of the weights transforms two maps for each product.
_LEAST_CHANNELS, _LEAST_CHANNELS_WEIGHTS = 8, 16
# Filters, and channels, whose sums of the weights' gradient one work-item holds.
_MOST_BLOCK = 32
# Tiles that are transformed at a time before their products are summed.
_TILES = 2
# The portion of the device's local memory, as large as a core's cache on a CPU, that
# the transformed tiles may take.
_CACHED = 0.6
# Channels that a work-item transforms where they are many, and floats of V at a time.
_CHANNELS, _V_FLOATS = 32, 1 << 23
# Numbers between the 36 planes of the weights' sums: without them the planes of 32 × 32
# filters would fall upon the same few places of the cache.
_GAP = 16
# Most shards of the tiles: enough for the device's cores.
_SHARDS = 16
# Most of what a map that is no multiple of 4 wide may add; with few channels, for which
# the direct kernels are nearly as fast.
_MOST_WASTE, _MOST_WASTE_FEW = 1.7, 1.25


def fits(backend: OpenCL, g: ConvGeometry) -> bool:
    """Return whether y and dx are computed this way.

    By the geometry and the device's local memory alone.
    """
    if (g.kernel, g.stride, g.dilation, g.groups) != ((3, 3), (1, 1), (1, 1), 1):
        return False
    least = min(g.channels, g.filters)
    if least < _LEAST_CHANNELS:
        return False
    most = _MOST_WASTE if least >= _LEAST_CHANNELS_WEIGHTS else _MOST_WASTE_FEW
    if max(_waste(g.out_height, g.out_width), _waste(g.height, g.width)) > most:
        return False
    return _is_narrow(backend, g) or (
        _is_wide(backend, g) and _is_wide(backend, _back(g))
    )


def adds(backend: OpenCL, g: ConvGeometry) -> bool:
    """Return whether dx can be added to: where no tile is computed twice."""
    row = -(-g.width // 4)
    return fits(backend, g) and row % min(2, row) == 0


def fits_weights(backend: OpenCL, g: ConvGeometry) -> bool:
    """Return whether dw is computed this way: vectors must hold channels, too."""
    if not fits(backend, g) or g.channels % backend.lanes:
        return False
    if min(g.channels, g.filters) < _LEAST_CHANNELS_WEIGHTS:
        return False
    lanes, filters = backend.lanes, _block(g.filters, 1)
    across = _block(g.channels, lanes) // lanes
    vectors = 36 * (
        lanes + 1 + _TILES * lanes * across + _TILES * filters + 4 + filters * across
    )
    return vectors * 4 * lanes <= backend.local_memory


def _waste(height: int, width: int) -> float:
    return 16 * -(-height // 4) * -(-width // 4) / (height * width)


def forward(
    backend: OpenCL,
    x: BatchArray,
    w: FlatArray,
    b: FlatArray | None,
    y: BatchArray,
    g: ConvGeometry,
    f: Function,
) -> Stage:
    """Return the stage y = f(conv(x, w) + b)."""
    return _convolve(backend, x, w, b, y, g, f, turned=False)


def backward_data(
    backend: OpenCL,
    dy: BatchArray,
    w: FlatArray,
    dx: BatchArray,
    g: ConvGeometry,
    f: Function = IDENTITY,
    *,
    add: bool = False,
) -> Stage:
    """Return the stage dx = ∂loss/∂x: dy convolved with the turned filters.

    Unless f is the identity, times f' by f.y. add: dx += ∂loss/∂x.
    """
    return _convolve(backend, dy, w, None, dx, _back(g), f, turned=True, add=add)


def backward_weights(
    backend: OpenCL,
    x: BatchArray,
    dy: BatchArray,
    dw: FlatArray,
    g: ConvGeometry,
) -> Stage:
    """Return the stage dw = ∂loss/∂w.

    The sum is cut into shards of tiles by the batch and the geometry alone.
    """
    filters, channels = _block(g.filters, 1), _block(g.channels, backend.lanes)
    wide = _largest_divisor(channels // backend.lanes, 2)
    definitions = _definitions(g) | {
        "OT": _largest_divisor(filters, backend.tile // (1 + wide)), "CT": wide,
        "FB": filters, "CB": channels, "TT": 1, "TB": 1, "TC": _TILES, "GAP": _GAP,
    }  # fmt: skip
    tiles = x.blocks * -(-g.out_width // 4) * -(-g.out_height // 4)
    each = -(-tiles // _shards(tiles))
    shards = -(-tiles // each)
    floats = shards * 36 * (g.filters * g.channels + _GAP)
    partial = backend.scratch("winograd sums", floats)
    programs, files = backend.programs, ("functions", "winograd", "winograd_weights")
    items = shards * (g.filters // filters) * (g.channels // channels)
    return in_order([
        backend.launch(
            programs.kernel(files, "winograd_weights", **definitions), items,
            x, dy, partial, *map(np.uint32, (x.blocks, each)),
        ),
        backend.launch(
            programs.kernel(files, "winograd_weights_end", **definitions),
            g.filters * g.channels // backend.lanes, partial, dw, np.uint32(shards),
        ),
    ])  # fmt: skip


def _shards(tiles: int) -> int:
    """Return into how many shards the sum over so many tiles is cut.

    A power of two, which cores share evenly, and few, at most √tiles/2 or 4: each shard
    holds sums of its own, that must be written and added.
    """
    root = math.isqrt(tiles)
    return min(1 << (max(root // 2, min(root, 4)).bit_length() - 1), _SHARDS)


def _back(g: ConvGeometry) -> ConvGeometry:
    """Return the convolution that takes dy to dx."""
    return ConvGeometry(
        channels=g.filters,
        height=g.out_height,
        width=g.out_width,
        filters=g.channels,
        kernel=(3, 3),
        padding=(2 - g.padding[0], 2 - g.padding[1]),
        padding_end=(2 - g.padding_end[0], 2 - g.padding_end[1]),
    )


def _convolve(
    backend, x, w, b, y, g: ConvGeometry, f: Function, *, turned: bool, add=False
) -> Stage:
    narrow = _is_narrow(backend, g)
    files = ("functions", "winograd", *(() if narrow else ("winograd_wide",)))
    shape = _narrow_shape(backend, g) if narrow else _wide_shape(backend, g)
    definitions = _definitions(g) | shape | {
        "TURNED": int(turned), "HAS_BIAS": int(b is not None), "ADD": int(add),
        "FUNCTION": f.number, "STREAMED": int(backend.streams(y) and not add),
    }  # fmt: skip

    def launch(name: str, items: int, *arguments) -> Stage:
        kernel = backend.programs.kernel(files, name, **definitions)
        return backend.launch(kernel, items, *arguments)

    b, of = w if b is None else b, (x if f.y is None else f.y, np.float32(f.slope))
    filter_tiles = -(-g.filters // shape["OT"])
    u = backend.scratch(
        "winograd filters", 36 * filter_tiles * shape["OT"] * g.channels
    )
    stages = [launch("winograd_filters", filter_tiles, w, u)]
    rows = x.blocks * -(-g.out_height // 4)
    if narrow:
        return in_order([*stages, launch("winograd_forward", rows, x, u, b, y, *of)])
    row = 36 * (g.channels * shape["TB"] + 2) * backend.lanes
    each = min(max(_V_FLOATS // row, 1), rows)
    v = backend.scratch("winograd tiles", each * row)
    channel_parts = -(-g.channels // _CHANNELS)
    filter_parts = -(-filter_tiles // shape["FT"])
    for begin in range(0, rows, each):
        count = min(each, rows - begin)
        numbers = np.uint32(begin), np.uint32(count)
        stages += [
            launch("winograd_input", count * channel_parts, x, v, *numbers),
            launch("winograd_wide", count * filter_parts, v, u, b, y, *of, *numbers),
        ]
    return in_order(stages)


def _definitions(g: ConvGeometry) -> dict[str, int]:
    """Return what every kernel of winograd.cl is compiled with."""
    return {
        "C": g.channels, "H": g.height, "W": g.width, "F": g.filters,
        "OH": g.out_height, "OW": g.out_width, "PT": g.padding[0], "PL": g.padding[1],
        "TURNED": 0, "HAS_BIAS": 0, "ADD": 0, "FUNCTION": IDENTITY.number,
    }  # fmt: skip


def _room(backend: OpenCL) -> int:
    """Return how many vectors the local memory holds."""
    return backend.local_memory // (4 * backend.lanes)


def _is_narrow(backend: OpenCL, g: ConvGeometry) -> bool:
    """Return whether V and M of all channels and filters fit the local memory."""
    return 36 * 2 * (g.channels + g.filters + 2) <= _room(backend)


def _narrow_shape(backend: OpenCL, g: ConvGeometry) -> dict[str, int]:
    """Return the filters OT and tiles TT held in registers, and the tiles TB at a time.

    Of OT × TT that fit, the one that computes least twice and then loads least. The
    more tiles at a time, the longer are the rows that are read, and the more products
    share a filter; but V and M must stay in the cache, beside maps and filters.
    """
    row = -(-g.out_width // 4)
    tiles = min(2, row)

    def cost(tall: int) -> float:
        twice = -(-g.filters // tall) * tall / g.filters
        return twice * (1.0 + 0.5 * (tall + tiles) / (tall * tiles))

    tall = min(range(1, min(g.filters, backend.tile // tiles) + 1), key=cost)
    vectors = int(_CACHED * _room(backend))
    most = max(vectors // (36 * (g.channels + g.filters) * tiles), 1)
    return {"OT": tall, "TT": tiles, "TB": tiles * min(most, -(-row // tiles))}


def _wide_shape(backend: OpenCL, g: ConvGeometry) -> dict[str, int]:
    """Return the same where filters are cut, and their tiles FT for one work-item.

    No filter is computed twice, or two work-items would write it.
    """
    row = -(-g.out_width // 4)
    tiles = min(2, row)
    row = -(-row // tiles) * tiles
    tall = _largest_divisor(g.filters, backend.tile // tiles)
    vectors = (int(_CACHED * _room(backend)) - g.channels * row) // 36 - 2
    most = min(vectors // (tall * row), g.filters // tall)
    return {"OT": tall, "TT": tiles, "TB": row, "FT": most}


def _is_wide(backend: OpenCL, g: ConvGeometry) -> bool:
    """Return whether there is room for it, and enough is held in registers."""
    shape = _wide_shape(backend, g)
    return shape["FT"] > 0 and shape["OT"] > 2


def _block(count: int, multiple: int) -> int:
    """Return how many of so many filters or channels one work-item sums for."""
    return multiple * _largest_divisor(count // multiple, _MOST_BLOCK // multiple)


def _largest_divisor(count: int, most: int) -> int:
    return next(d for d in range(min(count, most), 0, -1) if count % d == 0)


__all__ = ["backward_data", "backward_weights", "fits", "fits_weights", "forward"]
