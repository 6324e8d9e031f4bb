"""Whether the parts of a split are about as large as was asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from scripts.lib.split.protocols import PARTS, Fold

_FOLDS = 3  # that a warning names


def asked_sizes(drawings: int, folds: int, validation: float) -> dict[str, float]:
    """Return {part: drawings} as `splits.split_groups` is asked."""
    test = drawings / folds
    held = (drawings - test) / round(1 / validation)
    return {"train": drawings - held - test, "validation": held, "test": test}


def tell_uneven(
    folds: Sequence[Fold], groups: Sequence[str], asked: dict[str, float]
) -> str | None:
    """Return a warning of folds that are far from what was asked, or None.

    Far is more than half of what was asked, and more than two groups of the usual size.
    groups: of each row, what stays together.
    """
    sizes = Counter(groups)
    usual = 2 * median(sizes.values())
    told = []
    for j, fold in enumerate(folds):
        found = {part: len(getattr(fold, part)) for part in PARTS}
        if any(abs(found[p] - asked[p]) > max(asked[p] / 2, usual) for p in PARTS):
            parts = ", ".join(
                f"{found[p]} for {p} ({asked[p]:.0f} asked)" for p in PARTS
            )
            told.append(f"fold {j}: {parts}")
    if not told:
        return None
    name, most = max(sizes.items(), key=lambda item: (item[1], item[0]))
    more = len(told) - _FOLDS
    return (
        f"parts are far from what was asked: {'; '.join(told[:_FOLDS])}"
        + (f"; and {more} more folds" if more > 0 else "")
        + f". Groups are dealt whole, and of {len(groups)} drawings in {len(sizes)} "
        f"groups {name!r} has {most}. Leave some of them out (`exclude`), or record "
        "more children; a score of such a fold says little"
    )
