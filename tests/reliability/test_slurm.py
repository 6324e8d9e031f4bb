"""The drawings study on a real SLURM of one machine: the same bytes as without it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import copy_with_few_drawings, environment, outcome, same_device, started
from .slurm.cluster import NODES, Cluster, obstacle

pytestmark = pytest.mark.reliability

SMOKE = ("--config", "scale=smoke", "experiments=[ignet]")
TABLE = "results/tables/ignet.csv"
# Two of its six trainings, with their scores. In a job of SLURM's the plug-in starts a
# Snakemake for each of ours, about 4 s of a CPU.
TWO = [
    f"results/runs/ignet/{training}/seed0/fold1/predictions.csv"
    for training in ("depth2-age_months/paper", "depth2-age_years/by-child")
]
# A node has two CPUs. Six trainings in threes are as many jobs as there are nodes.
SMALL = ("--cores", "2", "--group-components", "training=3", "baselines=2")
PLUG_IN = (
    *("--workflow-profile", "slurm", "--seconds-between-status-checks", "2"),
    *("--slurm-init-seconds-before-status-checks", "3"),
)
SBATCH = ("--workflow-profile", "sbatch", "--seconds-between-status-checks", "1")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A copy of the project; the folder's name has a space."""
    return copy_with_few_drawings(tmp_path_factory.mktemp("a copy") / "ignetlab")


@pytest.fixture(scope="module")
def local(root, tmp_path_factory) -> Path:
    """Where the study was run without SLURM."""
    for plug_in in ("slurm", "cluster_generic"):
        if not importlib.util.find_spec(f"snakemake_executor_plugin_{plug_in}"):
            pytest.skip(f"no executor plug-in {plug_in}: make .venv/cluster")
    reason = obstacle()
    if reason:
        pytest.skip(reason)
    work = tmp_path_factory.mktemp("local")
    finish(begin(root, work, "--cores", "2"))
    return work


@pytest.fixture
def work(local, tmp_path) -> Path:
    """Where the data are made, and nothing is trained yet."""
    work = tmp_path / "work"
    shutil.copytree(local / "results/data", work / "results/data")
    shutil.copytree(local / ".snakemake/metadata", work / ".snakemake/metadata")
    return work


@contextmanager
def running(database: bool = False) -> Iterator[Cluster]:
    """A cluster that is stopped whatever happens."""
    reason = obstacle(database)
    if reason:
        pytest.skip(reason)
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="ignetlab-slurm-")))
    cluster.start(database)
    try:
        yield cluster
    finally:
        cluster.stop()
        assert cluster.processes() == []


def begin(
    root: Path,
    work: Path,
    *arguments: str,
    cluster: Cluster | None = None,
    targets: Sequence[str] = (TABLE,),
) -> subprocess.Popen:
    """Start a run of the study, as a user of the cluster would."""
    program = Path(sys.executable).parent / "snakemake"
    command = [program, "--snakefile", root / "Snakefile", "--directory", work]
    return started(
        [*map(str, command), *SMOKE, same_device(), *arguments, "--", *targets],
        env=environment(**(cluster.variables if cluster else {})),
        cwd=work.parent,
        stdin=subprocess.DEVNULL,
    )


def finish(process: subprocess.Popen) -> str:
    """Wait for the end of a run that must go well; return the end of what it said."""
    try:
        output, _ = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"no end in sight:\n{process.communicate()[0][-4000:]}")
    assert process.returncode == 0, output[-4000:]
    return output


def assert_same(
    root: Path, work: Path, local: Path, targets: Sequence[str] = (TABLE,)
) -> None:
    """Same bytes as there; and a run without SLURM finds nothing left to do."""
    for part in ("results/runs", "results/tables"):
        ours, theirs = outcome(work / part), outcome(local / part)
        assert [name for name in ours if ours[name] != theirs.get(name)] == []
    data = [path for path in (work / "results/data").rglob("*") if path.is_file()]
    named = [(path, local / path.relative_to(work)) for path in data]
    assert [a for a, b in named if a.read_bytes() != b.read_bytes()] == []
    plan = begin(root, work, "--cores", "2", "--dry-run", targets=targets)
    assert "Nothing to be done" in finish(plan)


def test_the_plug_in_gives_the_same_bytes_on_two_nodes(root, local, work):
    with running() as cluster:
        finish(begin(root, work, *PLUG_IN, *SMALL, cluster=cluster))
        jobs = cluster.jobs()
    # Six trainings and their scores in two jobs, the table in another.
    assert [job["state"] for job in jobs] == ["COMPLETED"] * 3
    assert {job["node"] for job in jobs} == set(NODES)
    assert_same(root, work, local)


def test_with_a_database_and_a_gpu_for_a_training(root, local, work):
    with running(database=True) as cluster:
        sacct = ("--slurm-status-command", "sacct", *SMALL[:2])
        # All in one job, or one each.
        gpu = ("--set-resources", "train_2_folds:gpu=1", "--group-components")
        for grouped, targets in (("training=2", TWO), ("training=1", TWO)):
            for fold in targets:
                shutil.rmtree((work / fold).parents[1], ignore_errors=True)
            options = (*PLUG_IN, *sacct, *gpu, grouped)
            finish(begin(root, work, *options, cluster=cluster, targets=targets))
        columns = "state,alloctres,start,end"
        text = cluster.call("sacct", "-X", "-n", "-P", "-o", columns)
    jobs = [line.split("|") for line in text.splitlines()]
    assert [job[0] for job in jobs] == ["COMPLETED"] * 3
    # Two trainings in one job take turns on its GPU; two jobs do on the only one.
    assert all("gres/gpu=1" in job[1].split(",") for job in jobs)
    first, second = sorted(jobs[1:], key=lambda job: job[2])
    assert first[3] <= second[2], "two trainings had the GPU at once"
    assert_same(root, work, local, TWO)


def test_plain_sbatch_gives_the_same_bytes_on_two_nodes(root, local, tmp_path):
    work = tmp_path / "work"
    with running() as cluster:
        gpu = ("--set-resources", "table:gpu=1")
        finish(begin(root, work, *SBATCH, *gpu, *SMALL, cluster=cluster))
        jobs = cluster.jobs()
        asked = cluster.call("scontrol", "--oneliner", "show", "jobs").splitlines()
    assert {job["state"] for job in jobs} == {"COMPLETED"}
    assert {job["node"] for job in jobs} == set(NODES)
    assert sum("TresPerJob=gres:gpu:1" in job for job in asked) == 1
    assert_same(root, work, local)


def test_a_node_that_dies_costs_its_jobs_and_no_result(root, local, work):
    dies = NODES[0]
    with running() as cluster:
        options = (*PLUG_IN, *SMALL[:2], "--group-components", "training=1")
        run = begin(root, work, *options, cluster=cluster, targets=TWO)

        def trains() -> bool:
            there = [j for j in cluster.jobs() if j["node"] == dies]
            return any(j["state"] == "RUNNING" for j in there) and any(
                (work / "logs/train").rglob("*.log")
            )

        def is_gone() -> bool:
            return cluster.states()[dies].endswith("*")

        try:
            cluster.wait(trains, 90, f"training on {dies}")
            cluster.kill_node(dies)
            cluster.wait(is_gone, 60, f"notice that {dies} is gone")
            cluster.start_node(dies)
        finally:
            finish(run)
        jobs = cluster.jobs()
    ends = [job["state"] for job in jobs]
    # One training or both were on the node.
    assert ends.count("NODE_FAIL") in (1, 2)
    assert ends.count("COMPLETED") == len(TWO) == len(ends) - ends.count("NODE_FAIL")
    assert_same(root, work, local, TWO)


def test_the_cluster_leaves_nothing(local):
    link = Path("/etc/slurm/slurm.conf")
    with running() as cluster:
        assert link.exists()
        cluster.call("sbatch", "--wrap", "sleep 100", "--output=/dev/null")
        started = time.monotonic()
        while not any(job["state"] == "RUNNING" for job in cluster.jobs()):
            assert time.monotonic() < started + 30
            time.sleep(0.1)
        assert obstacle().startswith("another cluster is configured")
    assert not os.path.lexists(link)
    assert not cluster.folder.exists()
