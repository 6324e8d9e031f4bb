"""The one way to measure: sides in turns, round by round, on a machine that is quiet.

Before and after each turn a kernel of multiply-adds is launched nine times in a row,
some 30 ms; the median launch is the reading. Another process that wants to work takes
its share of these, too: they last longer than a scheduler's slice. The quiet peak is
the 0.95-quantile of the readings' best launches, so neither one lucky launch nor a
machine that is busy most of the time sets it. A round counts if none of its readings is
below 90 % of the quiet peak; any other is repeated, up to three times as many in all.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.backends.opencl.meter import Meter
from scripts.lib.speed.works import Work

ROUNDS, QUIET = 7, 0.9
_PATIENCE, _SECONDS, _LAUNCHES, _FIRST = 3, 0.25, 9, 15


class SideError(RuntimeError):
    """A side that cannot do its work; the text says why."""


class Watch:
    """Tells whether the machine is quiet, and what its limits are."""

    def __init__(self, meter: Meter):
        self.meter, self._bests = meter, []
        for _ in range(_FIRST):
            self.read()

    @property
    def peak(self) -> float:
        """The quiet peak, 10^9 operations a second."""
        return float(np.quantile(self._bests, 0.95, method="lower"))

    def read(self) -> float:
        """Take one reading: the median of a few launches in a row."""
        launches = [self.meter.gflops() for _ in range(_LAUNCHES)]
        self._bests.append(max(launches))
        return statistics.median(launches)


@dataclass(frozen=True)
class Turns:
    """What was measured: values[side][round], and under which conditions.

    said: why it was not quiet, empty if it was; peak: 10^9 operations a second;
    bandwidth: 10^9 bytes a second.
    """

    values: list[list[Any]]
    said: str
    peak: float
    bandwidth: float


def take_turns(
    watch: Watch,
    runs: Sequence[Callable[[], Any]],
    rounds: int = ROUNDS,
    most: int = _PATIENCE * ROUNDS,
) -> Turns:
    """Run each of `runs` in turn, `rounds` times on a quiet machine.

    Where `most` rounds do not bring so many quiet ones, those with the highest readings
    are taken, and that is said.
    """
    done: list[tuple[float, float, list[Any]]] = []  # lowest reading, bandwidth, values
    quiet: list[tuple] = []
    while len(quiet) < rounds and len(done) < most:
        lowest, values = watch.read(), []
        for run in runs:
            values.append(run())
            lowest = min(lowest, watch.read())
        done.append((lowest, watch.meter.gigabytes(), values))
        quiet = [entry for entry in done if entry[0] >= QUIET * watch.peak]
    said = ""
    if len(quiet) < rounds:
        middle = statistics.median(entry[0] for entry in done) / watch.peak
        said = (
            f"{len(quiet)} of {len(done)} rounds were quiet, {rounds} are needed; the "
            f"lowest reading of a round was {middle:.0%} of the peak in the median"
        )
    kept = sorted(done, key=lambda entry: -entry[0])[:rounds] if said else quiet
    by_side = [list(values) for values in zip(*(e[2] for e in kept), strict=True)]
    bandwidth = statistics.median(entry[1] for entry in kept)
    return Turns(by_side, said, watch.peak, bandwidth)


def steps_for(run: Callable[[int], float]) -> int:
    """Return how many steps make a turn long enough; run(steps) gives seconds.

    The first steps do not count: they compile, and measure tiles.
    """
    run(2)
    steps = 1
    while (seconds := run(steps)) < _SECONDS:
        steps = max(steps + 1, int(steps * min(_SECONDS / seconds * 1.1, 10)))
    return steps


class Side:
    """A worker process that waits while others work; see scripts/lib/speed/worker.py.

    Raises: SideError with what it said when it cannot go on.
    """

    def __init__(self, work: Work, name: str, config: Path, threads: int):
        limits = dict.fromkeys(("OMP_NUM_THREADS", "POCL_MAX_PTHREAD_COUNT"))
        self.label = name if threads > 1 else f"{name}, 1 thread"
        self.steps, self.peak_mib = 1, 0.0
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "scripts.lib.speed.worker", "--config", config,
                "--work", work.name, "--side", name, "--threads", str(threads),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {limit: str(threads) for limit in limits},
            text=True,
        )  # fmt: skip
        self.ask(None)

    def ask(self, n: int | None) -> dict[str, Any]:
        """Have it run n (None: nothing) and return its answer."""
        try:
            if n is not None:
                print(json.dumps({"n": n}), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer = json.loads(line or '{"failed": "it ended without a word"}')
        if "failed" in answer:
            self.close()
            raise SideError(f"{self.label}: {answer['failed']}")
        self.peak_mib = answer["peak_mib"]
        return answer

    def seconds(self, n: int) -> float:
        """Have it run n steps and return the seconds."""
        return self.ask(n)["seconds"]

    def warm(self) -> None:
        """Run until the number of steps of a turn is known."""
        self.steps = steps_for(self.seconds)

    def turn(self) -> float:
        """Run the steps of a turn and return the steps a second."""
        return self.steps / self.seconds(self.steps)

    def close(self) -> None:
        """End the process."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
