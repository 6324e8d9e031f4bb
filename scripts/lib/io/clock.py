"""What a process has taken: seconds on the wall and of its threads, and memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable


class Clock:
    """Runs from when it is made.

    seconds: on the wall, what else the machine does counts too; cpu_seconds: that this
    process computed or waited busily, all of its threads summed.
    """

    def __init__(self):
        self._begin = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        """Return {"seconds": s, "cpu_seconds": c} since the beginning."""
        wall, cpu = self._begin
        return {
            "seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
        }


def clock_of(device) -> tuple[str, Callable[[], float]]:
    """Return the name of the clock for what an engine's device does, and the clock.

    On a CPU the time that the process's threads have worked, which other processes
    disturb the least; on another device the time that passes.
    """
    if device.kind == "gpu":
        return "wall", time.perf_counter
    return "CPU", time.process_time


def peak_bytes() -> int:
    """Return the most memory that this process has had at once (resident)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
