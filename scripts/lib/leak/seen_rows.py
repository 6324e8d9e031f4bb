"""The rows of an augmented set, and which were seen before others are scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts.lib.data import image_arrays
from scripts.lib.split.protocols import Folds, part_rows

SCORED_PARTS = ("validation", "test")


@dataclass(frozen=True)
class Rows:
    """The augmented set: n rows with the drawing and the child that each comes from.

    images: uint8 (n, h, w); copies: int (n,), 0 for the drawing itself; drawings,
    children, pictures: int (n,), equal where the drawing, the child, or every pixel is
    the same; parents, names: what drawing and child are called.
    """

    ids: Sequence[str]
    parents: Sequence[str]
    names: Sequence[str]
    copies: np.ndarray
    images: np.ndarray
    drawings: np.ndarray
    children: np.ndarray
    pictures: np.ndarray


@dataclass(frozen=True)
class Side:
    """One part of one fold: its rows, int (m,), and what was seen before, bool (n,)."""

    fold: int
    part: str
    asked: np.ndarray
    seen: np.ndarray


def read_rows(augmented: Path) -> Rows:
    """Read an augmented set (see scripts.augment)."""
    rows = image_arrays.read_rows(augmented, needed=image_arrays.COPIES)
    images, copies = rows["images"], rows["copy"]
    ids, parents, names = (rows[k].tolist() for k in ("ids", "parent", "child"))
    return Rows(
        ids,
        parents,
        names,
        copies,
        images,
        drawings=_codes(np.array(parents)),
        children=_codes(np.array(names)),
        pictures=_codes(_whole(images)),
    )


def _codes(values: np.ndarray) -> np.ndarray:
    return np.unique(values, return_inverse=True)[1]


def _whole(images: np.ndarray) -> np.ndarray:
    """Return (n,): each picture's bytes as one value."""
    flat = np.ascontiguousarray(images).reshape(len(images), -1)
    return flat.view(np.dtype((np.void, flat.shape[1]))).ravel()


def sides_of(folds: Folds, rows: Rows, *, carried: bool) -> Iterator[Side]:
    """Yield every scored part of every fold, with what was seen before it.

    Seen before the validation part: the rows that are learned; before the test part:
    also the validation rows, as they choose the pass that is kept. carried: weights go
    from fold to fold, so the rows learned in the folds before count too.
    """
    learned = np.zeros(len(rows.ids), bool)
    for number in range(len(folds.folds)):
        train, validation, test = (
            part_rows(
                folds,
                number,
                part,
                ids=rows.ids,
                parents=rows.parents,
                copies=rows.copies,
            )
            for part in ("train", *SCORED_PARTS)
        )
        learned = learned.copy() if carried else np.zeros(len(rows.ids), bool)
        learned[train] = True
        seen = learned.copy()
        seen[validation] = True
        yield Side(number, "validation", validation, learned)
        yield Side(number, "test", test, seen)
