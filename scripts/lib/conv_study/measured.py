"""The long table: every way, pass and case with its time, its memory, its formulas."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import threadpoolctl

from scripts.lib.conv_study import memory
from scripts.lib.conv_study.cases import PASSES, Case, cases_of
from scripts.lib.conv_study.timing import Patience, seconds_by_round
from scripts.lib.conv_study.ways import DEVICES, NUMPY, Ways

COLUMNS = (
    "way", "pass", "series", "case", "batch", "maps_in", "maps_out", "size", "kernel",
    "padding", "calls", "multiply_adds", "seconds", "low", "high", "rounds", "clock",
    "given_bytes", "result_bytes", "beside_bytes", "storage_bytes", "formula_bytes",
    "measured_by", "device", "scale", "seeds", "note",
)  # fmt: skip
SHOWN = (
    "way", "pass", "batch", "maps_in", "maps_out", "size", "calls", "multiply_adds",
    "seconds", "low", "high", "rounds", "clock", "beside_bytes", "storage_bytes",
    "formula_bytes", "measured_by", "note",
)  # fmt: skip

Row = dict[str, Any]


def rows_of(asked: Mapping[str, Any]) -> list[Row]:
    """Measure all that is asked; the ways of a case stand one below the other."""
    cases = cases_of(asked)
    rows: list[Row] = []
    # One thread for every way, also where the others are not the engine's.
    with threadpoolctl.threadpool_limits(limits=1, user_api="blas"):
        ways = Ways(asked["ways"])
        patience = Patience(asked["limits"])
        for number, case in enumerate(cases, start=1):
            for which in PASSES:
                rows += _measure(ways, case, which, asked, patience)
            _say(f"{number} of {len(cases)}: {case.name}")
        ways.close()
    for way in DEVICES:
        if way in asked["ways"] and way not in ways.missing:
            _add_memory(way, rows, cases, asked)
            _say(f"memory of {way}")
    return rows


def _measure(
    ways: Ways, case: Case, which: str, asked: Mapping[str, Any], patience: Patience
) -> Iterator[Row]:
    """Yield the rows of one case and pass."""
    seed, notes = asked["seed"], dict(ways.missing)
    calls: dict[str, Callable] = {}
    for way in asked["ways"]:
        notes.setdefault(way, patience.refuses(way, which, case))
        if not notes[way]:
            calls[way] = ways.call(way, case, which, seed)
    clocks = {way: ways.clocks[way][1] for way in calls}
    seconds = seconds_by_round(
        calls, clocks, rounds=asked["rounds"], turn=asked["turn"]
    )
    for way in asked["ways"]:
        row = _about(way, case, which) | {
            "scale": asked["scale"],
            "seeds": seed,
            "note": notes[way],
        }
        if way in calls:
            middle = statistics.median(seconds[way])
            patience.learn(way, which, case, middle)
            row |= {
                "seconds": middle,
                "low": min(seconds[way]),
                "high": max(seconds[way]),
                "rounds": len(seconds[way]),
                "clock": ways.clocks[way][0],
                "device": ways.device_name(way),
            }
        if way in calls and way in NUMPY:
            _set_memory(row, memory.of_arrays(calls[way]), "tracemalloc")
        yield row


def _about(way: str, case: Case, which: str) -> Row:
    return {
        "way": way,
        "pass": which,
        "series": " ".join(case.series),
        "case": case.name,
        "batch": case.batch,
        "maps_in": case.maps_in,
        "maps_out": case.maps_out,
        "size": case.size,
        "kernel": case.kernel,
        "padding": case.padding,
        "calls": case.calls,
        "multiply_adds": case.multiply_adds,
        "given_bytes": case.given_bytes(which),
        "result_bytes": case.result_bytes(which),
        "formula_bytes": case.formula_bytes(way, which),
    }


def _set_memory(row: Row, beside: int, measured_by: str) -> None:
    row["beside_bytes"] = beside
    row["storage_bytes"] = row["result_bytes"] + beside
    row["measured_by"] = measured_by


def _add_memory(
    way: str, rows: Sequence[Row], cases: Sequence[Case], asked: Mapping[str, Any]
) -> None:
    """Measure what a device's kernels take, in the series that are asked for."""
    wanted = [c for c in cases if set(c.series) & set(asked["memory_of"])]
    found = memory.of_kernels(
        way, [(c, p) for c in wanted for p in PASSES], asked["seed"]
    )
    by_name = {(case.name, which): value for (case, which), value in found.items()}
    for row in rows:
        if row["way"] != way:
            continue
        value = by_name.get((row["case"], row["pass"]))
        if isinstance(value, int):
            _set_memory(row, value, "VmHWM")
        else:
            why = value or f"memory: measured of {', '.join(asked['memory_of'])} only"
            row["note"] = "; ".join(filter(None, (row["note"], why)))


def _say(what: str) -> None:
    print(f"[conv_study] {what}", file=sys.stderr, flush=True)
