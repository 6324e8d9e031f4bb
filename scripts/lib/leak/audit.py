"""The leak audit: what of the scored rows was seen before they are scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.leak import grey_features, row_matches, turned_matches
from scripts.lib.leak.seen_rows import Rows, Side, read_rows, sides_of
from scripts.lib.split.protocols import load_folds

CLEAN, BY_DESIGN = "clean", "leaks by design"
_NAMED = 5  # places, and pairs at each, that an error names


class AuditError(ValueError):
    """A protocol that must not leak and does."""


def audit(
    augmented: Path, labels: Path, folds: Path, protocol: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what the audit of one protocol found, as JSON holds it.

    protocol: of its file the keys unit, leaks, weights and reported.
    Raises: SplitError for folds that are not what they say; AuditError where a
    protocol that must not leak does (see `judge`).
    """
    dealt = load_folds(folds, labels)
    rows = read_rows(augmented)
    sides = list(sides_of(dealt, rows, carried=protocol["weights"] == "carried"))
    level = judge(dealt.protocol, protocol, rows, sides)
    originals = rows.copies == 0
    mean = rows.images[originals].mean(axis=0, dtype=np.float64)
    looks = grey_features.looks_of(rows.images, mean)
    measures = row_matches.measures_of(looks)
    closest = [row_matches.nearest(m.vectors, rows.drawings, sides) for m in measures]
    return {
        "dataset": dealt.dataset,
        "protocol": dealt.protocol,
        "augmentation": augmented.stem,
        "level": level,
        **{key: protocol[key] for key in ("unit", "leaks", "weights", "reported")},
        "rows": len(rows.ids),
        "drawings": int(originals.sum()),
        "children": len(set(rows.names)),
        "near_duplicates": {
            "correlation": grey_features.CORRELATION,
            "hash_distance": grey_features.HASH_DISTANCE,
            **row_matches.measure_thresholds(rows, looks),
            "pairs": row_matches.list_pairs(rows, looks, sides, closest),
            # Only where they are a fault: where all may leak they are among many.
            "turned": []
            if protocol["leaks"]
            else turned_matches.list_turned(rows, sides),
        },
        "scored": [
            {
                **shared(rows, side),
                **{
                    m.name: row_matches.count(m, found[i])
                    for m, found in zip(measures, closest, strict=True)
                },
            }
            for i, side in enumerate(sides)
        ],
    }


def shared(rows: Rows, side: Side) -> dict[str, Any]:
    """Count the scored rows that were seen: the row, its drawing, its child.

    identical_other: rows that agree in every pixel with a seen row of another drawing.
    """
    return {
        "fold": side.fold,
        "part": side.part,
        "rows": len(side.asked),
        "seen": int(side.seen.sum()),
        "same_row": int(side.seen[side.asked].sum()),
        "same_drawing": len(_met(rows.drawings, side)),
        "same_child": len(_met(rows.children, side)),
        "identical_other": len(identical(rows, side)),
    }


def identical(rows: Rows, side: Side) -> list[tuple[int, int]]:
    """Return (scored row, seen row) of other drawings that agree in every pixel.

    One seen row for each scored row.
    """
    met = _met(rows.pictures, side)
    seen = np.flatnonzero(side.seen)
    seen = seen[np.isin(rows.pictures[seen], rows.pictures[met])]
    pairs = []
    for row in met.tolist():
        same = seen[rows.pictures[seen] == rows.pictures[row]]
        others = same[rows.drawings[same] != rows.drawings[row]]
        pairs += [(row, int(others[0]))] if len(others) else []
    return pairs


def judge(
    name: str, protocol: Mapping[str, Any], rows: Rows, sides: Sequence[Side]
) -> str:
    """Return the level of a protocol: BY_DESIGN or CLEAN.

    One whose file says `leaks: true` may share what it likes. Any other shares no
    drawing, nor, where children are dealt, a child; and no picture, pixel by pixel,
    under another drawing's name: that is one drawing filed twice.

    Pictures that only look alike are no failure: two children's sheets with one short
    line each look alike, and are two drawings. They are counted and named.
    Raises: AuditError naming protocol, folds and pairs.
    """
    if protocol["leaks"]:
        return BY_DESIGN
    kind = "child" if protocol["unit"] == "child" else "drawing"
    problems = []
    for side in sides:
        where = f"fold {side.fold}, {side.part}"
        both = _shared_pairs(rows, side, kind)
        if both:
            problems.append(
                f"{where}: {len(both)} rows are of a {kind} that was seen before: "
                f"{_named(rows, both)}. Expected every {kind} on one side only; make "
                "the folds anew, do not edit them by hand"
            )
        twins = identical(rows, side)
        if twins:
            problems.append(
                f"{where}: {len(twins)} rows agree in every pixel with a row of "
                f"another drawing that was seen before: {_named(rows, twins)}. "
                "Expected one name for one picture; leave one of the two out"
            )
    if problems:
        more = len(problems) - _NAMED
        raise AuditError(
            f"leak audit: FAIL: the protocol {name} says leaks: false, unit: "
            f"{protocol['unit']}, and leaks; nothing is trained under it. "
            + "; ".join(problems[:_NAMED])
            + (f"; and {more} more places" if more > 0 else "")
        )
    return CLEAN


def _met(codes: np.ndarray, side: Side) -> np.ndarray:
    """Return the scored rows whose code a seen row has, too."""
    return side.asked[np.isin(codes[side.asked], codes[side.seen])]


def _shared_pairs(rows: Rows, side: Side, kind: str) -> list[tuple[int, int]]:
    """Return (scored row, the first seen row of the same drawing or child)."""
    codes = rows.children if kind == "child" else rows.drawings
    first = {codes[row]: int(row) for row in np.flatnonzero(side.seen)[::-1]}
    return [(int(row), first[codes[row]]) for row in _met(codes, side)]


def _named(rows: Rows, pairs: Sequence[tuple[int, int]]) -> str:
    told = [
        f"{rows.ids[a]} (child {rows.names[a]}) and {rows.ids[b]} (child "
        f"{rows.names[b]})"
        for a, b in pairs[:_NAMED]
    ]
    more = len(pairs) - len(told)
    return ", ".join(told) + (f", and {more} more" if more else "")
