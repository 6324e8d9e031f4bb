"""No job uses more threads than it was given: the running ones are counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

from .conftest import copy_with_few_drawings
from .counting import Counter, Job

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc here"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores"),
]
RUN = "results/runs/ignet/depth2-age_months/by-child/seed0/fold0"
RUNG = "results/runs/cifar-vgg08/rung/official/seed0/fold0"
BASELINE = "results/data/embedded-drawings/baselines/ignet/by-child"
STEPS = {"images", "augment", "folds", "audit", "baselines", "train", "evaluate"}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return copy_with_few_drawings(tmp_path_factory.mktemp("copy") / "ignetlab")


def jobs_of(root: Path, work: Path, device: str, *targets: str) -> list[Job]:
    """Run on two cores, and count what each step had."""
    work.mkdir()
    with Counter(work) as counter:
        result = Project(root, work).run(
            *("--config", "scale=smoke", f"device={device}", "--", *targets)
        )
    assert result.code == 0, result.output[-4000:]
    return list(counter.jobs.values())


@pytest.fixture
def other_work(monkeypatch):
    """What a user has set for other work on the machine."""
    monkeypatch.setenv("POCL_MAX_PTHREAD_COUNT", "4")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")


@pytest.mark.usefixtures("other_work")
@pytest.mark.parametrize("device", ["opencl", "threads"])
def test_every_job_keeps_to_its_one_thread(root, tmp_path, device):
    targets = f"{RUN}/predictions.csv", f"{BASELINE}/regression-age_months.json"
    jobs = jobs_of(root, tmp_path / "work", device, *targets)
    assert {job.step for job in jobs} >= STEPS
    for job in jobs:
        # A device's one thread works while the program's own waits for it.
        learns = job.step in ("train", "evaluate")
        assert job.threads <= (2 if learns else 1), job
        assert job.kept_to(1), job


@pytest.mark.usefixtures("other_work")
@pytest.mark.parametrize("device", ["opencl", "threads"])
def test_a_job_of_two_threads_keeps_to_them(root, tmp_path, device):
    """The rungs of a ladder take all cores that Snakemake may use, up to eight.

    The device and BLAS have two threads each, which are never at work at once.
    """
    jobs = jobs_of(root, tmp_path / "work", device, f"{RUNG}/predictions.csv")
    learning = [job for job in jobs if job.step in ("train", "evaluate")]
    assert len(learning) == 2
    for job in jobs:
        assert job.kept_to(2 if job in learning else 1), job
