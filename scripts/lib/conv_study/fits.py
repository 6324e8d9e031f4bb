"""The formulas of S4 section 2 beside what was measured: lines, and power laws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scripts.lib.score import intervals

COLUMNS = (
    "way", "pass", "quantity", "over", "cases", "n", "constant", "slope", "line_low",
    "line_high", "exponent", "low", "high", "r2", "scale", "seeds", "note",
)  # fmt: skip
SHOWN = tuple(c for c in COLUMNS if c not in ("scale", "seeds"))
ALL = "all"
# Fewer say nothing about a law with two numbers.
_LEAST = 3

Row = dict[str, Any]


def rows_of(measured: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Return the fits of every way and pass; measured: rows of the long table.

    Seconds over the multiply-adds of all cases, and over the calls of S4's formula
    T = BatchSize × F_out × F_in × T_function where T_function is one number: in the
    cases of one size of maps, which most of them have. Storage over its formula.
    """
    found = []
    for way, which in dict.fromkeys((row["way"], row["pass"]) for row in measured):
        mine = [r for r in measured if (r["way"], r["pass"]) == (way, which)]
        for quantity, over, cases, rows in _asked(mine):
            about = {"way": way, "pass": which, "quantity": quantity, "over": over}
            found.append(about | {"cases": cases} | _fit(rows, quantity, over))
    return found


def _asked(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple]:
    """Yield (quantity, over, which cases, their rows) of the fits of one way's pass."""
    timed = [row for row in rows if row.get("seconds")]
    weighed = [row for row in rows if row.get("storage_bytes")]
    size = Counter(row["size"] for row in rows).most_common(1)[0][0]
    same = [row for row in timed if row["size"] == size]
    yield "seconds", "multiply_adds", ALL, timed
    yield "seconds", "calls", f"size {size}", same
    yield "storage_bytes", "formula_bytes", ALL, weighed


def _fit(rows: Sequence[Mapping[str, Any]], quantity: str, over: str) -> Row:
    """Return the columns of constant + slope x, and of the power law c x^exponent."""
    x, y = ([row[key] for row in rows] for key in (over, quantity))
    different = len(set(x))
    if different < _LEAST:
        return {"n": len(rows), "note": f"{different} different {over}: nothing to fit"}
    constant, slope = intervals.line_through(x, y)
    apart = [value / (constant + slope * at) for at, value in zip(x, y, strict=True)]
    law = intervals.power_law(x, y)
    return {
        "n": len(rows),
        "constant": constant,
        "slope": slope,
        "line_low": min(apart),
        "line_high": max(apart),
        "exponent": law.exponent,
        "low": law.interval.low,
        "high": law.interval.high,
        "r2": law.r2,
    }
