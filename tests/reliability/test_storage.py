"""Results in S3, by Snakemake's plug-ins and a server on this machine."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tests.scripts import loopback
from tests.workflow.conftest import Result
from tests.workflow.test_download import describe, files_in, make_archive

from .conftest import copy_with_few_drawings, environment, outcome, same_device, started
from .pods import Cluster

pytestmark = pytest.mark.reliability

KEYS = {f"SNAKEMAKE_STORAGE_S3_{key}_KEY": "any" for key in ("ACCESS", "SECRET")}
TABLES = ("results/tables/ignet.csv", "results/tables/xor.csv")
AUDIT = "results/data/embedded-drawings/audit/ignet/by-child.json"
FIGURES = (
    "results/figures/ignet-profiles-depth2.png",
    "results/figures/ignet-samples.png",
    "results/figures/embedded-drawings-duplicates.png",
)


@dataclass(frozen=True)
class Store:
    """A folder in a bucket; its name ends like one of ours."""

    address: str
    folder: str
    bucket: str = "bucket"

    @property
    def options(self) -> list[str]:
        """Options of snakemake that put all files there."""
        return [
            *("--default-storage-provider", "s3"),
            *("--storage-s3-endpoint-url", self.address),
            *("--default-storage-prefix", f"s3://{self.bucket}/{self.folder}"),
        ]

    def client(self):
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
        )

    def fetch(self, to: Path) -> Path:
        """Fetch all that lies in the folder; return where it lies now."""
        client = self.client()
        pages = client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self.folder}/"):
            for entry in page.get("Contents", ()):
                path = to / entry["Key"].removeprefix(f"{self.folder}/")
                path.parent.mkdir(parents=True, exist_ok=True)
                client.download_file(self.bucket, entry["Key"], str(path))
        return to


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    """An S3 server on this machine, with an empty bucket."""
    for package in ("moto", "flask", "boto3", "snakemake_storage_plugin_s3"):
        if not importlib.util.find_spec(package):
            pytest.skip(f"no package {package}: make .venv/cluster")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    store = Store(f"http://127.0.0.1:{port}", folder="")
    store.client().create_bucket(Bucket=store.bucket)
    yield store
    server.stop()


@pytest.fixture
def store(server, request) -> Store:
    """A folder of the test's own."""
    return replace(server, folder=f"{request.node.name}/results")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A copy of the project; the folder's name has a space."""
    return copy_with_few_drawings(tmp_path_factory.mktemp("a copy") / "ignetlab")


@pytest.fixture(scope="module")
def local(server, root, tmp_path_factory) -> Path:
    """Where the same was run without a storage."""
    work = tmp_path_factory.mktemp("local")
    run(root, work)
    return work


def run(
    root: Path,
    work: Path,
    *arguments: str,
    targets: Sequence[str] = TABLES + FIGURES,
    config: Sequence[str] = ("experiments=[ignet,xor]",),
    code: int | None = 0,
    **variables: str,
) -> str:
    """Run snakemake in a folder; return what it said.  code: None if any will do."""
    work.mkdir(exist_ok=True)
    program = str(Path(sys.executable).parent / "snakemake")
    command = [program, "--cores", "2"]
    settings = "--config", "scale=smoke", same_device()
    if work != root:
        command += ["--snakefile", str(root / "Snakefile")]
    process = started(
        [*command, *arguments, *settings, *config, "--", *targets],
        env=environment(**KEYS, **variables),
        cwd=work,
    )
    output, _ = process.communicate(timeout=600)
    assert code in (process.returncode, None), output[-6000:]
    return output


def assert_same(store: Store, local: Path, to: Path) -> None:
    """Same bytes in the store as on the disk, times apart."""
    ours, theirs = store.fetch(to) / "results", local / "results"
    for part in ("data/embedded-drawings", "runs", "tables", "figures"):
        ones, others = outcome(ours / part), outcome(theirs / part)
        assert set(ones) == set(others) != set()
        assert [name for name in ones if ones[name] != others[name]] == []


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


@pytest.mark.parametrize(
    ("config", "target", "rule"),
    [
        (["dataset=cifar-100", "download=true"], "cifar", "download_cifar_100"),
        (["data_dir={data}"], "ignet", "fetch_local"),
        ([], "all", "leak_audit"),
    ],
)
def test_data_of_all_kinds_are_found(
    root, tmp_path, store, real_data_dir, config, target, rule
):
    config = [text.format(data=real_data_dir) for text in config]
    options = (*store.options, "--dry-run")
    plan = run(root, tmp_path / "work", *options, targets=[target], config=config)
    assert rule in Result(0, plan).counts


def test_a_downloaded_data_set_goes_there(root, tmp_path, store, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    content, names = make_archive(tmp_path / "published")
    own = root / "config/datasets/published.yaml"
    config = ["dataset=published", "download=true"]
    images = "results/data/published/images.npz"
    try:
        with loopback.serving(content) as served:
            own.write_text(describe(served.address, content, names))
            work, options = tmp_path / "work", store.options
            run(root, work, *options, targets=[images], config=config)
    finally:
        own.unlink()
    fetched = store.fetch(tmp_path / "fetched") / "results/data/published"
    assert files_in(fetched / "raw") == names
    assert len(np.load(fetched / "images.npz")["images"]) == 12


def test_a_rung_s_steps_find_their_files_in_s3(root, tmp_path, store):
    name = "results/runs/cifar-vgg08/rung/official/seed0/fold0/predictions.csv"
    near = "results/figures/embedded-textures-near-duplicates.png"
    for work, options in (("local", []), ("work", store.options)):
        config = ["experiments=[cifar-vgg08]"]
        run(root, tmp_path / work, *options, targets=[name, near], config=config)
    fetched = store.fetch(tmp_path / "fetched")
    for file in (name, near):
        assert (fetched / file).read_bytes() == (tmp_path / "local" / file).read_bytes()


def test_pods_without_a_shared_disk_give_the_same_bytes(root, local, tmp_path, store):
    """The Kubernetes plug-in, its pods' commands run in empty folders (pods.py)."""
    if not importlib.util.find_spec("snakemake_executor_plugin_kubernetes"):
        pytest.skip("no executor plug-in kubernetes: make .venv/cluster")
    if not shutil.which("git"):
        pytest.skip("no git, by which a checkout is carried into the pods")
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    # Nothing is sent twice; and six trainings in threes, the rest as in the profile.
    groups = ("training=3", "baselines=8", "tables=1000")
    profile = ("--workflow-profile", "kubernetes", "--retries", "0")
    options = (*profile, "--group-components", *groups, *store.options)
    with Cluster(tmp_path / "cluster") as cluster:
        quick = ("--seconds-between-status-checks", "1")
        config = str(cluster.config())
        # It is carried into the pods because the run stands in it.
        said = run(root, root, *options, *quick, code=None, KUBECONFIG=config)
        assert "steps (100%) done" in said, [said[-3000:], *cluster.failed()]
        containers = [container_of(job) for job in cluster.jobs.values()]
    assert containers
    for container in containers:
        assert str(root) not in " ".join(container["command"] + container["args"])
        limits, asked = (container["resources"][k] for k in ("limits", "requests"))
        assert limits["memory"] == asked["memory"]
    assert_same(store, local, tmp_path / "fetched")


def container_of(job: dict) -> dict:
    """The one container of a pod."""
    [container] = job["spec"]["template"]["spec"]["containers"]
    return container
