"""What the processes of a run are doing, looked at from outside while they run."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter as Counts
from dataclasses import dataclass, field
from pathlib import Path

_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Job:
    """The most that was seen of one process of a step."""

    step: str
    started: float
    looks: Counts[str] = field(default_factory=Counts)  # by the thread's number
    at_work: Counts[int] = field(default_factory=Counts)  # looks, by how many ran then
    cpu: float = 0.0
    wall: float = 0.0
    peak: int = 0  # kB of memory

    @property
    def threads(self) -> int:
        """How many threads stayed; a library may start one for a moment."""
        return sum(looks >= 5 for looks in self.looks.values())

    def kept_to(self, threads: int) -> bool:
        """Say whether no more ran, or wanted to, in nine looks of ten.

        One thread still runs for a moment when it has woken the next.
        """
        more = sum(n for ran, n in self.at_work.items() if ran > threads)
        return more <= max(3, self.at_work.total() / 10)


class Counter(threading.Thread):
    """Looks a hundred times a second at the steps that run in a folder.  Needs: /proc.

    A context manager: it looks from its begin to its end. whole: at Snakemake itself,
    too.
    """

    def __init__(self, work: Path, *, whole: bool = False):
        super().__init__(daemon=True)
        self.work, self.whole, self.jobs = work, whole, {}
        self.ended = threading.Event()

    def __enter__(self) -> Counter:
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.ended.set()
        self.join()

    def run(self) -> None:
        while not self.ended.wait(0.01):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    self._look(process)
                except (FileNotFoundError, ProcessLookupError, PermissionError):
                    continue  # it has ended meanwhile

    def _look(self, process: Path) -> None:
        words = (process / "cmdline").read_bytes().split(b"\0")
        steps = [w.decode() for w in words if w.startswith(b"scripts.")]
        if self.whole and words[1:] and words[1].endswith(b"/snakemake"):
            steps = ["its.snakemake"]
        if not steps or (process / "cwd").readlink() != self.work:
            return
        now = time.monotonic()
        job = self.jobs.setdefault(process.name, Job(steps[0].split(".")[1], now))
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        tasks = {task.name: _state(task) for task in (process / "task").iterdir()}
        job.looks.update(tasks.keys())
        job.at_work[sum(state == "R" for state in tasks.values())] += 1
        job.cpu = (int(fields[11]) + int(fields[12])) / _TICK
        job.wall = now - job.started
        found = _PEAK.search((process / "status").read_text())
        job.peak = max(job.peak, int(found[1]) if found else 0)


def _state(task: Path) -> str:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended meanwhile
