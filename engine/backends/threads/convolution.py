r"""Convolution as matrix products: windows become columns, one product does the rest.

For a block of samples and output rows, and within each group of channels:
    columns  (samples, groups, K, P)   K = C/groups · kh · kw, P = places of the output
    forward           y  = w · columns              (F, K) (K, P)
    backward, data    columns = wᵀ · dy, each column added to its window of dx
    backward, weights dw = Σ dy · columnsᵀ          (F, P) (P, K)
Source: S4 section 2 ("serialisation"); S0 5.3 (independent elementary convolutions).

Same bytes on any number of threads: blocks depend on the geometry and the batch alone;
dw is summed per piece of the batch, then over the pieces in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage, in_order
from engine.backends.geometry import ConvGeometry
from engine.backends.threads import chunks, winograd

if TYPE_CHECKING:
    from engine.backends.threads.backend import Threads

Array = np.ndarray

# Most numbers in the columns of a block: 2 MB, what a processor's own cache holds.
_COLUMNS = 1 << 19
# Most numbers in all pieces' sums of dw, unless that leaves fewer than 4 pieces.
_PARTIAL = 1 << 23


class _Windows:
    """One geometry's windows over x (n, C, H, W), cut into pieces and blocks.

    maps: for each worker a block of padded samples, zeros around; without padding None.
    """

    def __init__(self, backend: Threads, n: int, g: ConvGeometry):
        self.backend, self.g = backend, g
        top, left = g.padding
        bottom, right = g.padding_end
        self.height, self.width = g.height + top + bottom, g.width + left + right
        self.inside = (..., slice(top, top + g.height), slice(left, left + g.width))
        self.padded = any((*g.padding, *g.padding_end))
        self.depth = g.channels // g.groups * g.kernel[0] * g.kernel[1]
        column_row = g.groups * self.depth * g.out_width
        bands = -(-column_row * g.out_height // _COLUMNS)
        self.rows = -(-g.out_height // min(bands, g.out_height))
        self.samples = min(max(_COLUMNS // (column_row * self.rows), 1), n)
        self.work = self.depth * g.filters * g.out_height * g.out_width
        self.maps: list[np.ndarray] = []
        if self.padded:
            shape = self.samples, g.channels, self.height, self.width
            self.maps = [np.zeros(shape, np.float32) for _ in range(backend.pool.size)]

    def over(self, maps: np.ndarray) -> np.ndarray:
        """Return a view (n, C, kh, kw, H', W') of padded maps (n, C, height, width)."""
        g, (sn, sc, sh, sw) = self.g, maps.strides
        return np.ndarray(
            (*maps.shape[:2], *g.kernel, g.out_height, g.out_width),
            maps.dtype,
            maps,
            strides=(sn, sc, g.dilation[0] * sh, g.dilation[1] * sw,
                     g.stride[0] * sh, g.stride[1] * sw),
        )  # fmt: skip

    def blocks(self, piece: slice):
        """Yield the piece's samples as slices small enough for a block."""
        for first in range(piece.start, piece.stop, self.samples):
            yield slice(first, min(first + self.samples, piece.stop))

    def bands(self):
        """Yield (output rows, their places) of the blocks of one sample."""
        width = self.g.out_width
        for part in chunks.cut(self.g.out_height, self.rows):
            yield part, slice(part.start * width, part.stop * width)

    def columns(self, worker: int, n: int, places: slice) -> np.ndarray:
        """Return the worker's room for columns (n, groups, K, places)."""
        shape = n, self.g.groups, self.depth, places.stop - places.start
        return self.backend.room(worker, "columns", shape)

    def is_plain(self) -> bool:
        """Return whether the columns are x itself (1 × 1, stride 1, no padding)."""
        g = self.g
        return g.kernel == g.stride == (1, 1) and not self.padded


def _gatherer(windows: _Windows, x: np.ndarray):
    """Return a function that yields (samples, places, columns) of a piece of x."""
    g = windows.g
    if windows.is_plain():
        plain = x.reshape(len(x), g.groups, windows.depth, -1)

        def whole(piece: slice, worker: int):
            for samples in windows.blocks(piece):
                for _, places in windows.bands():
                    yield samples, places, plain[samples][..., places]

        return whole
    views = [windows.over(maps) for maps in windows.maps] or None
    view = None if windows.padded else windows.over(x)

    copy = _copy_rows if g.stride[1] == 1 else np.copyto

    def gather(piece: slice, worker: int):
        for samples in windows.blocks(piece):
            n = samples.stop - samples.start
            if views is None:
                source = view[samples]
            else:
                windows.maps[worker][:n][windows.inside] = x[samples]
                source = views[worker][:n]
            for rows, places in windows.bands():
                columns = windows.columns(worker, n, places)
                part = source[..., rows, :]
                copy(columns.reshape(part.shape), part)
                yield samples, places, columns

    return gather


def _copy_rows(target: np.ndarray, source: np.ndarray) -> None:
    np.copyto(chunks.whole_rows(target), chunks.whole_rows(source))


def _by_group(array: np.ndarray, g: ConvGeometry) -> np.ndarray:
    """Return y or dy (n, F, H', W') as (n, groups, F/groups, P)."""
    return array.reshape(len(array), g.groups, g.filters // g.groups, -1)


def forward(
    backend: Threads, x: Array, w: Array, b: Array | None, y: Array, g: ConvGeometry
) -> Stage:
    """Return the stage y = conv(x, w) + b."""
    if winograd.fits(g):
        return winograd.forward(backend, x, w, b, y, g)
    windows = _Windows(backend, len(x), g)
    gather = _gatherer(windows, x)
    weights = w.reshape(g.groups, g.filters // g.groups, windows.depth)
    out = _by_group(y, g)
    bias = None if b is None else b.reshape(g.groups, -1, 1)

    def run(piece: slice, worker: int) -> None:
        for samples, places, columns in gather(piece, worker):
            part = out[samples][..., places]
            np.matmul(weights, columns, out=part)
            if bias is not None:
                part += bias

    return backend.stage(run, chunks.cut_work(len(x), windows.work))


def backward_data(
    backend: Threads, dy: Array, w: Array, dx: Array, g: ConvGeometry
) -> Stage:
    """Return the stage dx = ∂loss/∂x.

    At stride 1 that is a convolution of dy with the weights turned round, and windows
    are faster to read than to add to. Else columns are added to their windows.
    """
    around = [
        tuple(
            d * (k - 1) - p for d, k, p in zip(g.dilation, g.kernel, side, strict=True)
        )
        for side in (g.padding, g.padding_end)
    ]
    if g.stride == (1, 1) and min(map(min, around)) >= 0:
        return _backward_data_by_forward(backend, dy, w, dx, g, *around)
    windows = _Windows(backend, len(dx), g)
    transposed = w.reshape(g.groups, -1, windows.depth).swapaxes(1, 2)
    dys = _by_group(dy, g)
    views = [windows.over(maps) for maps in windows.maps]
    view = None if windows.padded else windows.over(dx)

    def run(piece: slice, worker: int) -> None:
        for samples in windows.blocks(piece):
            n = samples.stop - samples.start
            maps = windows.maps[worker][:n] if views else dx[samples]
            target = views[worker][:n] if views else view[samples]
            maps.fill(0.0)
            for rows, places in windows.bands():
                columns = windows.columns(worker, n, places)
                np.matmul(transposed, dys[samples][..., places], out=columns)
                _scatter(columns, target[..., rows, :])
            if views:
                np.copyto(dx[samples], maps[windows.inside])

    return backend.stage(run, chunks.cut_work(len(dx), windows.work))


def _backward_data_by_forward(
    backend: Threads,
    dy: Array,
    w: Array,
    dx: Array,
    g: ConvGeometry,
    padding: tuple[int, int],
    padding_end: tuple[int, int],
) -> Stage:
    turned = ConvGeometry(
        channels=g.filters,
        height=g.out_height,
        width=g.out_width,
        filters=g.channels,
        kernel=g.kernel,
        padding=padding,
        padding_end=padding_end,
        dilation=g.dilation,
        groups=g.groups,
    )
    # (groups, F, C, kh, kw) -> (groups, C, F, kh, kw), both kernel axes reversed
    by_group = w.reshape(g.groups, -1, *w.shape[1:])
    view = by_group.swapaxes(1, 2)[..., ::-1, ::-1]
    if winograd.fits(turned):
        return winograd.forward(backend, dy, view[0], None, dx, turned)
    copy = np.empty(view.shape, np.float32)
    stage = forward(
        backend, dy, copy.reshape(g.channels, -1, *g.kernel), None, dx, turned
    )

    def run() -> None:
        np.copyto(copy, view)
        stage()

    return run


def _scatter(columns: np.ndarray, windows: np.ndarray) -> None:
    """Add each column to its window; one kernel element after another, none twice."""
    columns = columns.reshape(windows.shape)
    for u in range(windows.shape[2]):
        for v in range(windows.shape[3]):
            target = windows[:, :, u, v]
            np.add(target, columns[:, :, u, v], out=target)


def backward_weights(
    backend: Threads, x: Array, dy: Array, dw: Array, db: Array | None, g: ConvGeometry
) -> Stage:
    """Return the stage dw = ∂loss/∂w, db = ∂loss/∂b."""
    most = min(max(_PARTIAL // dw.size, 4), chunks.MOST_PIECES)
    way = winograd.backward_weights if winograd.fits(g) else _backward_weights
    stage = way(backend, x, dy, dw, g, most)
    return stage if db is None else in_order([stage, _backward_bias(backend, dy, db)])


def _backward_weights(
    backend: Threads, x: Array, dy: Array, dw: Array, g: ConvGeometry, most: int
) -> Stage:
    windows = _Windows(backend, len(x), g)
    gather = _gatherer(windows, x)
    dys = _by_group(dy, g)
    # Products are (K, F): this way round BLAS takes two thirds of the time.
    shape = g.groups, windows.depth, g.filters // g.groups
    pieces = chunks.cut_work(len(x), windows.work, most)
    sums = np.empty((len(pieces), *shape), np.float32)

    def run(numbered: tuple[int, slice], worker: int) -> None:
        number, piece = numbered
        total = sums[number]
        total.fill(0.0)
        for samples, places, columns in gather(piece, worker):
            each = backend.room(worker, "products", (len(columns), *shape))
            np.matmul(columns, dys[samples][..., places].swapaxes(2, 3), out=each)
            for product in each:
                np.add(total, product, out=total)

    def combine() -> None:
        total = dw.reshape(g.groups, -1, windows.depth).swapaxes(1, 2)
        np.sum(sums, axis=0, out=total)

    return in_order([backend.stage(run, list(enumerate(pieces))), combine])


def _backward_bias(backend: Threads, dy: Array, db: Array) -> Stage:
    """Return the stage db = Σ dy: of each sample, then of the samples."""
    maps = dy.reshape(*dy.shape[:2], -1)
    sums = backend.empty(len(dy), (len(db),))

    def run(samples: slice, worker: int) -> None:
        np.sum(maps[samples], axis=2, out=sums[samples])

    stage = backend.stage(run, chunks.cut_samples(len(dy), dy[0].size))
    return in_order([stage, lambda: np.sum(sums, axis=0, out=db)])
