"""Does leaving out a random portion save time, and does it change the score?

S0 5.5.1: freezeconnect "has made the deepest networks almost as quick to teach as the
shallower ones".
"""

from __future__ import annotations

import contextlib
import statistics as middle
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import engine
from scripts.lib.diagnostics.cases import Case, better
from scripts.lib.io.clock import clock_of
from scripts.lib.score import intervals

COLUMNS = (
    "variant", "depth", "kind", "portion", "protocol", "step_ms", "clock", "rounds",
    "step_ratio", "step_low", "step_high", "saves_step", "score_metric", "part",
    "score", "sd", "n", "diverged", "compared", "reached", "passes", "passes_to_score",
    "seconds_to_score", "time_ratio", "to_shallow", "saves_time",
)  # fmt: skip
SHOWN = tuple(c for c in COLUMNS if c not in ("clock", "rounds", "score_metric"))
KINDS = ("freezeconnect", "dropconnect", "dropout")
NOTHING = ("none", 0.0)
Way = tuple[str, float]  # what is left out, and the portion


def ways_of(portions: Mapping[str, Sequence[float]]) -> list[Way]:
    """Return what is compared: nothing left out, and each kind with its portions."""
    return [NOTHING, *((kind, p) for kind in KINDS for p in portions.get(kind, ()))]


def leaving_out(case: Case, way: Way) -> dict[str, Any]:
    """Return the case's spec in which a portion is left out at every step.

    By the options of its model, which say of which layers; whatever else the variant
    leaves out is not.
    """
    kind, portion = way
    return case.spec_with({k: portion if k == kind else 0 for k in KINDS})


# --- what a step costs ----------------------------------------------------------------


def seconds_a_step(
    case: Case, ways: Sequence[Way], *, rounds: int, steps: int
) -> dict[Way, list[float]]:
    """Return the seconds of a training step, by round; the ways take turns.

    Each round begins with another way.
    """
    _, clock = clock_of(case.device)
    ((x, t),) = case.batches(0, 0, 1)
    trainers = {}
    for way in ways:
        network = case.network(0, 0, leaving_out(case, way))
        # So small a rate that no way leaves the range of numbers; the work is the same.
        trainers[way] = case.trainer(network, 0, 0, learning_rate=1e-9)
        for _ in range(2):  # compiles, and measures tiles
            trainers[way].step(x, t)
    found: dict[Way, list[float]] = {way: [] for way in ways}
    for number in range(rounds):
        turn = number % len(ways)
        for way in [*ways[turn:], *ways[:turn]]:
            begin = clock()
            for _ in range(steps):
                trainers[way].step(x, t)
            found[way].append((clock() - begin) / steps)
    return found


def ratios(times: Mapping[Way, Sequence[float]], way: Way) -> list[float]:
    """Return by round the seconds of one way over those with nothing left out."""
    return [a / b for a, b in zip(times[way], times[NOTHING], strict=True)]


# --- what the learning gives ----------------------------------------------------------


@dataclass(frozen=True)
class Learning:
    """One training: validation scores by pass, and the best of the first passes.

    scores end where it diverged; best: None if that was before `passes`; steps: of a
    pass.
    """

    scores: list[float]
    best: float | None
    steps: int


def learn(
    case: Case, way: Way, seed: int, fold: int, *, passes: int, most: int
) -> Learning:
    """Train one way for `most` passes; the best of the first `passes` is its score.

    So that all are scored after the same number of passes, and those that take longer
    to a score are still seen to come there. The score is the validation part's: the
    test part belongs to the step `evaluate` alone.
    """
    network = started(case, way, seed, fold)
    scores: list[float] = []
    steps = -(-len(case.part(fold, "train").ids) // case.recipe["batch_size"])

    def after_pass(row: Mapping[str, Any]) -> None:
        scores.append(row["validation_score"])

    with contextlib.suppress(engine.NumericsError):
        case.fit(case.trainer(network, seed, fold), fold, most, after_pass)
    if len(scores) < passes:
        return Learning(scores, None, steps)
    return Learning(scores, better(case.metric)(scores[:passes]), steps)


def started(case: Case, way: Way, seed: int, fold: int) -> engine.Network:
    """Return a new network of one way; all ways begin with the same weights.

    A layer more, as dropout is one, would change what is drawn for those behind it.
    """
    plain = case.network(seed, fold, leaving_out(case, NOTHING))
    network = case.network(seed, fold, leaving_out(case, way))
    network.set_parameters(plain.parameters())
    return network


def passes_to(scores: Sequence[float], target: float, metric: str) -> int | None:
    """Return the first pass whose score is `target` or better; None if none is."""
    for number, score in enumerate(scores, start=1):
        if better(metric)(score, target) == score:
            return number
    return None


def row_of(
    case: Case,
    way: Way,
    times: Mapping[Way, Sequence[float]],
    runs: Mapping[Way, Sequence[Learning]],
    tolerance: float,
) -> dict[str, Any]:
    """Return the table's line of one way under one protocol.

    runs: by way the trainings of the same seeds and folds in the same order; a way that
    was only timed is not in it.
    """
    of_rounds = ratios(times, way)
    step = middle.median(times[way])
    row = {
        "variant": case.id,
        "depth": case.depth,
        "kind": way[0],
        "portion": way[1],
        "protocol": case.protocol,
        "score_metric": case.metric,
        "part": "validation",
        "clock": clock_of(case.device)[0],
        "step_ms": 1e3 * step,
        "step_ratio": middle.median(of_rounds),
        "step_low": min(of_rounds),
        "step_high": max(of_rounds),
        "rounds": len(of_rounds),
    }
    if way != NOTHING:
        row["saves_step"] = _all_below_one(of_rounds)
    return row | learning_of(case, way, times, runs, tolerance)


def learning_of(
    case: Case, way: Way, times: Mapping, runs: Mapping, tolerance: float
) -> dict[str, Any]:
    """Return the columns of the learning; none for a way that was only timed."""
    if way not in runs:
        return {}
    sign = 1 if case.metric == "mape" else -1
    compared = 0
    found: dict[str, list] = {"seconds": [], "passes": [], "ratio": []}
    for mine, plain in zip(runs[way], runs[NOTHING], strict=True):
        if not plain.scores:  # it diverged in its first pass
            continue
        compared += 1
        target = better(case.metric)(plain.scores) + sign * tolerance
        took, took_plain = (
            passes_to(run.scores, target, case.metric) for run in (mine, plain)
        )
        found["passes"].append(took)
        if took is None:
            continue
        seconds = took * mine.steps * middle.median(times[way])
        before = took_plain * plain.steps * middle.median(times[NOTHING])
        found["seconds"].append(seconds)
        found["ratio"].append(seconds / before)
    best = [run.best for run in runs[way] if run.best is not None]
    score, sd = intervals.mean_sd(best) if best else (None, None)
    reached = found["ratio"]
    row = {
        "score": score,
        "sd": sd,
        "n": len(runs[way]),
        "diverged": len(runs[way]) - len(best),
        "compared": compared,
        "reached": len(reached),
    }
    if reached:
        row["passes_to_score"] = middle.mean(p for p in found["passes"] if p)
        row["seconds_to_score"] = middle.mean(found["seconds"])
        row["time_ratio"] = middle.mean(reached)
    if way != NOTHING and compared:
        everyone = [*reached, *[float("inf")] * (compared - len(reached))]
        row["saves_time"] = _all_below_one(everyone)
    return row


def _all_below_one(values: Sequence[float]) -> str:
    """Return yes, no, or in how many of the cases."""
    below = sum(value < 1 for value in values)
    if below in (0, len(values)):
        return "yes" if below else "no"
    return f"{below} of {len(values)}"


# --- what S0 claims -------------------------------------------------------------------


def beside_the_shallow(rows: Sequence[dict[str, Any]], shallow: int) -> None:
    """Set `to_shallow`: seconds to the score over the median of the shallow networks'.

    Those of the same task and protocol with at most `shallow` layers and nothing left
    out.
    """
    for row in rows:
        plain = [
            other["seconds_to_score"]
            for other in rows
            if other["kind"] == "none"
            and other["depth"] <= shallow
            and "seconds_to_score" in other
            and all(other[k] == row[k] for k in ("score_metric", "protocol"))
        ]
        if plain and "seconds_to_score" in row:
            row["to_shallow"] = row["seconds_to_score"] / middle.median(plain)


def judged(
    rows: Sequence[Mapping[str, Any]], shallow: int, almost: float
) -> Iterator[str]:
    """Yield what the rows say on S0's claim, in words."""
    frozen = [row for row in rows if row["kind"] == "freezeconnect"]
    steps = {(r["variant"], r["portion"]): r for r in frozen}.values()
    if steps:
        saving = sum(row["saves_step"] == "yes" for row in steps)
        medians = [row["step_ratio"] for row in steps]
        yield (
            f"A step: freezeconnect saves time in {saving} of {len(steps)} pairs of "
            f"variant and portion; the ratio to portion 0 is {min(medians):.2f} ... "
            f"{max(medians):.2f}."
        )
    learned = [row for row in frozen if row.get("compared")]
    yield from _stability(rows)
    if learned:
        saving = sum(row["saves_time"] == "yes" for row in learned)
        never = sum(not row["reached"] for row in learned)
        yield (
            "To the score of portion 0, within the tolerance: freezeconnect saves time "
            f"in every training of {saving} of {len(learned)} lines, and does not "
            f"come there at all in {never}."
        )
    yield from _changes(learned, rows)
    for kind, name in (("none", "without"), ("freezeconnect", "with freezeconnect")):
        lines = [
            row
            for row in rows
            if row["kind"] == kind and row["depth"] > shallow and row.get("compared")
        ]
        deep = [row["to_shallow"] for row in lines if "to_shallow" in row]
        if lines:
            took = f"{middle.median(deep):.2f}" if deep else "no known number of"
            quick = sum(ratio <= almost for ratio in deep)
            yield (
                f"Networks of more than {shallow} layers {name}: {took} times the "
                "seconds that the shallower ones take without (median of the "
                f"{len(deep)} of {len(lines)} lines that came to the score); {quick} "
                f"of {len(lines)} are almost as quick (at most {almost:g} times)."
            )


def _stability(rows: Sequence[Mapping]) -> Iterator[str]:
    """Yield how many trainings diverged, of each kind, if any did."""
    counts = {
        kind: (
            sum(row["diverged"] for row in rows if row["kind"] == kind and "n" in row),
            sum(row["n"] for row in rows if row["kind"] == kind and "n" in row),
        )
        for kind in (NOTHING[0], *KINDS)
    }
    if any(diverged for diverged, _ in counts.values()):
        told = ", ".join(f"{kind} {d} of {n}" for kind, (d, n) in counts.items() if n)
        yield f"Trainings that diverged within the passes: {told}."


def _changes(learned: Sequence[Mapping], rows: Sequence[Mapping]) -> Iterator[str]:
    """Yield by how many points freezeconnect changes the score."""
    plain = {
        (r["variant"], r["protocol"]): r["score"]
        for r in rows
        if r["kind"] == "none" and r.get("score") is not None
    }
    change: dict[tuple, list[float]] = {}
    for row in learned:
        before = plain.get((row["variant"], row["protocol"]))
        if before is not None and row.get("score") is not None:
            group = row["score_metric"], row["protocol"], row["part"]
            change.setdefault(group, []).append(row["score"] - before)
    for (metric, protocol, part), points in change.items():
        yield (
            f"After the same passes freezeconnect changes the {metric} of the {part} "
            f"part under {protocol} by {middle.median(points):+.2f} points (median of "
            f"{len(points)} lines, {min(points):+.2f} ... {max(points):+.2f})."
        )
