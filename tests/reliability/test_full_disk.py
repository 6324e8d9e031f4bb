"""A full disk, a file too large, a folder nobody may write: one error, nothing torn."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .conftest import (
    TABLE,
    Study,
    Training,
    environment,
    left_over,
    outcome,
    remount,
    wait_for,
)

pytestmark = pytest.mark.reliability
DATA = "results/data/embedded-drawings"
FULL = "make space, then give the same command again: what is finished is kept"
CLOSED = "make it writable, or work elsewhere: snakemake --directory DIR"
LIMIT = "raise the limit (ulimit -f), then give the same command again"


def one_error(said: str, path: str | Path, problem: str, advice: str) -> None:
    """Assert that what is said ends with an error: the file, and what to do."""
    last = said.strip().splitlines()[-1]
    assert last.startswith("error: [Errno "), last
    assert f"{problem}: '{path}'; {advice}" in last
    assert "Traceback" not in said


def make_images(data: Path, output: Path, **options) -> subprocess.CompletedProcess:
    """Let the step `images` write its array, and beside it what it could not read."""
    dataset = ROOT / "config/datasets/embedded-drawings.yaml"
    paths = {
        "--dataset": dataset,
        "--folder": data / "raw",
        "--labels": data / "labels.csv",
        "--images": output,
        "--unreadable": output.with_name("unreadable.csv"),
    }
    return subprocess.run(
        [sys.executable, "-m", "scripts.images"]
        + [str(text) for pair in paths.items() for text in pair],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def limited(size: int):
    """Return what keeps a process from writing files of more bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


# --- a checkpoint ---------------------------------------------------------------------


def test_disk_full_while_a_checkpoint_is_written(training, trained, small_disk):
    """There is room for two checkpoints, and for no third that is to replace one."""
    training = Training(training.work, small_disk("size=72k") / "training")
    failed = training.run()
    assert failed.returncode == 1
    one_error(failed.stdout, training.checkpoint, "No space left on device", FULL)
    assert left_over(training.folder) == []
    assert training.checkpoint.exists()

    remount(training.folder.parent, "size=1m")
    again = training.run()
    assert again.returncode == 0, again.stdout
    assert "fold 1/2] pass 1/" not in again.stdout
    assert "going back" not in again.stdout
    assert outcome(training.folder) == trained


def test_checkpoint_larger_than_files_may_be(training, trained):
    """Needs no mount: the system refuses in the middle of the file."""
    failed = training.run(preexec_fn=limited(10_000))
    assert failed.returncode == 1
    one_error(failed.stdout, training.checkpoint, "File too large", LIMIT)
    assert [path for path in training.folder.rglob("*") if path.is_file()] == []

    again = training.run()
    assert again.returncode == 0, again.stdout
    assert outcome(training.folder) == trained


# --- an array of images ---------------------------------------------------------------


def test_disk_full_while_images_are_written(whole, small_disk):
    output = small_disk("size=64k") / "images.npz"
    failed = make_images(whole.work / DATA, output)
    assert failed.returncode == 1
    one_error(failed.stdout, output, "No space left on device", FULL)
    assert [path.name for path in output.parent.iterdir()] == ["unreadable.csv"]

    remount(output.parent, "size=2m")
    assert make_images(whole.work / DATA, output).returncode == 0
    assert output.read_bytes() == (whole.work / DATA / "images.npz").read_bytes()


def test_images_larger_than_files_may_be(whole, tmp_path):
    output = tmp_path / "made/images.npz"
    output.parent.mkdir()
    output.write_bytes(b"of an earlier run")
    failed = make_images(whole.work / DATA, output, preexec_fn=limited(50_000))
    assert failed.returncode == 1
    one_error(failed.stdout, output, "File too large", LIMIT)
    assert output.read_bytes() == b"of an earlier run"
    assert left_over(output.parent) == []


# --- tables, and all of it ------------------------------------------------------------


def test_disk_full_while_a_table_is_written(whole, study, small_disk, expected):
    """The table as CSV still finds room, as Markdown no more: then neither is left."""
    shutil.copytree(whole.work, study.work, dirs_exist_ok=True)
    tables = small_disk("size=4k", study.work / "results/tables")
    failed = study.table("--forcerun", "table")
    assert failed.code == 1
    assert failed.counts == {"table": 1}
    text = "No space left on device: 'results/tables/faults."
    assert f"error: [Errno 28] {text}" in failed.output
    assert FULL in failed.output
    assert [p.name for p in tables.iterdir() if p.name != ".sha256"] == []

    remount(tables, "size=1m")
    again = study.table()
    assert again.code == 0, again.output[-4000:]
    assert again.counts == {"table": 1}
    assert outcome(study.work / "results") == expected


def test_disk_full_under_everything(whole, study, small_disk, expected):
    """Results, logs and Snakemake's own notes lie on one disk, and it is full."""
    disk = small_disk("size=24m")
    shutil.copytree(study.work, disk, dirs_exist_ok=True)
    study = Study(study.root, disk)
    state = os.statvfs(disk)
    filler = disk / "filler"
    filler.write_bytes(bytes(state.f_bavail * state.f_frsize - 150_000))
    failed = study.table()
    assert failed.code == 1
    assert "No space left on device: 'results/runs/faults/" in failed.output
    assert FULL in failed.output
    assert not (disk / TABLE).exists()
    assert left_over(disk / "results") == []

    filler.unlink()
    again = study.table()
    assert again.code == 0, again.output[-4000:]
    assert outcome(disk / "results") == expected


# --- a folder nobody may write --------------------------------------------------------


def test_read_only_results(study, small_disk, expected):
    """They were moved to a disk that is mounted for reading alone."""
    results = study.work / "results"
    kept = results.rename(study.work / "kept")
    small_disk("size=24m", results)
    shutil.copytree(kept, results, dirs_exist_ok=True)
    remount(results, "ro")
    failed = study.table()
    assert failed.code == 1
    # Snakemake wants to make the folders of its jobs before it starts them.
    assert "[Errno 30] Read-only file system: 'results/runs'" in failed.output
    assert "Traceback" not in failed.output

    remount(results, "rw")
    again = study.table()
    assert again.code == 0, again.output[-4000:]
    assert outcome(results) == expected


def test_a_training_that_may_not_write(training, trained, small_disk):
    """It was stopped, and its disk has become one for reading alone."""
    disk = small_disk("size=1m")
    training = Training(training.work, disk / "training")
    process = training.start()
    wait_for(training.checkpoint.exists, process)
    process.kill()
    process.communicate()
    before = training.checkpoint.read_bytes()
    remount(disk, "ro")
    failed = training.run()
    assert failed.returncode == 1
    one_error(
        failed.stdout,
        training.folder / "in-use.lock",
        "Read-only file system",
        CLOSED,
    )
    assert training.checkpoint.read_bytes() == before

    remount(disk, "rw")
    again = training.run()
    assert again.returncode == 0, again.stdout
    assert "fold 1/2] pass 1/" not in again.stdout
    assert outcome(training.folder) == trained


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else(training):
    training.folder.mkdir()
    training.folder.chmod(0o555)
    failed = training.run()
    assert failed.returncode == 1
    assert "Permission denied: '" in failed.stdout
    assert CLOSED in failed.stdout
    training.folder.chmod(0o755)
    assert training.run().returncode == 0
