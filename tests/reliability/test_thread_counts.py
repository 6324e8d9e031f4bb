"""No job uses more threads than it was given: the running ones are counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

from .conftest import copy_with_few_drawings
from .counting import Counter

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc here"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores"),
]
RUN = "results/runs/ignet/depth2-age_months/by-child/seed0/fold0"
BASELINE = "results/data/embedded-drawings/baselines/ignet/by-child"
STEPS = {"images", "augment", "folds", "audit", "baselines", "train", "evaluate"}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return copy_with_few_drawings(tmp_path_factory.mktemp("copy") / "ignetlab")


@pytest.mark.parametrize("device", ["opencl", "threads"])
def test_every_job_keeps_to_its_one_thread(root, tmp_path, device, monkeypatch):
    monkeypatch.setenv("POCL_MAX_PTHREAD_COUNT", "3")  # what a user set for other work
    work = tmp_path / "work"
    work.mkdir()
    with Counter(work) as counter:
        result = Project(root, work).run(
            *("--config", "scale=smoke", f"device={device}", "--"),
            *(f"{RUN}/predictions.csv", f"{BASELINE}/regression-age_months.json"),
        )
    assert result.code == 0, result.output[-4000:]
    jobs = list(counter.jobs.values())
    assert {job.step for job in jobs} >= STEPS
    for job in jobs:
        # A device's one thread works while the program's own waits for it.
        learns = job.step in ("train", "evaluate")
        assert job.threads <= (2 if learns else 1), job
        # The clock of CPU time ticks in hundredths, and we look now and then.
        assert job.cpu <= 1.1 * job.wall + 0.1, job
