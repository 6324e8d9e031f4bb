"""Step `scaling`: what a step costs over the batch, and a pass over the images."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import engine
from engine.backends.opencl.meter import Meter
from scripts.lib.io import cli, tables
from scripts.lib.io.files import write_csv
from scripts.lib.score.intervals import line_through
from scripts.lib.speed.rounds import Turns, Watch, steps_for, take_turns
from scripts.lib.speed.worker import Runner, ours
from scripts.lib.speed.works import Work, choose, read_benchmarks, read_works

COLUMNS = (
    "work", "over", "n", "batch", "device", "threads", "seconds", "samples_per_second",
    "line", "rounds", "quiet", "note",
)  # fmt: skip

Measured = tuple[int, int, Turns]  # n, batch, seconds by round


def over_batch(
    work: Work, batches: Sequence[int], threads: int, watch: Watch
) -> Iterator[Measured]:
    """Yield the seconds of a step of training for each batch."""
    for batch in batches:
        run = _timed(ours(replace(work, batch=batch), work.device, threads))
        run(2)
        steps = steps_for(run)
        turns = take_turns(watch, [_each(run, steps)])
        yield batch, batch, turns


def over_images(
    work: Work, images: Sequence[int], threads: int, watch: Watch
) -> Iterator[Measured]:
    """Yield the seconds of a pass of `fit` for each number of images.

    Rounded up to whole batches.
    """
    run = _timed(ours(replace(work, what="fit"), work.device, threads))
    for n in images:
        steps = -(-n // work.batch)
        run(steps)
        turns = take_turns(watch, [lambda steps=steps: run(steps)])
        yield steps * work.batch, work.batch, turns


def _timed(run: Runner) -> Callable[[int], float]:
    def seconds(steps: int) -> float:
        begin = time.perf_counter()
        run(steps)
        return time.perf_counter() - begin

    return seconds


def _each(run: Callable[[int], float], steps: int) -> Callable[[], float]:
    return lambda: run(steps) / steps


def rows_of(
    work: Work, over: str, threads: int, measured: Sequence[Measured]
) -> tuple[list[dict[str, Any]], str]:
    """Return the table's lines of one series, and what its line says."""
    numbers = [n for n, _, _ in measured]
    seconds = [statistics.median(turns.values[0]) for _, _, turns in measured]
    a, b = line_through(numbers, seconds)
    apart = [s / (a + b * n) for n, s in zip(numbers, seconds, strict=True)]
    rows = [
        {
            "work": work.name, "over": over, "n": n, "batch": batch,
            "device": work.device, "threads": threads, "seconds": f"{s:.4g}",
            "samples_per_second": f"{n / s:.1f}", "line": f"{off:.3f}",
            "rounds": len(turns.values[0]), "quiet": "no" if turns.said else "yes",
            "note": turns.said,
        }
        for (n, batch, turns), s, off in zip(measured, seconds, apart, strict=True)
    ]  # fmt: skip
    text = (
        f"{work.name} over {over}: {1e3 * a:.3g} ms + {1e6 * b:.4g} µs a sample; the "
        f"measured seconds are {min(apart):.2f} to {max(apart):.2f} of that line"
    )
    return rows, text


def scaling(args: argparse.Namespace) -> None:
    """Measure both series of the listed works; write CSV, Markdown and LaTeX."""
    wanted = read_benchmarks(args.config)["scaling"]
    works = choose(read_works(args.config), args.works or wanted["works"])
    watch = Watch(Meter(engine.open_device("opencl", threads=args.threads)))
    rows, notes = [], []
    for work in works:
        for over, series, sizes in (
            ("batch", over_batch, wanted["batches"]),
            ("images", over_images, wanted["images"]),
        ):
            found = list(series(work, sizes, args.threads, watch))
            lines, text = rows_of(work, over, args.threads, found)
            rows += lines
            notes.append(text)
            print(text, file=sys.stderr, flush=True)
    write_csv(args.output, COLUMNS, rows)
    notes.append(
        "batch: a step of training; images: a pass of `fit`. line: measured seconds "
        "over those of the straight line through the series (relative least squares)."
    )
    shown = [column for column in COLUMNS if column != "note"]
    tables.write_texts(args.output, "Cost over batch and images", shown, rows, notes)


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the folder config/")
    parser.add_argument("--works", nargs="*", help="of config/benchmarks.yaml")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True, help="written, .csv")
    scaling(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
