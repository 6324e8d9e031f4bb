"""What a step wrote is known again, and what it was not is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.io.checksums import FOLDER

from .conftest import ROOT

# A step of its own process: what it hears of files ends with it.
STEP = """
import sys
from pathlib import Path
import numpy as np
from scripts.lib.io import cli
from scripts.lib.io.files import write_csv, write_json, write_npz
def main():
    exec(sys.argv[1])
cli.run(main)
"""
WRITE = """
write_csv("results/a.csv", ["x"], [{"x": 1}, {"x": 2}])
write_json("results/deep/b.json", {"y": 3})
write_npz("results/c.npz", z=np.arange(5))
write_json("elsewhere.json", {})
"""


@pytest.fixture
def step(tmp_path):
    """A function that runs a step with this as its body, in an empty folder."""

    def run(body: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-c", STEP, body],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def flip(path: Path, at: int = -3) -> None:
    """Change one bit, and nothing that a file system tells."""
    times, content = path.stat(), bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_every_result_has_a_sum_that_sha256sum_reads(step, tmp_path):
    assert step(WRITE).returncode == 0
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    sums = {f"results/{FOLDER}/{name}.sha256" for name in ("a.csv", "c.npz")}
    sums.add(f"results/deep/{FOLDER}/b.json.sha256")
    assert {name for name in found if name.endswith("6")} - sums == {
        f"results/{FOLDER}",
        f"results/deep/{FOLDER}",
    }
    files = sorted((tmp_path / "results" / FOLDER).iterdir())
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", *map(str, files)],
        cwd=tmp_path / "results",
        capture_output=True,
        text=True,
    )
    assert checked.stdout == "a.csv: OK\nc.npz: OK\n", checked.stderr


@pytest.mark.parametrize(
    ("name", "reading"),
    [
        ("a.csv", "import pandas as pd; pd.read_csv('results/a.csv')"),
        ("a.csv", "open('results/a.csv').read()"),
        ("a.csv", "Path('results/a.csv').absolute().read_text()"),
        ("deep/b.json", "Path('results/deep/b.json').read_bytes()"),
        ("c.npz", "np.load('results/c.npz')['z']"),
    ],
)
def test_one_changed_bit_is_found_by_whatever_reads_it(step, tmp_path, name, reading):
    step(WRITE)
    assert step(reading).returncode == 0
    flip(tmp_path / "results" / name)
    result = step(reading)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: results/{name}: expected what was written")
    assert "delete it and run again" in result.stderr
    assert "Traceback" not in result.stderr
    # The way out that the message names, to keep the change.
    path = tmp_path / "results" / name
    (path.parent / FOLDER / f"{path.name}.sha256").unlink()
    assert "expected what was written" not in step(reading).stderr


def test_a_sum_that_is_damaged_itself_fits_nothing(step, tmp_path):
    step(WRITE)
    sums = tmp_path / "results" / FOLDER / "a.csv.sha256"
    for content in (b"\xff\xfe", b""):
        sums.write_bytes(content)
        result = step("open('results/a.csv').read()")
        assert result.stderr.startswith("error: results/a.csv: expected what was")


def test_a_file_is_written_anew_with_a_new_sum(step, tmp_path):
    step(WRITE)
    flip(tmp_path / "results/a.csv")
    assert step('write_csv("results/a.csv", ["x"], [{"x": 7}])').returncode == 0
    assert step("assert open('results/a.csv').read() == 'x\\n7\\n'").returncode == 0


def test_a_step_that_fails_vouches_for_nothing(step, tmp_path):
    step(WRITE)
    failed = step('write_json("results/deep/b.json", {"y": 4}); raise ValueError("no")')
    assert failed.returncode == 1
    assert not (tmp_path / "results/deep" / FOLDER / "b.json.sha256").exists()
    assert json.loads((tmp_path / "results/deep/b.json").read_text()) == {"y": 4}
    assert step("open('results/deep/b.json')").returncode == 0


def test_the_files_of_users_and_of_older_versions_have_no_sum(step, tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results/own.csv").write_text("x\n1\n")
    assert step("open('results/own.csv').read()").returncode == 0
    assert not (tmp_path / "results" / FOLDER).exists()
