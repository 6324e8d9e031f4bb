"""Inputs that vanished or changed their place, odd paths, and who may read results.

More of each kind in tests/scripts/test_datasets.py and test_study.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from .conftest import Project, copy_project, write_drawings

IMAGES = "results/data/my-drawings/images.npz"
DATASET = """\
title: Our drawings
status: local
kind: labels_csv
folder: my-drawings
address: our own
licence: ours
stand_in: embedded-drawings
factors: [hand, age_years, age_months]
stratify: age_years
image: {width: 36, height: 58}
"""
ASKED = ("--config", "scale=smoke", "dataset=my-drawings")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project in a folder with an odd name, run once on drawings in another."""
    root = copy_project(tmp_path_factory.mktemp("odd") / '-it\'s {a} <b> "#1" [%s]*\n')
    (root / "config/datasets/my-drawings.yaml").write_text(DATASET)
    project = Project(root, tmp_path_factory.mktemp("work"))
    data = (
        tmp_path_factory.mktemp("data") / "Jörgs {a} {b}<results> #1 %20 [x]* 'é\" \n"
    )
    write_drawings(data / "my-drawings")
    result = project.run(*ASKED, "--", IMAGES, data_dir=data)
    assert result.code == 0, result.output[-4000:]
    return project, data


@pytest.fixture
def data(made):
    """The folder of data sets, as it was before the test when that has ended."""
    kept = made[1].with_name("kept")
    shutil.copytree(made[1], kept, symlinks=True)
    yield made[1]
    shutil.rmtree(made[1])
    kept.rename(made[1])


def test_odd_names_are_no_trouble(made):
    project, data = made
    again = project.run(*ASKED, "--", IMAGES, data_dir=data)
    assert "Nothing to be done" in again.output
    with np.load(project.work / IMAGES) as file:
        assert len(file["ids"]) == 12


@pytest.mark.parametrize(
    ("file", "rules"), [("a03.png", {"images"}), ("labels.csv", {"labels", "images"})]
)
def test_a_change_below_a_folder_that_is_no_input_is_noticed(made, data, file, rules):
    path = data / "my-drawings" / file
    text = path.read_bytes().replace(b"child5", b"child6")
    other = cv2.imencode(".png", np.zeros((60, 40), np.uint8))[1].tobytes()
    path.write_bytes(text if file == "labels.csv" else other)
    assert made[0].plan(*ASKED, "--", IMAGES, data_dir=data).rules == rules


def labels_removed(data: Path) -> str:
    (data / "my-drawings/labels.csv").unlink()
    return "labels.csv, it is not there; tables that are there: none"


def images_removed(data: Path) -> str:
    for path in (data / "my-drawings").glob("*.png"):
        path.unlink()
    return "Our drawings: expected images"


@pytest.mark.parametrize("gone", [labels_removed, images_removed])
def test_what_vanished_after_a_run_is_named(made, data, gone):
    said = gone(data)
    result = made[0].run(*ASKED, "--", IMAGES, data_dir=data)
    assert result.code == 1
    assert said in result.output
    assert "Nothing to be done" not in result.output


def test_files_from_the_future_are_read(made, data):
    """As of a camera whose clock is wrong, or of a colleague some hours ahead."""
    path = data / "my-drawings/a05.png"
    path.write_bytes((data / "my-drawings/a06.png").read_bytes())
    later = time.time() + 3 * 3600
    for file in (path, data / "my-drawings/labels.csv"):
        os.utime(file, (later, later))
    result = made[0].run(*ASKED, "--", IMAGES, data_dir=data)
    assert result.code == 0, result.output[-4000:]
    assert "images" in result.rules
    assert made[0].plan(*ASKED, "--", IMAGES, data_dir=data).rules == set()


def test_deleted_records_are_said(made, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(made[0].work, work)
    shutil.rmtree(work / ".snakemake")
    plan = Project(made[0].root, work).plan(*ASKED, "--", IMAGES, data_dir=made[1])
    assert "no records of how they were made" in plan.output


def test_one_removed_drawing_is_named(made, data):
    (data / "my-drawings/a03.png").unlink()
    result = made[0].run(*ASKED, "--", IMAGES, data_dir=data)
    assert result.code == 1
    assert "a03.png: listed in labels.csv, but there is no such image" in result.output


def test_generated_drawings_do_not_take_the_place_of_real_ones_in_silence(
    project, tmp_path
):
    (tmp_path / "data").mkdir()
    source = project.work / "results/data/draw-a-person/source.json"
    source.parent.mkdir(parents=True)
    source.touch()
    result = project.run("--config", "scale=smoke", data_dir=tmp_path / "data")
    assert result.code == 1
    assert "results/data/draw-a-person was made of it, and " in result.output
    assert "draw-a-person is gone; put it back" in result.output
    named = ("--config", "scale=smoke", "dataset=embedded-drawings")
    assert project.plan(*named, data_dir=tmp_path / "data").counts["train"]
    result = project.run("--config", "scale=smoke", "--", "xor")
    assert "takes generated data in its place, for data_dir is not set" in result.output


def test_nobody_else_may_read_results_if_the_umask_says_so(made, tmp_path):
    project = Project(made[0].root, tmp_path / "work")
    before = os.umask(0o077)
    try:
        result = project.run(*ASKED, "--", IMAGES, "xor", data_dir=made[1])
    finally:
        os.umask(before)
    assert result.code == 0, result.output[-4000:]
    ours = [project.work, *project.work.rglob("*")]
    ours = [p for p in ours if ".snakemake" not in p.parts]
    assert len(ours) > 20
    for path in ours:
        assert not path.stat().st_mode & 0o077, path


@pytest.mark.slow
@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can be somebody without a home",
)
def test_a_home_that_cannot_be_written_is_said_and_no_trouble(repo):
    """As in a container that runs under a number."""
    program = Path(sys.executable).parent / "snakemake"
    command = [program, "--snakefile", repo / "Snakefile", "--cores", "1", "--config"]
    command += ["scale=smoke", "experiments=[xor]"]
    # Reading is allowed everywhere, for this Python may lie in root's home.
    read = ["--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search"]
    nobody = ["setpriv", "--reuid=20001", "--regid=20001", "--clear-groups", *read]
    with tempfile.TemporaryDirectory() as work:
        Path(work).chmod(0o777)
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL")}
        env |= {"HOME": "/nonexistent", "TMPDIR": work, "PWD": work}
        done = subprocess.run(
            [*nobody, *map(str, command)],
            env=env,
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        assert "the user's cache folder cannot be written" in done.stdout
        assert f"is kept in {work}/ignetlab-cache-20001" in done.stdout
        assert (Path(work) / "results/report/report.html").exists()
