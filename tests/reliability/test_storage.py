"""Results in S3, by Snakemake's plug-ins and a server on this machine."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.workflow.conftest import Result

from .conftest import copy_with_few_drawings, environment, outcome, started
from .pods import Cluster
from .s3 import KEYS, Store

pytestmark = pytest.mark.reliability

SMOKE = ("--config", "scale=smoke", "experiments=[ignet,xor]")
TABLES = ("results/tables/ignet.csv", "results/tables/xor.csv")
AUDIT = "results/data/embedded-drawings/audit/ignet/by-child.json"
FIGURES = (
    "results/figures/ignet-profiles-depth2.png",
    "results/figures/ignet-samples.png",
    "results/figures/embedded-drawings-duplicates.png",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A copy of the project; the folder's name has a space."""
    return copy_with_few_drawings(tmp_path_factory.mktemp("a copy") / "ignetlab")


@pytest.fixture(scope="module")
def local(root, tmp_path_factory) -> Path:
    """Where the same was run without a storage."""
    work = tmp_path_factory.mktemp("local")
    run(root, work)
    return work


def run(
    root: Path,
    work: Path,
    *arguments: str,
    targets: Sequence[str] = TABLES + FIGURES,
    code: int = 0,
    **variables: str,
) -> str:
    """Run snakemake in a folder; return what it said."""
    work.mkdir(exist_ok=True)
    program = str(Path(sys.executable).parent / "snakemake")
    where = ["--snakefile", str(root / "Snakefile")] if root != work else []
    process = started(
        [program, *where, "--cores", "2", *SMOKE, *arguments, "--", *targets],
        env=environment(**KEYS, **variables),
        cwd=work,
    )
    output, _ = process.communicate(timeout=600)
    assert process.returncode == code, output[-6000:]
    return output


def assert_same(store: Store, local: Path, to: Path) -> None:
    """Same bytes in the store as on the disk, times apart."""
    theirs = outcome(local / "results")
    ours = outcome(store.fetch(to) / "results")
    assert set(ours) == set(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_results_in_s3_are_the_same(root, local, tmp_path, store):
    work = tmp_path / "work"
    run(root, work, *store.options)
    assert not (work / "results").exists()
    assert_same(store, local, tmp_path / "fetched")
    # Elsewhere nothing is left to do.
    again = run(root, tmp_path / "elsewhere", *store.options)
    assert "Nothing to be done" in again, again


def test_what_failed_is_made_anew_and_no_more(root, tmp_path, store):
    """With files in S3, what is missing on the disk is not taken for missing."""
    work, broken = tmp_path / "work", root / "scripts/folds.py"
    before = broken.read_text()
    broken.write_text(before.replace("def main() -> None:", "def main(:"))
    try:
        run(root, work, *store.options, targets=[AUDIT], code=1)
    finally:
        broken.write_text(before)
    plan = run(root, work, *store.options, "--dry-run", targets=[AUDIT])
    assert Result(0, plan).counts == {"folds": 1, "audit": 1}


def test_pods_without_a_shared_disk_give_the_same_bytes(root, local, tmp_path, store):
    """The Kubernetes plug-in, its pods' commands run in empty folders (pods.py)."""
    if not importlib.util.find_spec("snakemake_executor_plugin_kubernetes"):
        pytest.skip("no executor plug-in kubernetes: make .venv/cluster")
    if not shutil.which("git"):
        pytest.skip("no git, by which a checkout is carried into the pods")
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    profile = ("--workflow-profile", "kubernetes", "--group-components", "training=3")
    with Cluster(tmp_path / "cluster") as cluster:
        quick = ("--seconds-between-status-checks", "1")
        config = str(cluster.config())
        # It is carried into the pods because the run stands in it.
        run(root, root, *profile, *store.options, *quick, KUBECONFIG=config)
        commands = [text for job in cluster.jobs.values() for text in command_of(job)]
    assert commands
    assert [text for text in commands if str(root) in text] == []
    assert_same(store, local, tmp_path / "fetched")


def command_of(job: dict) -> list[str]:
    """What the one container of a pod runs."""
    [container] = job["spec"]["template"]["spec"]["containers"]
    return container["command"] + container["args"]
