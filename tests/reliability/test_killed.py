"""Kill -9 and Ctrl-C at any moment: nothing is lost, and the end is the same."""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest

from .conftest import RUNS, left_over, outcome, wait_for

pytestmark = pytest.mark.reliability


def first_pass(said: str, fold: int) -> int:
    """Return the pass that the first line about a fold is about."""
    return int(re.search(rf"fold {fold}/2\] pass (\d+)/", said)[1])


# --- one training ---------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_training_goes_on_where_it_was_stopped(how, training, trained):
    process = training.start()
    wait_for(training.checkpoint.exists, process)
    process.send_signal(how)
    process.communicate(timeout=20)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert not (training.folder / "fold1/training.json").exists()

    again = training.run()
    assert again.returncode == 0, again.stdout
    assert first_pass(again.stdout, 1) > 1, "it began anew"
    assert outcome(training.folder) == trained


def test_a_finished_fold_is_not_learned_again(training, trained):
    process = training.start()
    wait_for((training.folder / "fold1/checkpoint.npz").exists, process)
    process.kill()
    process.communicate(timeout=20)

    again = training.run()
    assert again.returncode == 0, again.stdout
    assert "fold 1/2]" not in again.stdout
    assert first_pass(again.stdout, 2) > 1
    assert outcome(training.folder) == trained


def test_what_was_half_written_is_taken_over(training, trained):
    """Killed while it wrote: the file that was to become the next one is left."""
    folder = training.folder / "fold0"
    folder.mkdir(parents=True)
    names = ("checkpoint.npz", "history.csv", "model.npz", "training.json")
    for name in names:
        (folder / f".{name}-part").write_bytes(b"PK\x03\x04 half a file" * 1000)
    done = training.run()
    assert done.returncode == 0, done.stdout
    assert outcome(training.folder) == trained
    assert left_over(training.folder) == []
    assert not training.checkpoint.exists()


# --- snakemake ------------------------------------------------------------------------


def test_ctrl_c_ends_at_once_and_the_next_call_goes_on(study, expected):
    process = study.start()
    wait_for(lambda: len(study.checkpoints()) == 2, process)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert not alive(process.pid)
    assert "Traceback" not in said
    assert left_over(study.work / "results") == []

    assert_goes_on(study, expected)


def assert_goes_on(study, expected):
    """Both trainings go on where they were, to the bytes of an undisturbed run."""
    again = study.table()
    assert again.code == 0, again.output[-4000:]
    assert again.counts == {"train": 2, "evaluate": 2, "table": 1}
    for variant in ("months", "years"):
        assert first_pass(study.log(variant), 1) > 1
    assert outcome(study.work / "results") == expected


def test_killed_with_its_jobs_it_wants_to_be_unlocked(study, expected):
    """As by the system's out-of-memory killer, or when the power fails."""
    process = study.start()
    wait_for(lambda: len(study.checkpoints()) == 2, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)

    refused = study.table()
    assert refused.code == 1
    assert "It can be removed with the --unlock argument" in refused.output
    assert study.table("--unlock").code == 0
    assert_goes_on(study, expected)


def test_jobs_that_outlive_snakemake_do_not_meet_the_next(study, expected):
    """Killed alone: its trainings go on, and those of the next call wait for them."""
    process = study.start()
    wait_for(lambda: len(study.checkpoints()) == 2, process)
    process.kill()
    orphans = alive(process.pid)
    assert orphans
    # So slow that the next call is sure to find one.
    for orphan in orphans:
        os.kill(orphan, signal.SIGSTOP)
    assert study.table("--unlock").code == 0
    again = study.start()
    folder = re.escape(f"{RUNS}/months/by-child/seed0")
    waits = rf"{folder}: process \d+ on \S+ works here; waiting for its end"
    wait_for(lambda: re.search(waits, study.log("months")), again)
    for orphan in orphans:
        os.kill(orphan, signal.SIGCONT)
    process.communicate(timeout=60)
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said[-4000:]
    assert outcome(study.work / "results") == expected


def alive(group: int) -> list[int]:
    """Return the processes of a group that have not ended."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,pgid=,stat="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [int(pid) for pid, of, state in rows if int(of) == group and state[0] != "Z"]
