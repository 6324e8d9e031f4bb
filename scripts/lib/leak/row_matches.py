"""Near-duplicates between what is scored and what was seen before.

Every scored row is compared with every row: 2 n m d operations for m scored rows of n,
with d pixels; the memory is that of the rows and of one block of comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scripts.lib.leak import grey_features
from scripts.lib.leak.grey_features import Looks
from scripts.lib.leak.seen_rows import Rows, Side

_LISTED = 10  # pairs for each measure


@dataclass(frozen=True)
class Measure:
    """A measure of likeness: a product of two rows of `vectors` (n, d), larger: closer.

    least: from which product on a pair is a near-duplicate; told: the product as a
    reader knows it (correlation, or Hamming distance in bits).
    """

    name: str
    vectors: np.ndarray
    least: float
    told: Callable[[float], float]


@dataclass(frozen=True)
class Nearest:
    """Each row's largest product with a seen row: of any, and of other drawings.

    float32 (m,); -infinity where there is no such row.
    """

    any: np.ndarray
    other: np.ndarray


def measures_of(looks: Looks) -> tuple[Measure, Measure]:
    """Return the two measures: pixel correlation and perceptual hash."""
    bits = grey_features.HASH_BITS
    return (
        Measure(
            "correlation",
            looks.pixels,
            grey_features.CORRELATION,
            lambda product: round(product, 4),
        ),
        Measure(
            "hash",
            looks.signs,
            bits - 2 * grey_features.HASH_DISTANCE,
            lambda product: round((bits - product) / 2),
        ),
    )


def nearest(
    vectors: np.ndarray, drawings: np.ndarray, sides: Sequence[Side]
) -> list[Nearest]:
    """Return each side's rows' largest products with the rows it has seen.

    Rows that the same sides have seen are a cell. Each product is formed once, and of
    each cell the largest is kept; a side's largest is that of its cells. So the time
    does not grow with the folds.

    vectors: float32 (n, d); drawings: int (n,), what each row comes from.
    """
    asked = np.unique(np.concatenate([side.asked for side in sides]))
    patterns = np.array([side.seen for side in sides])
    cells, cell_of = np.unique(patterns, axis=1, return_inverse=True)
    best = np.full((2, cells.shape[1], len(asked)), -np.inf, np.float32)
    for cell in np.flatnonzero(cells.any(axis=0)):
        known = np.flatnonzero(cell_of == cell)
        against = vectors[known].T
        for part in grey_features.blocks(len(asked), len(known)):
            products = vectors[asked[part]] @ against
            best[0, cell, part] = products.max(axis=1)
            products[drawings[asked[part], None] == drawings[known]] = -np.inf
            best[1, cell, part] = products.max(axis=1)
    found = []
    for side, seen in zip(sides, cells, strict=True):
        at = np.searchsorted(asked, side.asked)
        found.append(Nearest(*(b[seen][:, at].max(axis=0) for b in best)))
    return found


def count(measure: Measure, closest: Nearest) -> dict[str, Any]:
    """Return how many rows have a near-duplicate, and how close the closest is.

    any: also of the same drawing; other: of other drawings.
    """
    told: dict[str, Any] = {}
    for key in ("any", "other"):
        values = getattr(closest, key)
        best = float(values.max())
        told[key] = int((values >= measure.least).sum())
        told[f"closest_{key}"] = measure.told(best) if np.isfinite(best) else None
    return told


def measure_thresholds(rows: Rows, looks: Looks) -> dict[str, Any]:
    """Return how the thresholds do on these drawings.

    pairs_of_different_children: pairs of drawings (copies 0); taken_for_copies: how
    many of them count as near-duplicates (some may be some); copies_found: how many of
    the `copies` that the augmentation made count as near-duplicates of their drawing.
    """
    originals = np.flatnonzero(rows.copies == 0)
    copies = np.flatnonzero(rows.copies != 0)
    place = np.empty(rows.drawings.max() + 1, np.int64)
    place[rows.drawings[originals]] = originals
    own = place[rows.drawings[copies]]
    children = rows.children[originals]
    taken, found, pairs = {}, {}, 0
    for measure in measures_of(looks):
        first = measure.vectors[originals]
        pairs = taken[measure.name] = found[measure.name] = 0
        for part in grey_features.blocks(len(first), len(first)):
            apart = np.triu(children[part, None] != children, part.start + 1)
            pairs += int(apart.sum())
            close = first[part] @ first.T >= measure.least
            taken[measure.name] += int((close & apart).sum())
        for part in grey_features.blocks(len(copies), measure.vectors.shape[1]):
            a, b = measure.vectors[copies[part]], measure.vectors[own[part]]
            close = np.einsum("nd,nd->n", a, b) >= measure.least
            found[measure.name] += int(close.sum())
    return {
        "pairs_of_different_children": pairs,
        "taken_for_copies": taken,
        "copies": len(copies),
        "copies_found": found,
    }


def list_pairs(
    rows: Rows, looks: Looks, sides: Sequence[Side], found: Sequence[Sequence[Nearest]]
) -> list[dict[str, Any]]:
    """Return the closest near-duplicates of different drawings, the closest first.

    Each pair of drawings once, at most ten by each measure. found: for each measure,
    what `nearest` gave.
    """
    measures = measures_of(looks)
    chosen: dict[tuple[str, ...], dict[str, Any]] = {}
    for measure, closest in zip(measures, found, strict=True):
        listed = 0
        for side, row in _closest_rows(measure, sides, closest):
            products = measure.vectors @ measure.vectors[row]
            allowed = side.seen & (rows.drawings != rows.drawings[row])
            other = int(np.where(allowed, products.round(4), -np.inf).argmax())
            drawings = tuple(sorted((rows.parents[row], rows.parents[other])))
            if drawings not in chosen:
                listed += 1
                chosen[drawings] = _pair(measures, rows, side, row, other)
            if listed == _LISTED:
                break
    return sorted(chosen.values(), key=lambda p: (-p["correlation"], p["hash"]))


def _closest_rows(
    measure: Measure, sides: Sequence[Side], closest: Sequence[Nearest]
) -> list[tuple[Side, int]]:
    """Return (side, row) of the closest near-duplicates, each row once.

    Of a pair of drawings many copies can be close, so more rows than pairs. Products
    are rounded: a · b and b · a may differ in their last bit.
    """
    best: dict[int, tuple[float, Side]] = {}
    for side, near in zip(sides, closest, strict=True):
        for at in np.flatnonzero(near.other >= measure.least):
            row, product = int(side.asked[at]), round(float(near.other[at]), 4)
            if row not in best or product > best[row][0]:
                best[row] = (product, side)
    ranked = sorted(best, key=lambda row: (-best[row][0], row))
    return [(best[row][1], row) for row in ranked[: 20 * _LISTED]]


def _pair(
    measures: Sequence[Measure], rows: Rows, side: Side, row: int, other: int
) -> dict[str, Any]:
    return {
        "fold": side.fold,
        "part": side.part,
        "scored": rows.ids[row],
        "seen": rows.ids[other],
        "children": [rows.names[row], rows.names[other]],
        **{m.name: m.told(float(m.vectors[row] @ m.vectors[other])) for m in measures},
    }
