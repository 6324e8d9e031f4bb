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
from itertools import groupby
from typing import TYPE_CHECKING

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
# Below so many channels or filters the transforms cost more than the products save.
_LEAST_CHANNELS = 8
# Most of what a map that is no multiple of 4 high may add.
_MOST_WASTE = 1.35

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
    if min(g.channels, g.filters) < _LEAST_CHANNELS:
        return False
    return 4 * -(-g.out_height // 4) <= _MOST_WASTE * g.out_height


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

    def shape(self, rows: int, channels: int, width: int) -> tuple[int, ...]:
        """Return the shape of so many rows of each tile."""
        return rows, channels, self.tiles, self.samples, width


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


def _read(runs: list[_Run], tiles: Array, width: int) -> None:
    """Copy the map into tiles (rows, C, tiles, n, ≥ width), 0 beyond the map."""
    tiles[..., width:] = 0.0
    inside = chunks.whole_rows(tiles[..., :width])
    for run in runs:
        if run.rows.start > 0:
            tiles[: run.rows.start, :, run.tiles] = 0.0
        if run.rows.stop < len(tiles):
            tiles[run.rows.stop :, :, run.tiles] = 0.0
        np.copyto(inside[run.rows, :, run.tiles], run.part)


def _write(tiles: Array, runs: list[_Run], width: int) -> None:
    """Copy tiles (rows, C, tiles, n, ≥ width) into the map."""
    inside = chunks.whole_rows(tiles[..., :width])
    for run in runs:
        np.copyto(run.part, inside[run.rows, :, run.tiles])


def _gap(g: ConvGeometry) -> int:
    """Return how many zeros between rows keep one row's windows off the next row."""
    return max(g.padding[1], g.padding_end[1])


def _ringed(
    backend: Threads, worker: int, purpose: str, shape: tuple[int, ...], gap: int
) -> tuple[Array, Array]:
    """Return a worker's scratch array of `shape`, after the whole with zeros around."""
    size = math.prod(shape)
    whole = backend.room(worker, purpose, (size + 2 * gap,))
    whole[:gap] = 0.0
    whole[gap + size :] = 0.0
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


def _tiles(
    backend: Threads,
    worker: int,
    block: _Block,
    runs: list[_Run],
    channels: int,
    g: ConvGeometry,
) -> tuple[Array, Array]:
    """Return what `_ringed` does: the block's tiles, zeros between their rows."""
    rows, width = 6 if runs is block.reads else 4, g.width + _gap(g)
    shape = block.shape(rows, channels, width)
    whole, tiles = _ringed(backend, worker, "tiles", shape, _gap(g))
    _read(runs, tiles, g.width)
    return whole, tiles


def forward(
    backend: Threads, x: Array, w: Array, b: Array | None, y: Array, g: ConvGeometry
) -> Stage:
    """Return the stage y = conv(x, w) + b."""
    points, transform = _filter_points(backend, w)
    bias = None if b is None else b.reshape(-1, 1, 1, 1)

    def run(block: _Block, worker: int) -> None:
        whole, tiles = _tiles(backend, worker, block, block.reads, g.channels, g)
        numbers, places = tiles[0].size, tiles[0, 0].size
        windows = _shifted(whole, (g.kernel[1], 6, numbers), (1, numbers, 1), g)
        v = backend.room(worker, "points", (6, g.kernel[1], numbers))
        np.matmul(_B.T, windows, out=v.swapaxes(0, 1))
        products = backend.room(worker, "products", (6, g.filters, places))
        np.matmul(points, v.reshape(6, -1, places), out=products)
        shape = block.shape(4, g.filters, tiles.shape[-1])
        out = backend.room(worker, "tiles", shape)
        np.matmul(_A.T, products.reshape(6, -1), out=out.reshape(4, -1))
        if bias is not None:
            out += bias
        _write(out, block.writes, g.width)

    most, unpacked = _NUMBERS // (6 * g.channels), _UNPACKED // w.size * 3
    if g.width + _gap(g) <= unpacked:
        most = min(most, unpacked)
    blocks = _blocks(slice(0, len(x)), x, y, g, most)
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

    def run(numbered: tuple[int, list[_Block]], worker: int) -> None:
        number, blocks = numbered
        total = sums[number]
        total.fill(0.0)
        for block in blocks:
            v = _input_points(backend, worker, block, g)
            points = _gradient_points(backend, worker, block, g)
            product = backend.room(worker, "product", shape)
            np.matmul(v, points, out=product)
            np.add(total, product, out=total)

    target = dw.transpose(2, 3, 1, 0)
    ordered = np.empty(target.shape, np.float32)

    def combine() -> None:
        for other in sums[1:]:
            sums[0] += other
        np.matmul(_G.T, sums[0].reshape(6, -1), out=ordered.reshape(3, -1))
        np.copyto(target, ordered)

    return in_order([backend.stage(run, list(enumerate(pieces))), combine])


def _input_points(
    backend: Threads, worker: int, block: _Block, g: ConvGeometry
) -> Array:
    """Return V of a block of x (6, kw, C, L)."""
    _, tiles = _tiles(backend, worker, block, block.reads, g.channels, g)
    numbers, places = tiles[0].size, tiles[0, 0].size
    whole, v = _ringed(backend, worker, "points", (6, numbers), _gap(g))
    np.matmul(_B.T, tiles.reshape(6, -1), out=v)
    shape = 6, g.kernel[1], g.channels, places
    return _shifted(whole, shape, (numbers, 1, places, 1), g)


def _gradient_points(
    backend: Threads, worker: int, block: _Block, g: ConvGeometry
) -> Array:
    """Return A dy of a block (6, 1, L, F)."""
    _, tiles = _tiles(backend, worker, block, block.writes, g.filters, g)
    points = backend.room(worker, "products", (6, 1, g.filters, tiles[0, 0].size))
    np.matmul(_A, tiles.reshape(4, -1), out=points.reshape(6, -1))
    return points.swapaxes(2, 3)
