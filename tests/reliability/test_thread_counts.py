"""No job uses more threads than it was given: the running ones are counted."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

from .conftest import copy_with_few_drawings

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc here"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores"),
]
RUN = "results/runs/ignet/depth2-age_months/by-child/seed0/fold0"
BASELINE = "results/data/embedded-drawings/baselines/ignet/by-child"
STEPS = {"images", "augment", "folds", "audit", "baselines", "train", "evaluate"}
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Job:
    """The most that was seen of one process of a step."""

    step: str
    started: float
    threads: int = 0
    cpu: float = 0.0
    wall: float = 0.0


class Counter(threading.Thread):
    """Looks all the time at the steps that run in a folder."""

    def __init__(self, work: Path):
        super().__init__(daemon=True)
        self.work, self.jobs = work, {}
        self.ended = threading.Event()

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
        if not steps or (process / "cwd").readlink() != self.work:
            return
        now = time.monotonic()
        job = self.jobs.setdefault(process.name, Job(steps[0].split(".")[1], now))
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        job.threads = max(job.threads, int(fields[17]))
        job.cpu = (int(fields[11]) + int(fields[12])) / TICK
        job.wall = now - job.started


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return copy_with_few_drawings(tmp_path_factory.mktemp("copy") / "ignetlab")


@pytest.mark.parametrize("device", ["opencl", "threads"])
def test_every_job_keeps_to_its_one_thread(root, tmp_path, device):
    work = tmp_path / "work"
    work.mkdir()
    counter = Counter(work)
    counter.start()
    result = Project(root, work).run(
        *("--config", "scale=smoke", f"device={device}", "--"),
        *(f"{RUN}/predictions.csv", f"{BASELINE}/regression-age_months.json"),
    )
    counter.ended.set()
    counter.join()
    assert result.code == 0, result.output[-4000:]
    jobs = list(counter.jobs.values())
    assert {job.step for job in jobs} >= STEPS
    for job in jobs:
        # A device's one thread works while the program's own waits for it.
        learns = job.step in ("train", "evaluate")
        assert job.threads <= (2 if learns else 1), job
        # The clock of CPU time ticks in hundredths, and we look now and then.
        assert job.cpu <= 1.1 * job.wall + 0.1, job
