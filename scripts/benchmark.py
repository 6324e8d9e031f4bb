"""Step `benchmark`: the engine's samples a second beside those of other engines.

Each side is a process of its own that waits while another works. Sides take turns,
round by round; before and after each round a kernel of multiply-adds tells whether the
machine was quiet: a round counts only while it reaches 90 % of the best seen. The ratio
is that of the medians.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import engine
from engine.backends.opencl.meter import Meter
from engine.errors import nearest
from scripts.lib import cli, tables
from scripts.lib.files import write_csv
from scripts.lib.speed.worker import SIDES
from scripts.lib.speed.works import Work, read_works

DEVICES = ("opencl", "threads")
PEERS = tuple(side for side in SIDES if side not in DEVICES)
COLUMNS = (
    "work", "what", "batch", "device", "threads", "ours", "peer", "theirs", "ratio",
    "goal", "reached", "gflops", "share_of_peak", "peak_gflops", "memory_gb_s",
    "rounds", "quiet", "ours_mib", "theirs_mib",
)  # fmt: skip
_ROUNDS, _SECONDS, _QUIET, _PATIENCE = 7, 0.25, 0.9, 4


class BenchmarkError(ValueError):
    """What cannot be measured here."""


class Side:
    """A worker process; see scripts/lib/speed/worker.py."""

    def __init__(self, name: str, work: Work, config: Path, threads: int):
        self.name, self.times, self.peak_mib = name, [], 0.0
        limits = dict.fromkeys(("OMP_NUM_THREADS", "POCL_MAX_PTHREAD_COUNT"))
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "scripts.lib.speed.worker", "--config", config,
                "--work", work.name, "--side", name, "--threads", str(threads),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {name: str(threads) for name in limits},
            text=True,
        )  # fmt: skip
        self._answer()
        self.steps = 1
        while (seconds := self.run()) < _SECONDS:
            self.steps = max(
                self.steps + 1, int(self.steps * min(_SECONDS / seconds * 1.1, 10))
            )

    def _answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise engine.DeviceError(
                f"{self.name}: it ended; what it said stands above"
            )
        return json.loads(line)

    def run(self) -> float:
        """Run the steps of a round and return its seconds."""
        print(json.dumps({"steps": self.steps}), file=self.process.stdin, flush=True)
        answer = self._answer()
        self.peak_mib = answer["peak_mib"]
        return answer["seconds"]

    def median(self, batch: int) -> float:
        """Return samples a second."""
        return batch * self.steps / statistics.median(self.times)

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def measure(
    work: Work, meter: Meter, sides: list[Side]
) -> tuple[list[float], list[float], bool]:
    """Fill the sides' times; return (peaks, bandwidths, whether it was quiet)."""
    peaks, bandwidths = [max(meter.gflops() for _ in range(3))], []
    kept = 0
    for _ in range(_ROUNDS * _PATIENCE):
        around, times = [meter.gflops()], []
        for side in sides:
            times.append(side.run())
            around.append(meter.gflops())
        bandwidths.append(meter.gigabytes())
        peaks += around
        if min(around) < _QUIET * max(peaks):
            continue
        kept += 1
        for side, seconds in zip(sides, times, strict=True):
            side.times.append(seconds)
        if kept == _ROUNDS:
            return peaks, bandwidths, True
    for side in sides:  # too noisy: what there is, and it is said
        while len(side.times) < _ROUNDS:
            side.times.append(side.run())
    return peaks, bandwidths, False


def flops(work: Work) -> float:
    """Return the operations of the plain algorithm for one step, 2 a multiply-add.

    Of a training step: forward, and the gradients by weights and by data of each layer,
    but by the network's input.
    """
    layers = engine.Network.from_spec(work.spec, device="reference").layers
    total = 0
    for layer in layers:
        passes = 1
        if work.what == "train":
            passes = 2 if -1 in layer.sources else 3
        total += passes * layer.multiply_adds()
    return 2.0 * total * work.batch


def row(
    work: Work, device: str, threads: int, meter: Meter, sides: list[Side]
) -> dict[str, Any]:
    """Return one line of the table."""
    peaks, bandwidths, quiet = measure(work, meter, sides)
    ours, *others = sides
    best = max(others, key=lambda side: side.median(work.batch))
    speed, theirs = ours.median(work.batch), best.median(work.batch)
    done = flops(work) * speed / work.batch / 1e9
    peak = max(peaks)
    return {
        "work": work.name, "what": work.what, "batch": work.batch, "device": device,
        "threads": threads, "ours": f"{speed:.1f}", "peer": best.name,
        "theirs": f"{theirs:.1f}", "ratio": f"{speed / theirs:.2f}",
        "goal": f"{work.goal:g}",
        "reached": "yes" if speed / theirs >= work.goal else "no",
        "gflops": f"{done:.1f}", "share_of_peak": f"{done / peak:.3f}",
        "peak_gflops": f"{peak:.1f}",
        "memory_gb_s": f"{statistics.median(bandwidths):.1f}",
        "rounds": len(ours.times), "quiet": "yes" if quiet else "no",
        "ours_mib": f"{ours.peak_mib:.0f}", "theirs_mib": f"{best.peak_mib:.0f}",
    }  # fmt: skip


def benchmark(args: argparse.Namespace) -> None:
    """Measure the chosen works and write the table as CSV, Markdown and LaTeX.

    Raises: BenchmarkError where there is no PyTorch to compare with, or for a work that
    config/benchmarks.yaml does not name.
    """
    if importlib.util.find_spec("torch") is None:
        raise BenchmarkError(
            "the comparison needs PyTorch, which is not installed here; "
            "`make .venv/compare` does it"
        )
    works = read_works(args.config)
    for name in args.works or ():
        if name not in works:
            raise BenchmarkError(
                f"unknown work {name!r}{nearest(name, works)}; known: "
                f"{', '.join(works)}"
            )
    meter = Meter(engine.open_device("opencl", threads=args.threads))
    rows = []
    for name in args.works or works:
        sides: list[Side] = []
        try:
            for side in (args.device, *args.peers):
                sides.append(Side(side, works[name], args.config, args.threads))
            rows.append(row(works[name], args.device, args.threads, meter, sides))
        finally:
            for side in sides:
                side.close()
        found = rows[-1]
        print(
            f"{name}: {found['ours']} samples/s, {found['ratio']} x {found['peer']} "
            f"(goal {found['goal']}), {float(found['share_of_peak']):.0%} of the peak, "
            f"quiet: {found['quiet']}",
            file=sys.stderr,
            flush=True,
        )
    write_csv(args.output, COLUMNS, rows)
    note = (
        f"Samples a second, medians of {_ROUNDS} interleaved rounds; {args.threads} "
        f"threads; {meter.device.name}. gflops: of the plain algorithm (2 a "
        "multiply-add), so Winograd may pass the peak. quiet: the multiply-add kernel "
        f"beside stayed above {_QUIET:.0%} of its best."
    )
    tables.write_texts(args.output, "Speed beside PyTorch", COLUMNS, rows, [note])


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="the folder config/")
    parser.add_argument("--works", nargs="*", help="of config/benchmarks.yaml")
    parser.add_argument("--device", default="opencl", choices=DEVICES)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS[:2]))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, required=True, help="written, .csv")
    benchmark(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
