"""A clock that jumps: nothing waits, nothing finished runs again, nothing is stale."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from .conftest import SETTINGS, TABLE, environment, outcome, wait_for

pytestmark = pytest.mark.reliability
FOLDS = "results/data/embedded-drawings/folds/by-child.json"
YEAR = 365 * 24 * 3600
# What Python runs first if it finds it: a wall clock that goes wrong. It jumps by a
# year, forth and back, at every second look at it.
JUMPING = f"""
import itertools, time
real, times = time.time, itertools.cycle([0, {YEAR}, 0, -{YEAR}])
time.time = lambda: real() + next(times)
time.time_ns = lambda: int(1e9 * time.time())
"""


def moved(folder, seconds: float) -> None:
    """Give all files of a folder a time that is so much later (earlier: below zero)."""
    for path in [*folder.rglob("*"), folder]:
        then = path.stat().st_mtime + seconds
        os.utime(path, (then, then), follow_symlinks=False)


def test_a_clock_that_jumps_in_a_training(training, trained, tmp_path):
    """Durations are of a clock that cannot be set; nobody waits for another."""
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(JUMPING)
    paths = [str(tmp_path / "clock"), environment()["PYTHONPATH"]]
    begin = time.monotonic()
    done = training.run(env=environment(PYTHONPATH=os.pathsep.join(paths)))
    took = time.monotonic() - begin
    assert done.returncode == 0, done.stdout
    assert outcome(training.folder) == trained
    for fold in ("fold0", "fold1"):
        text = (training.folder / fold / "history.csv").read_text()
        seconds = [float(line.rsplit(",", 1)[1]) for line in text.splitlines()[1:]]
        assert min(seconds) > 0
        assert sum(seconds) < took


@pytest.mark.parametrize("seconds", [YEAR, -YEAR])
def test_a_checkpoint_of_another_time_is_gone_on_with(seconds, training, trained):
    process = training.start()
    wait_for(training.checkpoint.exists, process)
    process.kill()
    process.communicate()
    moved(training.folder, seconds)
    again = training.run()
    assert again.returncode == 0, again.stdout
    assert "fold 1/2] pass 1/" not in again.stdout
    assert outcome(training.folder) == trained


# --- Snakemake, which compares the files' times ---------------------------------------


@pytest.mark.parametrize("seconds", [YEAR, -YEAR])
def test_finished_results_of_another_time_are_not_made_again(seconds, whole, study):
    """The clock was wrong when they were made, and has been set right since."""
    shutil.copytree(whole.work, study.work, dirs_exist_ok=True)
    moved(study.work, seconds)  # benchmarks below logs/ count as well
    assert study.plan(*SETTINGS, "--", TABLE).counts == {}


def test_an_input_from_the_future_is_an_error_until_its_time_is_right(
    whole, study, expected
):
    """Touched alone it is the same; changed, what is made of it would be older."""
    shutil.copytree(whole.work, study.work, dirs_exist_ok=True)
    folds = study.work / FOLDS
    then = time.time() + YEAR
    os.utime(folds, (then, then))
    assert study.plan(*SETTINGS, "--", TABLE).counts == {}

    with folds.open("a") as file:
        file.write("\n")  # another file, the same folds
    os.utime(folds, (then, then))
    shutil.rmtree(folds.parent / ".sha256")
    failed = study.table()
    assert failed.code == 1
    assert "has older modification time" in failed.output
    assert f"than input {FOLDS}" in failed.output
    assert "clock skew" in failed.output

    folds.touch()
    again = study.table()
    assert again.code == 0, again.output[-4000:]
    assert again.counts == {"audit": 1, "train": 2, "evaluate": 2, "table": 1}
    assert outcome(study.work / "results") == expected
    assert study.plan(*SETTINGS, "--", TABLE).counts == {}


def test_an_input_from_the_past_is_not_noticed(whole, study):
    """Snakemake's own limit, stated in docs/reliability.md: times alone tell it."""
    shutil.copytree(whole.work, study.work, dirs_exist_ok=True)
    folds = study.work / FOLDS
    then = folds.stat().st_mtime - YEAR
    with folds.open("a") as file:
        file.write("\n")
    os.utime(folds, (then, then))
    assert study.plan(*SETTINGS, "--", TABLE).counts == {}
    forced = study.plan("--forcerun", "audit", *SETTINGS, "--", TABLE)
    assert forced.rules == {"audit", "train", "evaluate", "table"}
