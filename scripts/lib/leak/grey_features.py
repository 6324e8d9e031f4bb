"""How alike pictures look: a perceptual hash, and the correlation of their pixels.

Both look at what sets a drawing apart from the others. White paper and the place of the
figure are common to all: with the plain pixels any two drawings of a set look alike,
and with the mean image subtracted any two nearly empty sheets (each is then the same
negative of the mean). So the mean image is taken out of the correlation by projection,
which leaves of an empty sheet next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import fft

# What counts as a near-duplicate. The rule: of pairs of drawings by different children
# at most 1 in 10 000 may be taken for one. Measured on the drawings of draw-a-person
# (28 021 such pairs) and of the generated drawings (56 667 pairs):
#   distance <= 6:      0 and 4 pairs;   IgNet's copies found: 63 % and 71 %
#   correlation >= 0.9: 0 and 0 pairs;   IgNet's copies found: 87 % and 99 %
# (its copies are turned by up to 3 degrees, stretched by 3 %, and noised). Every audit
# measures both again on its own drawings. Shifts by a tenth, flips and 10 degrees, as
# in the Keras baseline's copies, hide a copy from both: what descends from one drawing
# is known by its id, not by its looks.
HASH_DISTANCE = 6
CORRELATION = 0.9

HASH_BITS = 64
_SIGMA = 1.0  # px; a line that moved by a pixel still meets itself
_CELLS = 16_000_000  # entries of a block of comparisons: 64 MB
# Grey levels per pixel: less is rounding, the rest of an empty sheet.
_EMPTY = 1e-6


@dataclass(frozen=True)
class Looks:
    """What n pictures are compared by.

    pixels: float32 (n, h·w), each of length 1, or 0 for an empty sheet, so that a
    product of two rows is their correlation; signs: float32 (n, 64), the hash as ±1.
    """

    pixels: np.ndarray
    signs: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: np.ndarray) -> Looks:
        return Looks(self.pixels[rows], self.signs[rows])

    def correlations(self, other: Looks) -> np.ndarray:
        """Return float32 (n, m): 1 for the same picture, 0 for an empty sheet."""
        return self.pixels @ other.pixels.T

    def distances(self, other: Looks) -> np.ndarray:
        """Return float32 (n, m): how many of the 64 bits of the hashes differ."""
        return (HASH_BITS - self.signs @ other.signs.T) / 2


def looks_of(images: np.ndarray, mean: np.ndarray) -> Looks:
    """Return what pictures are compared by.

    Pixels: smoothed (Gaussian, σ = 1 px); less their own mean; less their projection
    on the mean image, treated likewise; scaled to length 1. Their product is then the
    partial correlation of two pictures, given the mean image.

    Hash (pHash): the discrete cosine transform of picture − mean image, its 8 × 8
    lowest frequencies but those that are constant along an axis; a bit is set where a
    coefficient is above the median of the 64.

    images: uint8 (n, h, w), h and w at least 9; mean: float64 (h, w), of the set that
    the pictures belong to.
    Source: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions", 2010, 3.2 (there without the mean image, and shrunk to 32 × 32 first).
    Raises: ValueError for pictures that are too small.
    """
    n, h, w = images.shape
    if min(h, w) < 9:
        raise ValueError(
            f"perceptual hash: expected pictures of at least 9 × 9 px, received {w} × "
            f"{h} (width × height); ask for larger ones in the data set's file"
        )
    pixels = np.empty((n, h * w), np.float32)
    signs = np.empty((n, HASH_BITS), np.float32)
    common = _standing_out(_smooth(mean[None]))[0]
    rows, columns = _waves(h), _waves(w)
    for part in blocks(n, 8 * h * w):  # float64, and some copies of it
        pixels[part] = _apart_from(images[part], common)
        found = np.einsum(
            "ah,nhw,bw->nab", rows, images[part] - mean, columns, optimize=True
        ).reshape(-1, HASH_BITS)
        # Exactly 0 and not rounding where a picture is the mean image.
        found[np.abs(found) < _EMPTY] = 0
        above = found > np.median(found, axis=1, keepdims=True)
        signs[part] = np.where(above, 1, -1)
    return Looks(pixels, signs)


def vectors_of(images: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return `looks_of(images, mean).pixels` alone, of pictures of any numbers."""
    vectors = np.empty((len(images), images[0].size), np.float32)
    common = _standing_out(_smooth(mean[None]))[0]
    for part in blocks(len(images), 8 * images[0].size):
        vectors[part] = _apart_from(images[part], common)
    return vectors


def _apart_from(images: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Return float64 (n, h·w), of length 1: without what they have in common."""
    stood = _standing_out(_smooth(images.astype(np.float64)))
    stood -= (stood @ common)[:, None] * common
    return _unit(stood)


def blocks(n: int, each: int) -> Iterator[slice]:
    """Yield slices of 0 ... n - 1 so small that slice × each entries fit in memory."""
    step = max(1, _CELLS // max(each, 1))
    for begin in range(0, n, step):
        yield slice(begin, min(begin + step, n))


def _smooth(images: np.ndarray) -> np.ndarray:
    """Return float64 (n, h·w)."""
    smoothed = [cv2.GaussianBlur(image, (0, 0), _SIGMA) for image in images]
    return np.reshape(smoothed, (len(images), -1))


def _standing_out(pixels: np.ndarray) -> np.ndarray:
    """Return each row less its mean."""
    return _unit(pixels - pixels.mean(axis=1, keepdims=True))


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return each row scaled to length 1; 0 where it is nothing but rounding."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    nothing = lengths < _EMPTY * np.sqrt(rows.shape[1])
    return np.where(nothing, 0, rows / np.where(nothing, 1, lengths))


def _waves(size: int) -> np.ndarray:
    """Return (8, size): the cosines 1 ... 8 of the transform, without the constant."""
    return fft.dct(np.eye(size), axis=0, norm="ortho")[1:9]
