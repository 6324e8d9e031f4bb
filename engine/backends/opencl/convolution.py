"""Convolution on OpenCL: tiles, shards, launches. The kernels: kernels/conv.cl.

3×3 convolutions of stride 1 with many channels go to winograd.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage, in_order
from engine.backends.geometry import ConvGeometry
from engine.backends.opencl import winograd

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL

# Columns of a tile: with 3, each weight that is loaded serves three multiplications.
_WIDE = 3
# Partial sums of the weights' gradient: the most floats over all shards.
_PARTIAL_FLOATS = 1 << 22
_ROWS = 8


def forward(
    backend: OpenCL,
    x: BatchArray,
    w: FlatArray,
    b: FlatArray | None,
    y: BatchArray,
    g: ConvGeometry,
) -> Stage:
    """Return the stage y = conv(x, w) + b."""
    if winograd.fits(backend, g):
        return winograd.forward(backend, x, w, b, y, g)
    kernel = _kernel(backend, "conv_forward", g, bias=b is not None)
    tall = _tall(backend, g.filters // g.groups)
    tiles = g.groups * -(-(g.filters // g.groups) // tall)
    items = x.blocks * g.out_height * tiles
    return backend.launch(kernel, items, x, w, w if b is None else b, y)


def backward_data(
    backend: OpenCL, dy: BatchArray, w: FlatArray, dx: BatchArray, g: ConvGeometry
) -> Stage:
    """Return the stage dx = ∂loss/∂x."""
    if winograd.fits(backend, g):
        return winograd.backward_data(backend, dy, w, dx, g)
    kernel = _kernel(backend, "conv_data", g)
    channels = g.channels // g.groups
    tiles = g.groups * -(-channels // _tall(backend, channels))
    return backend.launch(kernel, dx.blocks * g.height * tiles, dy, w, dx)


def backward_weights(
    backend: OpenCL,
    x: BatchArray,
    dy: BatchArray,
    dw: FlatArray,
    db: FlatArray | None,
    g: ConvGeometry,
) -> Stage:
    """Return the stage dw = ∂loss/∂w, db = ∂loss/∂b."""
    if winograd.fits_weights(backend, g):
        stages = [winograd.backward_weights(backend, x, dy, dw, g)]
    else:
        stages = [_direct_weights(backend, x, dy, dw, g)]
    if db is not None:
        kernel = _kernel(backend, "conv_bias", g)
        stages.append(backend.launch(kernel, g.filters, dy, db, np.uint32(x.blocks)))
    return in_order(stages)


def _direct_weights(
    backend: OpenCL, x: BatchArray, dy: BatchArray, dw: FlatArray, g: ConvGeometry
) -> Stage:
    """Return the stage dw = ∂loss/∂w.

    The sum over samples and rows is cut into shards by the batch and the geometry
    alone.
    """
    weights = int(np.prod(dw.shape))
    shards, each, parts, rows = _shards(x.blocks, g.out_height, weights)
    partial = backend.flat(shards * weights)
    filters = g.filters // g.groups
    tiles = g.groups * -(-filters // _tall(backend, filters))
    return in_order([
        backend.launch(
            _kernel(backend, "conv_weights", g), shards * tiles, x, dy, partial,
            *map(np.uint32, (x.blocks, each, parts, rows)),
        ),
        backend.launch(
            _kernel(backend, "conv_sum_shards", g), -(-weights // 256), partial, dw,
            np.uint32(shards),
        ),
    ])  # fmt: skip


def _shards(blocks: int, rows: int, weights: int) -> tuple[int, int, int, int]:
    """Return (shards, blocks of each, parts of the rows, rows of each part)."""
    most = max(_PARTIAL_FLOATS // weights, 1)
    parts = min(-(-rows // _ROWS), most)
    each = -(-blocks // max(most // parts, 1))
    return -(-blocks // each) * parts, each, parts, -(-rows // parts)


def _tall(backend: OpenCL, count: int) -> int:
    """Return how many filters a work-item takes: a divisor if one is near the most."""
    most = backend.tile // _WIDE
    if count <= most:
        return count
    return next((t for t in range(most, most // 2, -1) if count % t == 0), most)


def _wide(backend: OpenCL, tall: int, most: int) -> int:
    """Return how many columns fit beside `tall` filters, at most `most`."""
    return max(min(backend.tile // tall, most), 1)


def _kernel(backend: OpenCL, name: str, g: ConvGeometry, *, bias: bool = False):
    filters = _tall(backend, g.filters // g.groups)
    channels = _tall(backend, g.channels // g.groups)
    definitions = {
        "C": g.channels, "H": g.height, "W": g.width, "F": g.filters,
        "KH": g.kernel[0], "KW": g.kernel[1], "SH": g.stride[0], "SW": g.stride[1],
        "PT": g.padding[0], "PL": g.padding[1], "DH": g.dilation[0],
        "DW": g.dilation[1], "G": g.groups, "OH": g.out_height, "OW": g.out_width,
        "HAS_BIAS": int(bias), "OT": filters, "DT": channels,
        "WT": _wide(backend, filters, g.out_width),
        "DWT": _wide(backend, channels, g.width),
        "VT": _wide(backend, filters, g.kernel[1]),
    }  # fmt: skip
    return backend.programs.kernel(("conv",), name, **definitions)
