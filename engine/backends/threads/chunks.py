"""How work is cut into pieces: by the sizes of arrays alone, never by the threads.

So every number of threads computes the same pieces and gets the same bytes.
"""

from __future__ import annotations

import numpy as np

# Most pieces of a batch. More threads than that gain nothing; partial sums of weights'
# gradients are kept for each, so there should not be many.
MOST_PIECES = 16
# The least work of a piece, in multiply-adds: about 30 µs, several times what handing a
# piece to a thread costs.
_LEAST_WORK = 1 << 21
# Elements of a piece of an element-by-element stage: three such arrays fit a cache.
_ELEMENTS = 1 << 16


def cut(count: int, size: int) -> list[slice]:
    """Return 0 ... count − 1 as slices of `size`, the last one perhaps shorter."""
    return [slice(i, min(i + size, count)) for i in range(0, count, size)]


def cut_evenly(count: int, most: int) -> list[slice]:
    """Return 0 ... count − 1 as slices of at most `most`, of nearly one size."""
    return cut(count, -(-count // -(-count // most)))


def cut_elements(count: int) -> list[slice]:
    """Return the pieces of an array of `count` numbers."""
    return cut(count, _ELEMENTS)


def cut_samples(n: int, features: int) -> list[slice]:
    """Return the pieces of a batch of n samples of so many numbers each."""
    return cut(n, max(_ELEMENTS // features, -(-n // MOST_PIECES), 1))


def cut_small(n: int, features: int) -> list[slice]:
    """Return pieces of a batch that stay in a cache however large the batch is."""
    return cut(n, max(_ELEMENTS // features, 1))


def cut_work(count: int, work: int, most: int = MOST_PIECES) -> list[slice]:
    """Return at most `most` pieces of `count` things of `work` multiply-adds each."""
    return cut(count, max(-(-count // most), -(-_LEAST_WORK // work)))


def flat(array: np.ndarray) -> np.ndarray:
    """Return a contiguous array as one row, without copying."""
    return array.reshape(-1)


def rows(array: np.ndarray) -> np.ndarray:
    """Return (n, ...) as (n, features), without copying."""
    return array.reshape(len(array), -1)


def whole_rows(array: np.ndarray) -> np.ndarray:
    """Return (..., W) as a view (..., 1) whose elements are rows of W numbers.

    NumPy copies these up to twice as fast. The numbers of a row must be neighbours.
    """
    row = np.dtype((np.void, array.shape[-1] * array.itemsize))
    return array.view(row)
