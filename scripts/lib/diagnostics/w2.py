"""S0 Figs. 4a and 4b: one layer's range of initial weights times ten.

The same net, data, seeds, order and rate; only the range W^n of one layer differs. S0:
"too small weights ... very poor convergence" against "fast learning ... with testing
and validation MAPE about 0.4%".
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import engine
from engine.diagnostics import mav
from scripts.lib.diagnostics.cases import Case
from scripts.lib.score import intervals

SIDES = ("a", "b")
COLUMNS = (
    "variant", "protocol", "learning_rate", "side", "W", "pass", "n", "published_der_w",
    "der_w", "der_w_sd", "ratio", "in_map", "weights", "der_b", "gradient", "der_w_2",
    "weights_2", "published_mape", "training_mape", "training_mape_sd",
    "validation_mape", "validation_mape_sd", "best_mape", "best_mape_sd", "better",
    "cpu_seconds",
)  # fmt: skip
# What a person reads; the last pass and the first ones.
SHOWN = tuple(c for c in COLUMNS if c not in ("variant", "protocol", "gradient"))
_MEANS = (
    "der_w", "in_map", "weights", "der_b", "gradient", "der_w_2", "weights_2",
    "training_mape", "validation_mape", "best_mape", "cpu_seconds",
)  # fmt: skip
_SPREADS = ("der_w", "training_mape", "validation_mape", "best_mape")


def compare(case: Case, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row per rate, side and pass (0: before the first step), over the seeds.

    A seed that diverges has no row from there on: `n` counts those that are left.
    """
    runs = {}
    for side, factor in zip(SIDES, (1.0, settings["factor"]), strict=True):
        ranges = dict(settings["ranges"])
        W = ranges[settings["raised"]] = factor * ranges[settings["raised"]]
        spec = case.spec_with(ranges)
        for rate, seed in itertools.product(
            settings["learning_rates"], settings["seeds"]
        ):
            rows = _learn(case, spec, seed, rate, settings["passes"])
            runs[rate, side, W, seed] = rows
    rows = []
    for rate, (side, W) in itertools.product(
        settings["learning_rates"], dict.fromkeys((k[1], k[2]) for k in runs)
    ):
        mine = [runs[rate, side, W, seed] for seed in settings["seeds"]]
        for number in range(settings["passes"] + 1):
            here = [run[number] for run in mine if number < len(run)]
            rows.append(_summed_up(here) | {"pass": number, "side": side, "W": W})
            rows[-1] |= {"learning_rate": rate, "variant": case.id}
            if side == "b":
                rows[-1]["better"] = _wins(runs, rate, number)
    _beside(rows, settings)
    return rows


def _learn(
    case: Case, spec: Mapping[str, Any], seed: int, rate: float, passes: int
) -> list[dict[str, Any]]:
    """Return the values at the start and after each pass, until it diverges."""
    network = case.network(seed, 0, spec)
    trainer = case.trainer(network, seed, 0, rate)
    ((x, t),) = case.batches(seed, 0, 1)
    train = case.part(0, "train")
    held_out = case.part(0, "validation")
    seconds, begun = 0.0, 0.0

    def look(validation: float) -> dict[str, Any]:
        first, second = mav(network, x, t).rows[:2]
        return {
            **{k: getattr(first, k) for k in _MEANS if hasattr(first, k)},
            "der_w_2": second.der_w,
            "weights_2": second.weights,
            "training_mape": case.score_on(network, train),
            "validation_mape": validation,
            "best_mape": min([validation, *(row["validation_mape"] for row in rows)]),
            "cpu_seconds": seconds,
        }

    def after_pass(row: Mapping[str, Any]) -> None:
        nonlocal seconds, begun
        seconds += time.process_time() - begun
        rows.append(look(row["validation_score"]))
        begun = time.process_time()

    rows: list[dict[str, Any]] = []
    rows.append(look(case.score_on(network, held_out)))
    begun = time.process_time()
    # Where it diverges the rows end, and `n` says so.
    with contextlib.suppress(engine.NumericsError):
        case.fit(trainer, 0, passes, after_pass)
    return rows


def _summed_up(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return means over the seeds, and sd where it matters."""
    found: dict[str, Any] = {"n": len(rows)}
    for key in _MEANS if rows else ():
        mean, sd = intervals.mean_sd([row[key] for row in rows])
        found[key] = mean
        if key in _SPREADS:
            found[f"{key}_sd"] = sd
    return found


def _wins(runs: Mapping[tuple, list[dict]], rate: float, number: int) -> int:
    """Return in how many seeds side b's best so far is the lower after a pass."""
    best = {
        (side, seed): run[min(number, len(run) - 1)]["best_mape"]
        for (r, side, _, seed), run in runs.items()
        if r == rate
    }
    seeds = {seed for _, seed in best}
    return sum(best["b", seed] < best["a", seed] for seed in seeds)


def _beside(rows: Sequence[dict[str, Any]], settings: Mapping[str, Any]) -> None:
    """Put the published values, and the ratio to side a, beside each row."""
    first = {(r["learning_rate"], r["pass"]): r for r in rows if r["side"] == "a"}
    for row in rows:
        other = first[row["learning_rate"], row["pass"]].get("der_w")
        at = SIDES.index(row["side"])
        if row["pass"] == 0:
            row["published_der_w"] = settings["published"]["der_w"][at]
        if row["pass"] == settings["passes"]:
            row["published_mape"] = settings["published"]["mape"][at]
        if other and "der_w" in row:
            row["ratio"] = row["der_w"] / other


def judged(
    rows: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> Iterator[str]:
    """Yield what the rows say on Figs. 4a and 4b, in words."""
    start = {row["side"]: row for row in rows if row["pass"] == 0}
    a, b = (start[side] for side in SIDES)
    low, high = settings["published"]["der_w"]
    yield (
        f"Layer 1's der_w MAV at the start: {a['der_w']:.6f} and {b['der_w']:.6f}, "
        f"ratio {b['der_w'] / a['der_w']:.2f}; published {low} and {high}, ratio "
        f"{high / low:.2f}."
    )
    for rate in settings["learning_rates"]:
        mine = {
            side: [r for r in rows if (r["learning_rate"], r["side"]) == (rate, side)]
            for side in SIDES
        }
        yield f"Rate {rate:g}: {_which(mine, settings)}"
    finished = [r for r in rows if r["pass"] == settings["passes"] and r["n"]]
    if finished:
        best = min(finished, key=lambda r: r["best_mape"])
        yield (
            f"The lowest validation MAPE in {settings['passes']} passes, mean over the "
            f"seeds: {best['best_mape']:.2f} % (side {best['side']}, rate "
            f"{best['learning_rate']:g}); published about "
            f"{settings['published']['mape'][1]} %."
        )


def _which(mine: Mapping[str, Sequence[Mapping]], settings: Mapping[str, Any]) -> str:
    """Say which side was the more accurate at one rate, and when."""
    last = {side: rows[-1] for side, rows in mine.items()}
    whole = len(settings["seeds"])
    lost = {s: whole - r["n"] for s, r in last.items() if r["n"] < whole}
    if lost:
        told = ", ".join(f"{n} of {whole} on side {s}" for s, n in lost.items())
        return f"trainings diverged: {told}."
    a, b = (last[side]["best_mape"] for side in SIDES)
    wins = last["b"]["better"]
    found = (
        f"best validation MAPE in {settings['passes']} passes {a:.2f} % (a) and "
        f"{b:.2f} % (b), b's is the lower in {wins} of {whole} seeds"
    )
    if 0 < wins < whole:
        return f"{found}: no difference between the ranges is certain."
    quick, slow = ("b", "a") if wins else ("a", "b")
    level = last[slow]["best_mape"]
    first = next(r["pass"] for r in mine[quick] if r["best_mape"] <= level)
    return (
        f"{found}; {quick} is after pass {first} where {slow} is after pass "
        f"{settings['passes']}."
    )
