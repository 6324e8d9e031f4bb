"""Step `benchmark`: the engine beside other engines, and beside its own goals.

What is measured says config/benchmarks.yaml, how scripts/lib/speed/rounds.py. A ratio
is that of the medians; low and high are the least and the greatest of the rounds' own
ratios: for seven rounds a 98 % interval of the median.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import engine
from engine.backends.opencl.meter import Meter
from scripts.lib.io import cli, tables
from scripts.lib.io.files import write_csv
from scripts.lib.speed import counts
from scripts.lib.speed.measure import TORCH, Bench, Found
from scripts.lib.speed.rounds import QUIET, ROUNDS, SideError, Watch
from scripts.lib.speed.works import AT_MOST, Work, choose, read_works

COLUMNS = (
    "work", "what", "batch", "device", "threads", "unit", "ours", "peer", "theirs",
    "ratio", "low", "high", "goal", "reached", "gflops", "share_of_peak",
    "peak_gflops", "gb_s", "share_of_memory", "memory_gb_s", "rounds", "quiet",
    "ours_mib", "theirs_mib", "note",
)  # fmt: skip
_SHOWN = (
    "work", "what", "batch", "device", "threads", "unit", "ours", "peer", "theirs",
    "ratio", "low", "high", "goal", "reached", "share_of_peak", "share_of_memory",
    "rounds", "quiet",
)  # fmt: skip


def row(work: Work, threads: int, found: Found) -> dict[str, Any]:
    """Return one line of the table."""
    turns, peer = found.turns, found.best()
    ours = statistics.median(found.ours)
    line = {
        "work": work.name, "what": work.what, "batch": work.batch or "",
        "device": "" if work.what == "import" else work.device, "threads": threads,
        "unit": found.unit, "ours": f"{ours:.5g}",
        "peak_gflops": f"{turns.peak:.1f}", "memory_gb_s": f"{turns.bandwidth:.1f}",
        "rounds": len(found.ours), "quiet": "no" if turns.said else "yes",
        "ours_mib": _whole(found.mib.get(work.device)),
        "note": "; ".join([*found.notes, turns.said]).strip("; "),
    }  # fmt: skip
    judged = ours
    if peer:
        theirs = found.peers[peer]
        judged = found.ratio(ours, statistics.median(theirs))
        each = [found.ratio(*pair) for pair in zip(found.ours, theirs, strict=True)]
        line |= {
            "peer": peer, "theirs": f"{statistics.median(theirs):.5g}",
            "ratio": f"{judged:.2f}", "low": f"{min(each):.2f}",
            "high": f"{max(each):.2f}", "theirs_mib": _whole(found.mib.get(peer)),
        }  # fmt: skip
    if work.goal is not None:
        at_most = work.what in AT_MOST
        line["goal"] = f"{'<=' if at_most else '>='} {work.goal:g}"
        if peer or work.against == "nothing":
            good = judged <= work.goal if at_most else judged >= work.goal
            believed = not turns.said
            line["reached"] = ("yes" if good else "no") if believed else ""
    if found.rates:
        rate = statistics.median(found.rates) / 1e9
        done, moved = counts.flops(work) * rate, counts.traffic(work) * rate
        line |= {
            "gflops": f"{done:.1f}", "share_of_peak": f"{done / turns.peak:.3f}",
            "gb_s": f"{moved:.2f}", "share_of_memory": f"{moved / turns.bandwidth:.3f}",
        }  # fmt: skip
    return line


def _whole(mib: float | None) -> str:
    return "" if mib is None else f"{mib:.0f}"


def benchmark(args: argparse.Namespace) -> None:
    """Measure the chosen works and write the table as CSV, Markdown and LaTeX.

    A work whose peer is not installed still stands there, alone; the note says so.
    Raises: ValueError for a work that config/benchmarks.yaml does not name.
    """
    works = choose(read_works(args.config), args.works)
    device = engine.open_device("opencl", threads=args.threads)
    watch = Watch(Meter(device))
    bench = Bench(watch, args.config, args.threads, tuple(args.torch))
    rows = []
    for work in works:
        try:
            rows.append(row(work, args.threads, bench.find(work)))
        except SideError as error:
            rows.append({"work": work.name, "what": work.what, "note": str(error)})
        print(_said(rows[-1]), file=sys.stderr, flush=True)
    write_csv(args.output, COLUMNS, rows)
    notes = [
        f"Medians of {ROUNDS} interleaved rounds, {args.threads} threads, "
        f"{device.name}. ratio: ours ÷ theirs, of seconds theirs ÷ ours; low and high: "
        "the least and the greatest of the rounds' own.",
        "share_of_peak: 2 operations a multiply-add of the plain algorithm over what a "
        "kernel of nothing but multiply-adds did beside; Winograd may pass 1.",
        "share_of_memory: bytes that the plain algorithm moves, layer by layer, over "
        "what c = a + 2 b did beside; work that stays in the caches may pass 1.",
        f"quiet: in each round the multiply-add kernel stayed above {QUIET:.0%} of its "
        "quiet peak before and after each turn; elsewhere no goal is judged.",
        *(f"{line['work']}: {line['note']}" for line in rows if line["note"]),
    ]
    tables.write_texts(args.output, "The engine's speed", _SHOWN, rows, notes)


def _said(line: dict[str, Any]) -> str:
    """Return the line of progress of one row."""
    if "ours" not in line:
        return f"{line['work']}: {line['note']}"
    text = f"{line['work']}: {line['ours']} {line['unit']}"
    if line.get("ratio"):
        text += f", {line['ratio']} ({line['low']} … {line['high']}) × {line['peer']}"
    if line.get("goal"):
        text += f", goal {line['goal']}"
    if line.get("share_of_peak"):
        text += f", {float(line['share_of_peak']):.0%} of the peak"
    return f"{text}; quiet: {line['quiet']}{line['note'] and '; '}{line['note']}"


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the folder config/")
    parser.add_argument("--works", nargs="*", help="of config/benchmarks.yaml")
    parser.add_argument("--torch", nargs="+", choices=TORCH, default=list(TORCH))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True, help="written, .csv")
    benchmark(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
