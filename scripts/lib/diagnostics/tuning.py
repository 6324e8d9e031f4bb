"""Restarts with other ranges until every layer is in the band, and what they are worth.

S0 5.4.2 finds the ranges by hand; `engine.diagnostics.tune` does it by itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import engine
from engine.diagnostics import Tuning, mav, tune
from engine.diagnostics.mav import range_of, weighted
from scripts.lib.diagnostics.cases import Case, better

COLUMNS = (
    "variant", "task", "depth", "protocol", "seed", "layer", "name", "W_before",
    "W_after", "factor", "der_w_before", "verdict_before", "der_w_after",
    "verdict_after", "restarts", "outcome", "score_metric", "score_before",
    "rate_before", "score_after", "rate_after", "passes",
)  # fmt: skip
SHOWN = tuple(c for c in COLUMNS if c not in ("task", "protocol", "score_metric"))


def restart(
    case: Case,
    seed: int,
    *,
    restarts: int,
    passes: int,
    rate_factors: Sequence[float],
) -> list[dict[str, Any]]:
    """Return a row per layer: range and der_w before and after, and both learnings.

    rate_factors: times the recipe's rate, which was chosen for the ranges of the
    model's file; of each side's trainings at these rates the best counts.
    """
    ((x, t),) = case.batches(seed, 0, 1)
    plain, tuned = case.network(seed, 0), case.network(seed, 0)
    weights = plain.parameters()
    ranges = [range_of(e, weights[f"{e.name}.weight"]) for e in weighted(plain)]
    before = mav(plain, x, t).rows
    reached = tune(tuned, x, t, restarts=restarts)
    learned = [
        _best(case, network, seed, passes, rate_factors) for network in (plain, tuned)
    ]
    about = {
        "variant": case.id,
        "task": case.task["task"],
        "depth": len(before),
        "seed": seed,
        "restarts": reached.starts - 1,
        "outcome": outcome(reached),
        "score_metric": case.metric,
        "score_before": learned[0][0],
        "rate_before": learned[0][1],
        "score_after": learned[1][0],
        "rate_after": learned[1][1],
    }
    return [
        {
            **about,
            "layer": n,
            "name": old.layer,
            "W_before": W,
            "W_after": reached.W[old.layer],
            "factor": reached.factors[old.layer],
            "der_w_before": old.der_w,
            "verdict_before": old.verdict,
            "der_w_after": new.der_w,
            "verdict_after": new.verdict,
        }
        for n, (old, new, W) in enumerate(
            zip(before, reached.table.rows, ranges, strict=True), start=1
        )
    ]


def outcome(reached: Tuning) -> str:
    """Return "in the band", or which layers cannot be brought there."""
    if not reached.outside:
        return "in the band"
    return f"not in the band: {', '.join(reached.outside)}"


def _best(
    case: Case, network, seed: int, passes: int, rate_factors: Sequence[float]
) -> tuple[float | None, float | None]:
    """Return the best validation score and the rate it was learned at.

    None where all trainings diverge. The network ends with what was learned last.
    """
    (settings,) = case.recipe["optimizer"].values()
    start, found = network.parameters(), []
    for factor in rate_factors:
        rate = factor * settings["learning_rate"]
        network.set_parameters(start)
        # One that diverges counts as far as it came.
        with contextlib.suppress(engine.NumericsError):
            case.fit(
                case.trainer(network, seed, 0, rate),
                0,
                passes,
                lambda row, rate=rate: found.append((row["validation_score"], rate)),
            )
    if not found:
        return None, None
    return better(case.metric)(found, key=lambda pair: pair[0])


def judged(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what the rows say, in words."""
    trainings = {(row["variant"], row["seed"]): row for row in rows}.values()
    inside = [row for row in trainings if row["outcome"] == "in the band"]
    most = max(row["restarts"] for row in trainings)
    yield (
        f"{len(inside)} of {len(trainings)} networks came into the band, with at most "
        f"{most} restarts."
    )
    pairs = [
        (row, row["score_before"], row["score_after"])
        for row in trainings
        if row["score_before"] is not None and row["score_after"] is not None
    ]
    won = sum(
        before != after and better(row["score_metric"])(before, after) == after
        for row, before, after in pairs
    )
    yield (
        f"Each at the best of its rates, {won} of {len(pairs)} learn better with the "
        f"tuned ranges; in {len(trainings) - len(pairs)} more one side diverged at all."
    )
