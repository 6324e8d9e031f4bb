"""Two runs in one folder, and what an older version left lying there."""

from __future__ import annotations

import json
import re
import shutil
import signal
import zipfile

import numpy as np
import pytest

from .conftest import RUNS, Training, environment, left_over, outcome, wait_for

pytestmark = pytest.mark.reliability
RUN = f"{RUNS}/months/by-child/seed0"


# --- two at once ----------------------------------------------------------------------


def test_a_second_snakemake_refuses_and_the_first_is_not_harmed(study, expected):
    first = study.start()
    wait_for(study.checkpoints, first)
    second = study.table()
    assert second.code == 1
    assert "LockException" in second.output
    assert "no other Snakemake process" in second.output
    said, _ = first.communicate(timeout=120)
    assert first.returncode == 0, said[-4000:]
    assert outcome(study.work / "results") == expected


def test_a_second_training_waits_for_the_first(training, trained):
    first = training.start()
    wait_for(training.checkpoint.exists, first)
    first.send_signal(signal.SIGSTOP)
    second = training.start()
    try:
        line = second.stdout.readline()
        holder = rf"process {first.pid} on \S+ works here; waiting for its end"
        assert re.search(rf"{re.escape(str(training.folder))}: {holder}", line)
    finally:
        first.send_signal(signal.SIGCONT)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 0, said
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert outcome(training.folder) == trained
    assert left_over(training.folder) == []


def test_a_second_training_goes_on_where_the_first_was_killed(training, trained):
    first = training.start()
    wait_for(training.checkpoint.exists, first)
    first.send_signal(signal.SIGSTOP)
    second = training.start()
    assert "works here; waiting for its end" in second.stdout.readline()
    first.kill()
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert "fold 1/2] pass 1/" not in said
    assert outcome(training.folder) == trained


# --- left by an older version, or half of it ------------------------------------------


@pytest.fixture
def stopped(training):
    """A training that was killed after at least two passes."""
    process = training.start()
    older = training.checkpoint.with_name("checkpoint.npz.previous")
    wait_for(older.exists, process)
    process.kill()
    process.communicate()
    if training.checkpoint.samefile(older):  # just before the next was written
        content = training.checkpoint.read_bytes()
        training.checkpoint.unlink()
        training.checkpoint.write_bytes(content)
    return training


def rewritten(path, change) -> None:
    """Write a checkpoint anew, whole, with another description."""
    with np.load(path) as file:
        arrays = dict(file)
    about = json.loads(str(arrays["engine.checkpoint"]))
    change(about)
    arrays["engine.checkpoint"] = np.array(json.dumps(about))
    with path.open("wb") as file:
        np.savez(file, **arrays)


def of_another_version(path) -> None:
    rewritten(path, lambda about: about.update(identity="0" * 64))


def of_an_older_format(path) -> None:
    rewritten(path, lambda about: about.pop("waited"))


def of_a_newer_format(path) -> None:
    rewritten(path, lambda about: about.update(epochs=3))


def cut_off(path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def without_the_best(path) -> None:
    """The best parameters are a part of it that an end would silently do without."""
    with zipfile.ZipFile(path) as file:
        kept = {n: file.read(n) for n in file.namelist() if n != "best.npy"}
        assert len(kept) == len(file.namelist()) - 1
    with zipfile.ZipFile(path, "w") as file:
        for name, content in kept.items():
            file.writestr(name, content)


DAMAGES = (
    of_another_version,
    of_an_older_format,
    of_a_newer_format,
    cut_off,
    without_the_best,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_checkpoint_that_is_no_good_is_said_and_not_gone_on_with(
    damage, stopped, trained
):
    """The one before it is: it is of the same training."""
    damage(stopped.checkpoint)
    again = stopped.run()
    assert again.returncode == 0, again.stdout
    assert f"going back: {stopped.checkpoint}: " in again.stdout
    assert "fold 1/2] pass 1/" not in again.stdout
    assert outcome(stopped.folder) == trained


def test_both_checkpoints_of_another_version_are_left_aside(stopped, trained):
    for name in ("checkpoint.npz", "checkpoint.npz.previous"):
        of_another_version(stopped.checkpoint.with_name(name))
    again = stopped.run()
    assert again.returncode == 0, again.stdout
    assert "learning from the start: " in again.stdout
    assert "settings or version differ" in again.stdout
    assert "fold 1/2] pass 1/" in again.stdout
    assert outcome(stopped.folder) == trained


def test_an_edited_engine_does_not_go_on_with_what_another_learned(
    stopped, trained, origin, tmp_path
):
    """Other code, other numbers: here half the learning rate."""
    code = tmp_path / "newer"
    shutil.copytree(origin, code)
    loop = code / "engine/training/loop.py"
    text = loop.read_text()
    step = 'rate = self.optimizer.settings["learning_rate"]\n        state.'
    assert step in text
    loop.write_text(text.replace(step, step.replace("\n", " * 0.5\n", 1)))
    again = stopped.run(env=environment(PYTHONPATH=str(code)))
    assert again.returncode == 0, again.stdout
    assert "learning from the start: " in again.stdout
    shutil.move(stopped.folder, tmp_path / "gone-on")
    fresh = stopped.run(env=environment(PYTHONPATH=str(code)))
    assert fresh.returncode == 0, fresh.stdout
    assert outcome(tmp_path / "gone-on") == outcome(stopped.folder)
    assert outcome(stopped.folder) != trained


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half", None])
def test_half_a_network_is_not_scored(content, whole, study, expected):
    """An older version left it, and Snakemake takes it for whole."""
    shutil.rmtree(study.work)
    shutil.copytree(whole.work, study.work)
    model = study.work / RUN / "fold0/model.npz"
    model.write_bytes(model.read_bytes()[:-700] if content is None else content)
    shutil.rmtree(model.parent / ".sha256")  # versions before had no sums
    (model.parent / "metrics.json").unlink()
    failed = study.table()
    assert failed.code == 1
    assert failed.counts == {"evaluate": 1, "table": 1}
    assert f"error: {RUN}/fold0/model.npz: expected an .npz file" in failed.output
    assert "Traceback" not in failed.output
    model.unlink()
    again = study.table()
    assert again.code == 0, again.output[-4000:]
    assert outcome(study.work / "results") == expected


HALVES = ("labels.csv", "folds/by-child.json", "augmented/ignet.npz")


@pytest.mark.parametrize("portion", [0.0, 0.5])
@pytest.mark.parametrize("name", HALVES)
def test_half_of_the_data_is_not_learned_from(name, portion, training, tmp_path):
    """No sums tell, as of files that an older version was killed over."""
    data = "results/data/embedded-drawings"
    halved = tmp_path / "work"
    for part in HALVES:
        (halved / data / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(training.work / data / part, halved / data / part)
    path = halved / data / name
    content = path.read_bytes()
    path.write_bytes(content[: int(portion * len(content))])
    failed = Training(halved, training.folder).run()
    assert failed.returncode == 1
    assert re.fullmatch(r"error: .+\n", failed.stdout), failed.stdout
    assert name in failed.stdout or "labels.csv" in failed.stdout
    assert [path for path in training.folder.rglob("*") if path.is_file()] == []
