"""Results in S3, by Snakemake's plug-in and a server on this machine."""

from __future__ import annotations

import importlib.util
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .conftest import environment, started, wait_for

pytestmark = pytest.mark.reliability

PREFIX = "bucket/here"
MADE = [f"results/tables/xor{end}" for end in (".csv", ".md", ".tex", "_weights.csv")]


@pytest.fixture
def server() -> str:
    """Address of an S3 server with an empty bucket; it ends with the test."""
    for package in ("moto", "flask", "snakemake_storage_plugin_s3"):
        if not importlib.util.find_spec(package):
            pytest.skip(f"no package {package}: make .venv/cluster")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = started(command)

    def answers() -> bool:
        try:
            return call("PUT", f"{address}/{Path(PREFIX).parts[0]}") is not None
        except urllib.error.URLError:
            return False

    wait_for(answers, process)
    return address


def call(method: str, address: str) -> bytes:
    """Ask the server; it wants a signature, and does not check it."""
    request = urllib.request.Request(address, method=method)
    request.add_header("Authorization", "AWS any:any")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


def run(work: Path, *arguments: str) -> str:
    """Learn XOR; return what snakemake said."""
    work.mkdir(exist_ok=True)
    program = Path(sys.executable).parent / "snakemake"
    command = [program, "--snakefile", ROOT / "Snakefile", "--directory", work]
    keys = {f"SNAKEMAKE_STORAGE_S3_{key}_KEY": "any" for key in ("ACCESS", "SECRET")}
    process = started(
        [*map(str, command), "--cores", "1", *arguments, "--", "xor"],
        env=environment(**keys),
    )
    output, _ = process.communicate(timeout=150)
    assert process.returncode == 0, output[-4000:]
    return output


def test_steps_that_write_single_files_work_in_s3(tmp_path, server):
    stored = (
        *("--default-storage-provider", "s3", "--storage-s3-endpoint-url", server),
        *("--default-storage-prefix", f"s3://{PREFIX}"),
    )
    run(tmp_path / "work", *stored)
    assert not (tmp_path / "work/results").exists()
    run(tmp_path / "local")
    for name in MADE:
        ours = call("GET", f"{server}/{PREFIX}/{name}")
        assert ours == (tmp_path / "local" / name).read_bytes(), name
    # Elsewhere nothing is left to do.
    again = run(tmp_path / "elsewhere", *stored)
    assert "Nothing to be done" in again, again
