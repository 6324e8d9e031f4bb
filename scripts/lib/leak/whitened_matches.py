"""Near-duplicates among photographs: a correlation of what sets a picture apart.

Any two photographs may share a bright top or a thing in the middle, so plain pixels are
weak evidence. As the partial correlation in `likeness` takes the mean image out, this
takes out all that the pictures of a set have in common: each is shrunk to 8 × 8 cells
of each channel, less the mean picture, and its principal components are scaled to
variance 1 (whitened); both are learned from the training side. The correlation of a
pair is the cosine of two such vectors, the largest over the one picture as it is, moved
by half a cell to each of four sides, and all these mirrored.

A pair counts from `CORRELATION` on, or from the first hundredth above it that keeps the
rule: of pairs of different classes at most 1 in a million (or four in all, which may be
true: one picture with two labels). It was chosen on CIFAR-100 (10 000 test images,
50 000 training and validation images):

- 58 of 495 million pairs of different classes are above it, 0.12 in a million, beside 6
  that agree in every pixel.
- Upside-down test images hardly have a true partner: 46 of 10 000 have one from 0.80
  on, where 612 of the upright ones have (0.75: 121 and 835; 0.85: 15 and 416).
- The pairs that B. Barz and J. Denzler judged by eye ("Do We Train on Test Data?
  Purging CIFAR of Near-Duplicates", J. Imaging 6:41, 2020; duplicates_cifar100.csv of
  their repository) name 891 test images. How many of these are found:

      kind             named   found   from 0.85 on
      exact               13      13             13
      near-duplicate     677     431            338
      very similar       201      54             28
      not named            -     114             37

  Looked at by eye, about 30 of the 114 are true (a tiger, a tram, a tree in other
  colours), the rest are alike and not the same: plates, bottles, apples on white.
- Of 1 000 training images these changed copies are found: brighter, mirrored or moved
  by 2 px 100 %; cut by 1 px at each edge 99.7 %; as JPEG of quality 40 98 %; turned by
  5 degrees 98 %. Missed are most that are cut by 2 px (56 % found), grey (45 %), moved
  by 2 px both ways (32 %) or turned by 10 degrees (19 %).

Tried: without whitening, unmoved and not mirrored, 0.95 finds 273 of the named pairs
beside 157 other images, with it 0.80 finds 334 beside 57. Moving it finds about 50 more
at the same number of others; mirroring adds 52 images, of which 30 are named.
Correlating the full pictures after high-pass filters and the best shift of up to 4 px,
or after normalising the local contrast, was no better than the whitened cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# From which correlation on a pair may be a near-duplicate, and the rule: see above.
CORRELATION = 0.8
FALSE_ALARMS = 1e-6
_SAME = np.float32(0.9999)  # one picture, but for rounding: with two labels no alarm
_TWO_LABELS = 4  # pairs that may be one picture with two labels, in a set of any size
_LEVELS = np.linspace(CORRELATION, 0.99, 20).round(2).astype(np.float32)
_CELLS = 8  # of a picture's height and width
_COMPONENTS = 128
_SMALLEST = 1.0  # sd of a component that is more than rounding, grey levels
_TILE = (512, 4096)  # pairs that are looked at together: 8 MB
_BATCH = 2000  # pictures


class PictureError(ValueError):
    """Pictures that cannot be compared."""


@dataclass(frozen=True)
class Whitening:
    """What makes vectors of pictures: float32 mean (d,) and basis (d, k), d = 64 c."""

    mean: np.ndarray
    basis: np.ndarray

    def vectors(self, images: np.ndarray) -> np.ndarray:
        """Return float32 (n, k), each of length 1, or 0 for the mean picture itself.

        images: uint8 (n, c, h, w).
        """
        found = (_cells(images) - self.mean) @ self.basis
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return np.where(lengths > 0, found / np.where(lengths > 0, lengths, 1), 0)


@dataclass(frozen=True)
class Closest:
    """The closest of the pictures compared with, for each of n.

    places: int (n,); correlations: float32 (n,); mirrored: bool (n,), whether the
    mirrored picture is closer. apart: how many pairs are of different kinds; close: int
    (20,), how many of these are at least so close, from 0.80 in hundredths to 0.99, but
    for those that are one picture.
    """

    places: np.ndarray
    correlations: np.ndarray
    mirrored: np.ndarray
    apart: int
    close: np.ndarray

    @property
    def threshold(self) -> float:
        """The least correlation of a near-duplicate: that of the rule.

        1 where none keeps it: then pictures count that agree in every pixel, alone.
        """
        allowed = max(FALSE_ALARMS * self.apart, _TWO_LABELS)
        kept = np.flatnonzero(self.close <= allowed)
        return round(float(_LEVELS[kept[0]]), 2) if len(kept) else 1.0

    @property
    def taken(self) -> int:
        """How many pairs of different kinds count as near-duplicates, as `close`."""
        level = np.searchsorted(_LEVELS, np.float32(self.threshold))
        return int(self.close[level : level + 1].sum())


def learn_whitening(images: np.ndarray) -> Whitening:
    """Return the whitening of a set of pictures, uint8 (n, c, h, w).

    The largest principal components of its cells, each divided by its standard
    deviation: at most 128, and half as many as there are pictures.
    Raises: PictureError if h or w is no multiple of 8, or nothing differs.
    """
    cells = _cells(images)
    mean = cells.mean(axis=0, dtype=np.float64)
    centred = cells - mean
    variances, axes = np.linalg.eigh(centred.T @ centred / len(cells))
    kept = np.argsort(-variances, kind="stable")[: min(_COMPONENTS, len(cells) // 2)]
    kept = kept[variances[kept] > _SMALLEST**2]
    if not len(kept):
        raise PictureError(
            f"near-duplicates: expected pictures that differ, received {len(cells)} "
            "that are alike to one grey level; look at the images of the data set"
        )
    basis = axes[:, kept] / np.sqrt(variances[kept])
    return Whitening(mean.astype(np.float32), basis.astype(np.float32))


def find_closest(
    images: np.ndarray,
    others: np.ndarray,
    whitening: Whitening,
    kinds: np.ndarray,
    other_kinds: np.ndarray,
) -> Closest:
    """Return the closest of m `others` for each of n images, uint8 (·, c, h, w).

    All n m pairs are looked at, 20 n m k operations in tiles: the memory is that of the
    vectors. kinds: (n,) and other_kinds: (m,), such as classes.
    """
    _, codes = np.unique(np.concatenate([kinds, other_kinds]), return_inverse=True)
    kinds, other_kinds = codes[: len(kinds)], codes[len(kinds) :]
    against = whitening.vectors(others)
    views = [whitening.vectors(view) for view in _views(images)]
    n, m = len(images), len(others)
    best, places = np.full(n, -np.inf, np.float32), np.zeros(n, np.int64)
    reached = np.zeros(len(_LEVELS) + 1, np.int64)
    for begin in range(0, m, _TILE[1]):
        columns = slice(begin, begin + _TILE[1])
        for start in range(0, n, _TILE[0]):
            rows = slice(start, start + _TILE[0])
            products = views[0][rows] @ against[columns].T
            for view in views[1:]:
                np.maximum(products, view[rows] @ against[columns].T, out=products)
            a, b = np.nonzero(products >= _LEVELS[0])
            found = products[a, b]
            apart = (kinds[rows][a] != other_kinds[columns][b]) & (found < _SAME)
            level = np.searchsorted(_LEVELS, found[apart], side="right")
            reached += np.bincount(level, minlength=len(reached))
            top = products.argmax(axis=1)
            value = products[np.arange(len(top)), top]
            better = value > best[rows]
            best[rows] = np.where(better, value, best[rows])
            places[rows] = np.where(better, begin + top, places[rows])
    own = against[places]
    upright, mirrored = (
        np.max([np.einsum("nk,nk->n", view, own) for view in half], axis=0)
        for half in (views[: len(views) // 2], views[len(views) // 2 :])
    )
    counts = [np.bincount(k, minlength=codes.max() + 1) for k in (kinds, other_kinds)]
    apart = n * m - int(counts[0] @ counts[1])
    close = reached[:0:-1].cumsum()[::-1]
    return Closest(places, best, mirrored > upright, apart, close)


def _views(images: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the pictures as they are and moved to four sides, then all mirrored.

    Moved by half a cell; what is missing at an edge is its last row or column.
    """
    h, w = images.shape[2:]
    y, x = h // _CELLS // 2, w // _CELLS // 2
    for turned in (images, images[..., ::-1]):
        padded = np.pad(turned, ((0, 0), (0, 0), (y, y), (x, x)), "edge")
        for dy, dx in ((0, 0), (0, x), (0, -x), (y, 0), (-y, 0)):
            yield padded[:, :, y + dy : y + dy + h, x + dx : x + dx + w]


def _cells(images: np.ndarray) -> np.ndarray:
    """Return float32 (n, 64 c): the means of 8 × 8 cells of each channel."""
    n, c, h, w = images.shape
    if h % _CELLS or w % _CELLS:
        raise PictureError(
            f"near-duplicates: expected pictures whose width and height are multiples "
            f"of {_CELLS} px, received {w} × {h}; ask for such in the data set's file"
        )
    cells = np.empty((n, c * _CELLS * _CELLS), np.float32)
    for begin in range(0, n, _BATCH):
        part = images[begin : begin + _BATCH]
        parts = part.reshape(len(part), c, _CELLS, h // _CELLS, _CELLS, w // _CELLS)
        means = parts.mean(axis=(3, 5), dtype=np.float32)
        cells[begin : begin + _BATCH] = means.reshape(len(part), -1)
    return cells
