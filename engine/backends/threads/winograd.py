r"""Convolutions three rows high by Winograd's F(4, 3), down the columns of a map.

Four output rows need six input rows. Let g be a filter's three rows, d six rows of a
channel. Then, row by row,
    y = Aᵀ [ (G g) ⊙ (Bᵀ d) ]        six products where the plain sum takes twelve,
and the sums over the channels and the kernel's columns may be taken before Aᵀ. So for
each of the six points, with L = tiles · samples · W places in a block:
    V  = Bᵀ d,  U = G w              (6, kw C, L), shifted for each kernel column
    y  = Aᵀ (U V)                    (6, F, kw C) (6, kw C, L)
    dw = Gᵀ Σ_blocks V (A dy)ᵀ       (6, kw C, L) (6, L, F)
dx is found as y is, from dy with the weights turned round. Along a map's rows the sum
is the plain one: then no number leaves its place in a row, every copy moves whole rows,
and each transform is one product of a small matrix with rows so long that it costs no
more than to read and write them. (F(4×4, 3×3) halves the products once more, but in
NumPy its way across the rows takes longer than they do.)
Source: A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", CVPR
2016, with the points 0, ±1, ±2, ∞.

Same bytes on any number of threads: blocks depend on the geometry and the batch alone;
dw is summed block by block per piece of the batch, then over the pieces in their order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.backends.base import Stage, in_order
from engine.backends.geometry import ConvGeometry
from engine.backends.threads import chunks

if TYPE_CHECKING:
    from engine.backends.threads.backend import Threads

Array = np.ndarray

# Most numbers in a block's tiles, unless one row of tiles has more. V has kw times as
# many and should stay in a core's cache; for dw it has no copies and may have twice.
_NUMBERS = 1 << 16
# Most multiply-adds of a product that OpenBLAS does without packing its matrices first,
# which saves a fifth of the time.
_UNPACKED = 100**3
# With fewer the transforms cost more than the products save.
_LEAST_CHANNELS, _LEAST_FILTERS, _LEAST_ROWS = 6, 4, 2

_B = np.array(
    [
        [4, 0, 0, 0, 0, 0],
        [0, -4, 4, -2, 2, 4],
        [-5, -4, -4, -1, -1, 0],
        [0, 1, -1, 2, -2, -5],
        [1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ],
    np.float32,
)
_G = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    np.float32,
)
_A = np.array(
    [
        [1, 0, 0, 0],
        [1, 1, 1, 1],
        [1, -1, 1, -1],
        [1, 2, 4, 8],
        [1, -2, 4, -8],
        [0, 0, 0, 1],
    ],
    np.float32,
)


def fits(g: ConvGeometry) -> bool:
    """Return whether the convolution is computed this way: by its geometry alone."""
    plain = (g.stride, g.dilation, g.groups) == ((1, 1), (1, 1), 1)
    if not plain or g.kernel[0] != 3 or max(g.padding[0], g.padding_end[0]) > 2:
        return False
    if g.out_width != g.width or g.kernel[1] > g.width:
        return False
    few = g.channels < _LEAST_CHANNELS or g.filters < _LEAST_FILTERS
    return not few and g.out_height >= _LEAST_ROWS


@dataclass(frozen=True)
class _Run:
    """Rows of tiles that have the same rows of their own on the map.

    part: these rows of the map, as `whole_rows` of a view (rows of a tile, channels,
    tiles, samples, W).
    """

    tiles: slice
    rows: slice
    part: Array


@dataclass(frozen=True)
class _Block:
    """Some samples and some rows of tiles: `reads` of x, `writes` of y, or of dy."""

    samples: int
    tiles: int
    reads: list[_Run]
    writes: list[_Run]


def _runs(
    maps: Array, samples: slice, band: slice, rows: int, before: int
) -> list[_Run]:
    """Return the runs of a band of tiles of so many rows over maps (n, C, H, W).

    Tile t begins at the map's row 4 t − before.
    """
    (_, channels, height, width), (sn, sc, sh, sw) = maps.shape, maps.strides

    def on_map(tile: int) -> tuple[int, int]:
        return max(before - 4 * tile, 0), min(height + before - 4 * tile, rows)

    runs = []
    for (begin, end), group in groupby(range(band.start, band.stop), on_map):
        tiles = list(group)
        part = np.ndarray(
            (end - begin, channels, len(tiles), samples.stop - samples.start, width),
            maps.dtype,
            maps,
            offset=samples.start * sn + (4 * tiles[0] - before + begin) * sh,
            strides=(sh, sc, 4 * sh, sn, sw),
        )
        first = tiles[0] - band.start
        here = slice(first, first + len(tiles))
        runs.append(_Run(here, slice(begin, end), chunks.whole_rows(part)))
    return runs


def _blocks(
    samples: slice, x: Array, y: Array, g: ConvGeometry, most: int
) -> list[_Block]:
    """Return the blocks of these samples: of `most` places, or one row of tiles."""
    tile_row = g.width + _gap(g)
    bands = chunks.cut_evenly(-(-g.out_height // 4), max(most // tile_row, 1))
    fitting = max(most // (tile_row * bands[0].stop), 1)
    blocks = []
    for few in chunks.cut_evenly(samples.stop - samples.start, fitting):
        part = slice(samples.start + few.start, samples.start + few.stop)
        for band in bands:
            reads = _runs(x, part, band, 6, g.padding[0])
            writes = _runs(y, part, band, 4, 0)
            count = few.stop - few.start
            blocks.append(_Block(count, band.stop - band.start, reads, writes))
    return blocks


def _gap(g: ConvGeometry) -> int:
    """Return how many zeros between rows keep one row's windows off the next row."""
    return max(g.padding[1], g.padding_end[1])


def _ringed(shape: tuple[int, ...], gap: int) -> tuple[Array, Array]:
    """Return a row of zeros, and all of it but `gap` at both ends as `shape`."""
    size = math.prod(shape)
    whole = np.zeros(size + 2 * gap, np.float32)
    return whole, whole[gap : gap + size].reshape(shape)


def _shifted(
    whole: Array, shape: tuple[int, ...], strides: tuple[int, ...], g: ConvGeometry
) -> Array:
    """Return a view of what `_ringed` returned; strides count numbers, not bytes.

    It begins as far before the array as a window reaches, so that along an axis of
    stride 1 and length kw stand the kernel's columns.
    """
    begin = whole[_gap(g) - g.padding[1] :]
    step = whole.itemsize
    return np.ndarray(shape, whole.dtype, begin, strides=[step * s for s in strides])


class _Tiles:
    """A block's tiles (rows, C, tiles, n, W + gap); `points` are these as (rows, C L).

    Where they are read from a map, nobody writes to the zeros between its rows, nor to
    those around all.
    """

    def __init__(self, block: _Block, rows: int, channels: int, g: ConvGeometry):
        shape = rows, channels, block.tiles, block.samples, g.width + _gap(g)
        self.whole, self.array = _ringed(shape, _gap(g))
        self.inside = chunks.whole_rows(self.array[..., : g.width])
        self.points = self.array.reshape(rows, -1)
        self.places = self.array[0, 0].size

    def read(self, runs: list[_Run]) -> None:
        """Copy the map into the tiles, 0 beyond the map."""
        for run in runs:
            if run.rows.start > 0:
                self.array[: run.rows.start, :, run.tiles] = 0.0
            if run.rows.stop < len(self.array):
                self.array[run.rows.stop :, :, run.tiles] = 0.0
            np.copyto(self.inside[run.rows, :, run.tiles], run.part)

    def write(self, runs: list[_Run]) -> None:
        """Copy the tiles into the map."""
        for run in runs:
            np.copyto(run.part, self.inside[run.rows, :, run.tiles])


class _Forward:
    """A worker's scratch arrays for y: tiles of x, V, U V, tiles of y."""

    def __init__(self, block: _Block, g: ConvGeometry):
        self.x = _Tiles(block, 6, g.channels, g)
        across, numbers = g.kernel[1], self.x.points.shape[1]
        shape, strides = (across, 6, numbers), (1, numbers, 1)
        self.windows = _shifted(self.x.whole, shape, strides, g)
        v = np.empty((6, across, numbers), np.float32)
        self.v, self.v_by_column = v.reshape(6, -1, self.x.places), v.swapaxes(0, 1)
        self.products = np.empty((6, g.filters, self.x.places), np.float32)
        self.y = _Tiles(block, 4, g.filters, g)


class _Weights:
    """A worker's scratch arrays for dw: tiles of x and dy, V, A dy, their product."""

    def __init__(self, block: _Block, g: ConvGeometry):
        self.x = _Tiles(block, 6, g.channels, g)
        self.dy = _Tiles(block, 4, g.filters, g)
        numbers, places = self.x.points.shape[1], self.x.places
        whole, self.v = _ringed(self.x.points.shape, _gap(g))
        shape, strides = (6, g.kernel[1], g.channels, places), (numbers, 1, places, 1)
        self.windows = _shifted(whole, shape, strides, g)
        self.points = np.empty((6, 1, g.filters, places), np.float32)
        self.product = np.empty((*shape[:3], g.filters), np.float32)


def _scratch(
    backend: Threads, kind: type, blocks: list[_Block], g: ConvGeometry
) -> dict[tuple[int, int, int], Any]:
    """Return (tiles, samples, worker) -> scratch arrays; equal stages share them."""
    kept = {}
    for block in blocks:
        for worker in range(backend.pool.size):
            key = block.tiles, block.samples, worker
            if key not in kept:
                shared = backend.scratch.get((kind, g, key)) or kind(block, g)
                kept[key] = backend.scratch[kind, g, key] = shared
    return kept


def forward(
    backend: Threads, x: Array, w: Array, b: Array | None, y: Array, g: ConvGeometry
) -> Stage:
    """Return the stage y = conv(x, w) + b."""
    points, transform = _filter_points(backend, w)
    bias = None if b is None else b.reshape(-1, 1, 1, 1)
    most, unpacked = _NUMBERS // (6 * g.channels), _UNPACKED // w.size * 3
    if g.width + _gap(g) <= unpacked:
        most = min(most, unpacked)
    # Each block reads all of U: V should not be much smaller.
    blocks = _blocks(slice(0, len(x)), x, y, g, max(most, g.filters))
    scratch = _scratch(backend, _Forward, blocks, g)

    def run(block: _Block, worker: int) -> None:
        room = scratch[block.tiles, block.samples, worker]
        room.x.read(block.reads)
        np.matmul(_B.T, room.windows, out=room.v_by_column)
        np.matmul(points, room.v, out=room.products)
        np.matmul(_A.T, room.products.reshape(6, -1), out=room.y.points)
        if bias is not None:
            room.y.array += bias
        room.y.write(block.writes)

    return in_order([transform, backend.stage(run, blocks)])


def _filter_points(backend: Threads, w: Array) -> tuple[Array, Stage]:
    """Return U = G w (6, F, kw · C), and the stage that computes it."""
    filters, channels, _, across = w.shape
    ordered = np.empty((3, filters, across * channels), np.float32)
    points = np.empty((6, filters, across * channels), np.float32)
    view = w.transpose(2, 0, 3, 1)

    def run(part: slice, worker: int) -> None:
        rows = ordered[:, part]
        np.copyto(rows.reshape(view[:, part].shape), view[:, part])
        np.matmul(_G, rows.reshape(3, -1), out=points[:, part].reshape(6, -1))

    return points, backend.stage(run, chunks.cut_work(filters, 18 * w[0].size))


def backward_weights(
    backend: Threads, x: Array, dy: Array, dw: Array, g: ConvGeometry, most: int
) -> Stage:
    """Return the stage dw = ∂loss/∂w; of at most `most` pieces the sums are kept."""
    shape = 6, g.kernel[1], g.channels, g.filters
    # A block's product is as large as dw; it should be small beside what it reads.
    places = max(2 * _NUMBERS // (6 * g.channels), 4 * g.filters)
    work = dw.size * g.out_height * g.out_width
    pieces = [
        _blocks(part, x, dy, g, places) for part in chunks.cut_work(len(x), work, most)
    ]
    sums = np.empty((len(pieces), *shape), np.float32)
    scratch = _scratch(backend, _Weights, list(chain(*pieces)), g)

    def run(numbered: tuple[int, list[_Block]], worker: int) -> None:
        number, blocks = numbered
        total = sums[number]
        total.fill(0.0)
        for block in blocks:
            room = scratch[block.tiles, block.samples, worker]
            room.x.read(block.reads)
            np.matmul(_B.T, room.x.points, out=room.v)
            room.dy.read(block.writes)
            np.matmul(_A, room.dy.points, out=room.points.reshape(6, -1))
            np.matmul(room.windows, room.points.swapaxes(2, 3), out=room.product)
            np.add(total, room.product, out=total)

    target = dw.transpose(2, 3, 1, 0)
    ordered = np.empty(target.shape, np.float32)

    def combine() -> None:
        for other in sums[1:]:
            sums[0] += other
        np.matmul(_G.T, sums[0].reshape(6, -1), out=ordered.reshape(3, -1))
        np.copyto(target, ordered)

    return in_order([backend.stage(run, list(enumerate(pieces))), combine])
