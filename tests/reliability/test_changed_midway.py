"""A run is stopped, the configuration changed, and the run goes on."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace

import pytest

from .conftest import FILE, PASSES, RUNS, SETTINGS, Study, outcome, wait_for

pytestmark = pytest.mark.reliability
YEARS_PASSES = f"    recipe: {{passes: {PASSES}}}\n"


@pytest.fixture
def own(study, tmp_path) -> Study:
    """The study with a copy of the project that a test may edit."""
    root = tmp_path / "ignetlab"
    shutil.copytree(study.root, root)
    return Study(root, study.work)


def edit(study: Study, name: str, old: str, new: str) -> None:
    path = study.root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def stop(study: Study, number: int = 2) -> None:
    """Start the study, and end it by Ctrl-C once so many trainings are under way."""
    process = study.start()
    wait_for(lambda: len(study.checkpoints()) >= number, process)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 1


def fresh(study: Study, whole: Study, tmp_path, settings=SETTINGS) -> dict:
    """Return what the study comes to as it is now, begun anew."""
    work = tmp_path / "fresh"
    shutil.copytree(whole.work / "results/data", work / "results/data")
    shutil.copytree(whole.work / ".snakemake", work / ".snakemake")
    new = Study(study.root, work)
    result = new.table(settings=settings)
    assert result.code == 0, result.output[-4000:]
    return outcome(work / "results")


def trained(result) -> list[str]:
    """Return the trainings of a run, by their variants and seeds."""
    jobs = [job for job in result.jobs if job.startswith("train ")]
    return sorted(f"{job.split()[2]} {job.split()[6].rstrip(',')}" for job in jobs)


def test_what_a_pass_learns_is_changed(own, whole, tmp_path):
    """Of one variant the passes; of the other what is done to its batches, of which
    neither the data nor the network tell."""
    noisy = "    recipe: {augment: [{noise: {level: 0.1, portion: 0.5}}]}\n"
    edit(own, FILE, YEARS_PASSES, noisy)
    stop(own)
    edit(own, FILE, "level: 0.1", "level: 0.5")
    passes = f"    recipe: {{passes: {PASSES + 5}}}\n"
    edit(own, FILE, "    options: {W1: 40}\n", f"    options: {{W1: 40}}\n{passes}")
    again = own.table()
    assert again.code == 0, again.output[-4000:]
    assert trained(again) == ["months 0", "years 0"]
    assert "learning from the start: " in own.log("years")
    assert "fold 1/2] pass 1/" not in own.log("months")
    assert f"fold 2/2] pass {PASSES + 5}/{PASSES + 5}" in own.log("months")
    assert outcome(own.work / "results") == fresh(own, whole, tmp_path)


def test_fewer_passes_than_it_has_behind_it(training, tmp_path):
    """What they left is not the outcome of fewer: it begins anew."""
    process = training.start()
    wait_for((training.folder / "fold1/checkpoint.npz").exists, process)
    process.kill()
    process.communicate()
    few = replace(training, passes=3)
    again = few.run()
    assert again.returncode == 0, again.stdout
    assert "learning from the start: " in again.stdout
    assert f"at most 3 passes, as many as are asked for, received one of {PASSES}" in (
        again.stdout
    )
    begun_anew = replace(few, folder=tmp_path / "anew")
    assert begun_anew.run().returncode == 0
    assert outcome(few.folder) == outcome(begun_anew.folder)


def test_a_seed_more(own, whole, expected):
    """Only the new seed is learned, and the table made anew."""
    shutil.copytree(whole.work, own.work, dirs_exist_ok=True)
    settings = (*SETTINGS, "seeds=[0,1]")
    again = own.table(settings=settings)
    assert again.code == 0, again.output[-4000:]
    assert trained(again) == ["months 1", "years 1"]
    assert again.counts == {"train": 2, "evaluate": 2, "table": 1}
    made = outcome(own.work / "results")
    for name, content in expected.items():
        if name.startswith("runs/"):
            assert made[name] == content
    assert made["tables/faults.csv"] != expected["tables/faults.csv"]


def test_one_variant_of_a_finished_study(own, whole, tmp_path):
    shutil.copytree(whole.work, own.work, dirs_exist_ok=True)
    edit(own, FILE, YEARS_PASSES, "    recipe: {batch_size: 16}\n")
    stop(own, 1)
    again = own.table()
    assert again.code == 0, again.output[-4000:]
    assert trained(again) == ["years 0"]
    assert again.counts == {"train": 1, "evaluate": 1, "table": 1}
    assert outcome(own.work / "results") == fresh(own, whole, tmp_path)


def test_a_failed_training_is_not_forgotten(own, whole, tmp_path):
    """Of a finished study the model is changed, and the training then fails.

    Snakemake deletes the outputs of the failed job and notes its new params; the old
    scores and tables are still there. The next call must not take them for new.
    """
    shutil.copytree(whole.work, own.work, dirs_exist_ok=True)
    edit(own, "config/models/ignet-depth2.yaml", "filters: 8", "filters: 6")
    obstacles = [
        own.work / RUNS / variant / "by-child/seed0/in-use.lock"
        for variant in ("months", "years")
    ]
    for obstacle in obstacles:
        obstacle.mkdir()
    failed = own.table()
    assert failed.code == 1
    assert "error: [Errno 21] Is a directory: 'results/runs/" in failed.output

    for obstacle in obstacles:
        obstacle.rmdir()
    again = own.table()
    assert again.code == 0, again.output[-4000:]
    assert again.counts == {"train": 2, "evaluate": 2, "table": 1}
    assert outcome(own.work / "results") == fresh(own, whole, tmp_path)
    assert own.plan(*SETTINGS, "--", "results/tables/faults.csv").counts == {}
