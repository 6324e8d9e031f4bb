"""The table of Fig. 4 before and after each pass, beside the bounds of Eqs. (4)-(5a).

S0 5.4.2: "orders of the weights and derivatives at the beginning of learning do not
significantly change further on it. Nor do they greatly depend on the variety of input
samples." A row's `to_start` and its `der_w_low`, `der_w_high` are there to judge that.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import engine
from engine.diagnostics import bounds, mav
from scripts.lib.diagnostics.cases import Case

COLUMNS = (
    "variant", "task", "depth", "protocol", "seed", "pass", "layer", "name",
    "biases", "der_w", "der_w_low", "der_w_high", "to_start", "in_map", "der",
    "weights", "der_b", "convergency", "der_w_mean", "gradient", "W", "verdict",
    "in_max", "in_printed", "in_bound", "der_w_max", "der_w_printed", "der_w_bound",
    "printed", "corrected", "score_metric", "score",
)  # fmt: skip
# What a person reads, of the start and of the last pass.
SHOWN = (
    "variant", "seed", "pass", "layer", "der_w", "der_w_low", "der_w_high", "to_start",
    "in_map", "weights", "der_b", "gradient", "W", "verdict", "der_w_max",
    "der_w_printed", "der_w_bound", "in_max", "in_printed", "in_bound", "score",
)  # fmt: skip
# "Of one order": within a factor of 10 either way.
_ORDER = 10.0
_BOUNDS = (
    "in_max",
    "in_printed",
    "in_bound",
    "der_w_max",
    "der_w_printed",
    "der_w_bound",
)


def follow(
    case: Case, seed: int, *, passes: int, batches: int
) -> tuple[list[dict[str, Any]], str]:
    """Return rows (pass, layer) of one training on fold 0, and the text of Fig. 4.

    Where it diverges the rows end.
    """
    looked_at = case.batches(seed, 0, batches)
    network = case.network(seed, 0)
    start, text = _look(network, looked_at, 0)
    rows, texts = list(start), [f"Before the first step\n\n{text}"]
    begin = {row["name"]: row["der_w"] for row in start}

    def after_pass(row: Mapping[str, Any]) -> None:
        found, text = _look(network, looked_at, row["pass"])
        rows.extend(entry | {"score": row["validation_score"]} for entry in found)
        texts.append(f"After pass {row['pass']}\n\n{text}")

    with contextlib.suppress(engine.NumericsError):
        case.fit(case.trainer(network, seed, 0), 0, passes, after_pass)
    for row in rows:
        at_start = begin[row["name"]]
        row["to_start"] = row["der_w"] / at_start if at_start else None
        row |= {"variant": case.id, "task": case.task["task"], "seed": seed}
        row |= {"score_metric": case.metric, "depth": len(begin)}
    return rows, "\n\n\n".join([texts[0], texts[-1]]) + "\n"


def _look(
    network, looked_at: Sequence[tuple], number: int
) -> tuple[list[dict[str, Any]], str]:
    """Return the rows of all layers of a network as it is, and the table's text."""
    tables = [mav(network, x, t) for x, t in looked_at]
    limits = bounds(network, *looked_at[0])
    rows = []
    for n, (record, limit) in enumerate(
        zip(tables[0].records(), limits, strict=True), start=1
    ):
        spread = [table.rows[n - 1].der_w for table in tables]
        rows.append(
            record
            | {"pass": number, "layer": n, "name": record["layer"]}
            | {"convergency": record["metric"]}
            | {"der_w_low": min(spread), "der_w_high": max(spread)}
            | {key: getattr(limit, key) for key in _BOUNDS}
            | {"printed": _held(limit.der_w_max, limit.der_w_printed)}
            | {"corrected": _held(limit.der_w_max, limit.der_w_bound)}
        )
    return rows, tables[0].text()


def _held(value: float, bound: float) -> str:
    """Return whether a bound holds; single precision may pass it by rounding."""
    return "holds" if value <= bound * (1 + 1e-5) else "fails"


def _diverged(rows: Sequence[Mapping], ends: Sequence[Mapping]) -> Iterator[str]:
    """Yield which trainings did not come to the last pass, and how far they came."""
    came = {(row["variant"], row["seed"]): row["pass"] for row in rows}
    there = {(row["variant"], row["seed"]) for row in ends}
    lost = [
        f"{variant} (seed {seed}) in pass {number + 1}"
        for (variant, seed), number in came.items()
        if (variant, seed) not in there
    ]
    if lost:
        yield f"Diverged at the recipe's rate: {', '.join(lost)}."


def _factor(ratio: float | None) -> float:
    """Return by what factor a value has changed, either way."""
    return max(ratio, 1 / ratio) if ratio else math.inf


def judged(rows: Sequence[Mapping[str, Any]], last: int) -> Iterator[str]:
    """Yield what the rows say on S0's sentences, in words; last: the last pass."""
    ends = [row for row in rows if row["pass"] == last]
    starts = [row for row in rows if row["pass"] == 0]
    counts = {
        verdict: sum(row["verdict"] == verdict for row in starts)
        for verdict in ("slow", "good", "may explode")
    }
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    yield f"At the start, of {len(starts)} layers: {told}."
    yield from _diverged(rows, ends)
    if ends:
        yield _kept(ends, last)
    spreads = [
        row["der_w_high"] / row["der_w_low"] if row["der_w_low"] else math.inf
        for row in starts
    ]
    widest = starts[spreads.index(max(spreads))]
    alike = sum(s <= _ORDER for s in spreads)
    yield (
        f"At the start {alike} of {len(starts)} layers have a der_w that differs by "
        f"less than a factor of {_ORDER:g} between batches; the widest spread is "
        f"×{max(spreads):.3g} ({widest['variant']}, {widest['name']}). S0 5.4.2: nor "
        'do they "greatly depend on the variety of input samples".'
    )
    within = sum(_held(row["in_max"], row["in_printed"]) == "holds" for row in rows)
    yield f"The bound of Eq. (4) as printed holds in {within} of {len(rows)} rows."
    for key, name in (("printed", "as printed"), ("corrected", "corrected")):
        held = sum(row[key] == "holds" for row in rows)
        yield (
            f"The bounds of Eqs. (5), (5a) {name} hold in {held} of {len(rows)} rows."
        )


def _kept(ends: Sequence[Mapping[str, Any]], last: int) -> str:
    """Say in how many layers the order is that of the start."""
    change = [_factor(row["to_start"]) for row in ends]
    kept = sum(c <= _ORDER for c in change)
    most = ends[change.index(max(change))]
    return (
        f"After pass {last}, {kept} of {len(ends)} layers have a der_w within a factor "
        f"of {_ORDER:g} of that at the start; the largest change is "
        f"×{most['to_start'] or 0:.3g} ({most['variant']}, {most['name']}). S0 5.4.2: "
        'orders "do not significantly change".'
    )
