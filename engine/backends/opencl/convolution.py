"""Convolution on OpenCL: tiles, shards, launches. The kernels: kernels/conv.cl.

3×3 convolutions of stride 1 with many channels go to winograd.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage, in_order
from engine.backends.geometry import ConvGeometry
from engine.backends.opencl import winograd
from engine.backends.opencl.functions import IDENTITY, Function
from engine.backends.opencl.tuning import Shape

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL

# The files of each kernel, window.cl before them. Every program that a new process must
# build takes it a tenth of a second.
_FILES = {
    "conv": ("conv",),
    "conv_weights": ("conv_weights", "conv_sum"),
    "conv_sum_shards": ("conv_weights", "conv_sum"),
    "conv_bias": ("conv_sum",),
}
# Partial sums of the weights' gradient: the most floats over all shards, and the rows
# that make it worth while to begin one.
_PARTIAL_FLOATS = 1 << 20
_ROWS = 8
# Independent sums that keep the multiply-add units busy.
_CHAINS = 8
# Work-items that a launch should have, and multiply-adds that each should do.
_ITEMS, _WORK = 16, 10_000
# Where a launch has so many multiply-adds, tiles are measured: on so many of them, and
# so many shapes.
_TUNED, _SAMPLE, _SHAPES = 100_000_000, 200_000_000, 4
# Most tiles (columns for the weights) of a row that are compiled for a border.
_BORDERS = 8
# Multiply-adds of a row that are written out, without a loop over its columns.
_UNROLLED = 300


def forward(
    backend: OpenCL,
    x: BatchArray,
    w: FlatArray,
    b: FlatArray | None,
    y: BatchArray,
    g: ConvGeometry,
    f: Function = IDENTITY,
) -> Stage:
    """Return the stage y = f(conv(x, w) + b)."""
    if winograd.fits(backend, g):
        return winograd.forward(backend, x, w, b, y, g, f)
    return _convolve(backend, x, w, b, y, _definitions(g), f)


def backward_data(
    backend: OpenCL,
    dy: BatchArray,
    w: FlatArray,
    dx: BatchArray,
    g: ConvGeometry,
    f: Function = IDENTITY,
) -> Stage:
    """Return the stage dx = ∂loss/∂x, times f' by f.y unless f is the identity."""
    if winograd.fits(backend, g):
        return winograd.backward_data(backend, dy, w, dx, g, f)
    return _convolve(backend, dy, w, None, dx, _turned(g), f)


def backward_weights(
    backend: OpenCL,
    x: BatchArray,
    dy: BatchArray,
    dw: FlatArray,
    db: FlatArray | None,
    g: ConvGeometry,
) -> Stage:
    """Return the stage dw = ∂loss/∂w, db = ∂loss/∂b."""
    if not winograd.fits_weights(backend, g):
        return _direct_weights(backend, x, dy, dw, db, g)
    stages = [winograd.backward_weights(backend, x, dy, dw, g)]
    if db is not None:
        kernel = _kernel(backend, "conv_bias", _definitions(g))
        stages.append(backend.launch(kernel, g.filters, dy, db, np.uint32(x.blocks)))
    return in_order(stages)


def _definitions(g: ConvGeometry) -> dict[str, int]:
    """Return the numbers that the kernels of conv.cl are compiled with."""
    return {
        "C": g.channels, "H": g.height, "W": g.width, "F": g.filters,
        "OH": g.out_height, "OW": g.out_width, "KH": g.kernel[0], "KW": g.kernel[1],
        "SH": g.stride[0], "SW": g.stride[1], "UH": 1, "UW": 1, "DH": g.dilation[0],
        "DW": g.dilation[1], "PT": g.padding[0], "PL": g.padding[1], "G": g.groups,
        "TURNED": 0, "HAS_BIAS": 0, "FUNCTION": IDENTITY.number,
    }  # fmt: skip


def _turned(g: ConvGeometry) -> dict[str, int]:
    """Return the same of the convolution that is the gradient of the data."""
    top, left = (
        (g.kernel[axis] - 1) * g.dilation[axis] - g.padding[axis] for axis in (0, 1)
    )
    return {
        "C": g.filters, "H": g.out_height, "W": g.out_width, "F": g.channels,
        "OH": g.height, "OW": g.width, "KH": g.kernel[0], "KW": g.kernel[1],
        "SH": 1, "SW": 1, "UH": g.stride[0], "UW": g.stride[1], "DH": g.dilation[0],
        "DW": g.dilation[1], "PT": top, "PL": left, "G": g.groups,
        "TURNED": 1, "HAS_BIAS": 0, "FUNCTION": IDENTITY.number,
    }  # fmt: skip


def _convolve(
    backend: OpenCL,
    x: BatchArray,
    w: FlatArray,
    b: FlatArray | None,
    y: BatchArray,
    d: dict[str, int],
    f: Function,
) -> Stage:
    """Return the stage of the kernel conv with the definitions d."""
    filters, channels = d["F"] // d["G"], d["C"] // d["G"]
    window = d["KH"] * d["KW"] * channels
    d = d | {"HAS_BIAS": int(b is not None), "FUNCTION": f.number}
    bias, of = w if b is None else b, x if f.y is None else f.y

    def stage(shape: Shape, blocks: int) -> Stage:
        tall, wide = shape
        tiles = d["G"] * -(-filters // tall)
        rows = min(
            max(_WORK // (d["OW"] * tall * window), 1),
            max(y.blocks * tiles * d["OH"] // _ITEMS, 1),
            d["OH"],
        )
        left, right = _borders(d, wide) or (0, 0)
        tile = {"OT": tall, "WT": wide, "RT": rows, "LEFT": left, "RIGHT": right}
        items = blocks * tiles * -(-d["OH"] // rows)
        kernel = _kernel(backend, "conv", d | tile)
        return backend.launch(kernel, items, x, w, bias, y, of, np.float32(f.slope))

    shapes = _tiles(backend, _few(backend), filters, max(d["OW"] // d["UW"], 1))
    work = y.blocks * backend.lanes * d["F"] * d["OH"] * d["OW"] * window
    shape = _fastest(backend, "conv", d, shapes, stage, y.blocks, work)
    return stage(shape, y.blocks)


def _fastest(
    backend: OpenCL,
    name: str,
    definitions: dict[str, int],
    shapes: list[Shape],
    stage: Callable[[Shape, int], Stage],
    units: int,
    work: int,
) -> Shape:
    """Return the shape of a tile that is the fastest on this device.

    stage(shape, u) computes the first u of `units`, which are `work` multiply-adds. A
    launch that is small takes the first shape: to compile others would cost more than
    they could save.
    """
    if work < _TUNED:
        return shapes[0]
    part = max(min(units * _SAMPLE // work, units), 1)

    def prepare(shape: Shape) -> Callable[[], None]:
        return in_order([stage(shape, part), backend.finish])

    sizes = (f"{key}={value}" for key, value in definitions.items())
    return backend.tuning.choose(" ".join([name, *sizes]), shapes, prepare)


def _few(backend: OpenCL) -> int:
    """Return how many results fit beside operands that are compiled one by one."""
    return backend.tile * 5 // 6


def _tiles(backend: OpenCL, most: int, filters: int, columns: int) -> list[Shape]:
    """Return (filters, columns) of tiles of results, the likeliest to be fast first.

    That is, of all shapes of at most `most` results the one that takes the fewest
    cycles by this account: each product waits for the one before it in its sum, loads
    cost as much as products, what finds no register is one more, and where tiles
    overlap, they compute twice. Behind it follow others that are good by this account,
    to be measured.
    """
    registers = backend.tile * 4 // 3  # a tile may fill three of four

    def cycles(shape: Shape) -> float:
        tall, wide = shape
        tiles = -(-filters // tall) * -(-columns // wide)
        without = max((tall + 1) * wide + 1 - registers, 0)
        return tiles * (max(tall * wide, _CHAINS) + tall + wide + without)

    shapes = [
        (tall, wide)
        for tall in range(min(filters, most), 0, -1)
        for wide in range(1, min(columns, most // tall) + 1)
    ]
    return sorted(shapes, key=cycles)[:_SHAPES]


def _borders(d: dict[str, int], wide: int) -> tuple[int, int] | None:
    """Return how many tiles of a row meet its left and its right border.

    None if they are too many to be compiled one by one, or if columns differ in what
    they use of the kernel.
    """
    if d["UW"] > 1:
        return None
    reach = (d["KW"] - 1) * d["DW"] - d["PL"]
    begins = [min(i, d["OW"] - wide) for i in range(0, d["OW"], wide)]
    inside = [
        i
        for i, ow in enumerate(begins)
        if ow * d["SW"] >= d["PL"] and (ow + wide - 1) * d["SW"] + reach < d["W"]
    ]
    if inside:
        left, right = inside[0], len(begins) - 1 - inside[-1]
    else:
        left, right = len(begins), 0
    return (left, right) if left + right <= _BORDERS else None


def _columns(d: dict[str, int], most: int, products: int) -> tuple[int, int, int]:
    """Return (parts, left, right) of the weights' sum over a row's columns.

    parts: into how many a sum is split, that a tile of `products` weights keeps the
    multiply-add units busy; left and right: columns to be compiled one by one, such
    that what is left between is a multiple of parts.
    """
    borders = _borders(d, 1)
    if borders is None:
        return 1, 0, 0
    parts = 1
    if products < _CHAINS:
        parts = min(-(-_CHAINS // products), most // products)
    left = min(-(-borders[0] // parts) * parts, d["OW"])
    middle = max(d["OW"] - left - borders[1], 0) // parts * parts
    return parts, left, d["OW"] - left - middle


def _direct_weights(
    backend: OpenCL,
    x: BatchArray,
    dy: BatchArray,
    dw: FlatArray,
    db: FlatArray | None,
    g: ConvGeometry,
) -> Stage:
    """Return the stage dw = ∂loss/∂w, db = ∂loss/∂b.

    The sum over samples and rows is cut into shards by the batch and the geometry
    alone.
    """
    count = math.prod(dw.shape) + (0 if db is None else g.filters)
    shards, each, parts, rows = _shards(x.blocks, g.out_height, count)
    partial = backend.flat(shards * count)
    numbers = tuple(map(np.uint32, (x.blocks, each, parts, rows)))
    filters = g.filters // g.groups
    definitions = _definitions(g) | {"HAS_BIAS": int(db is not None)}
    # A tile is as wide as the kernel, or takes several channels of one that is narrow.
    columns = g.kernel[1] if g.kernel[1] > 1 else g.channels // g.groups
    split, *borders = _columns(definitions, backend.tile, filters * columns)

    def tile(shape: Shape) -> dict[str, int]:
        tall, wide = shape
        left, right = borders
        if g.out_width * tall * max(wide, g.kernel[1]) <= _UNROLLED:
            left, right = g.out_width, 0
        return definitions | {
            "OT": tall, "VT": wide, "LEFT": left, "RIGHT": right, "SPLIT": split,
        }  # fmt: skip

    def stage(shape: Shape, shards: int) -> Stage:
        items = shards * g.groups * -(-filters // shape[0])
        kernel = _kernel(backend, "conv_weights", tile(shape))
        return backend.launch(kernel, items, x, dy, partial, *numbers)

    most = _few(backend) if any(borders) else backend.tile
    shapes = _tiles(backend, most, filters, columns)
    work = x.blocks * backend.lanes * g.out_height * g.out_width * math.prod(dw.shape)
    shape = _fastest(backend, "conv_weights", definitions, shapes, stage, shards, work)
    ends = _kernel(backend, "conv_sum_shards", tile(shape))
    items, bias = -(-count // 256), dw if db is None else db
    sums = backend.launch(ends, items, partial, dw, bias, np.uint32(shards))
    return in_order([stage(shape, shards), sums])


def _shards(blocks: int, rows: int, weights: int) -> tuple[int, int, int, int]:
    """Return (shards, blocks of each, parts of the rows, rows of each part)."""
    most = max(_PARTIAL_FLOATS // weights, 1)
    parts = min(-(-rows // _ROWS), most)
    each = -(-blocks // max(most // parts, 1))
    return -(-blocks // each) * parts, each, parts, -(-rows // parts)


def _kernel(backend: OpenCL, name: str, definitions: dict[str, int]):
    files = "functions", "window", *_FILES[name]
    return backend.programs.kernel(files, name, **definitions)
