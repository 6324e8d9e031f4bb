"""The ladder as a user runs it, and what its graph of jobs keeps apart."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from .conftest import Project

RUNGS = "experiments=[cifar-vgg08,cifar-final]"
SETTINGS = ("--config", "scale=smoke", RUNGS, "--", "cifar")


@dataclass(frozen=True)
class Job:
    """A job that there is to do, by one of the files that it makes."""

    rule: str
    inputs: frozenset[str]
    outputs: frozenset[str]


def jobs_of(output: str) -> list[Job]:
    """Return all jobs of a detailed summary, one for each file that is made."""
    lines = output[output.index("output_file\t") :].splitlines()
    columns = lines[0].split("\t")
    rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines[1:]]
    return [
        Job(
            row["rule"],
            frozenset(row["input-file(s)"].split(",")),
            frozenset([row["output_file"]]),
        )
        for row in rows
    ]


def above(jobs: list[Job], start: set[str]) -> set[str]:
    """Return all files that these files are made from, however far up."""
    seen, wanted = set(start), list(start)
    while wanted:
        file = wanted.pop()
        for job in jobs:
            if file in job.outputs:
                wanted += job.inputs - seen
                seen |= job.inputs
    return seen


@pytest.fixture(scope="module")
def ladder(repo, tmp_path_factory) -> Project:
    """Two rungs, run at scale smoke on the embedded textures."""
    project = Project(repo, tmp_path_factory.mktemp("ladder"))
    result = project.run(*SETTINGS)
    assert result.code == 0, result.output[-4000:]
    return project


@pytest.fixture(scope="module")
def planned(ladder) -> list[Job]:
    return jobs_of(ladder.run("--detailed-summary", *SETTINGS).output)


def test_near_duplicates_are_looked_for_and_shown(ladder, planned):
    results = ladder.work / "results"
    stem = results / "data/embedded-textures/near_duplicates/official"
    found = json.loads(stem.with_suffix(".json").read_text("utf-8"))
    assert (found["test"], found["learn"]) == (100, 200)
    header = stem.with_suffix(".csv").read_text("utf-8").splitlines()[0]
    assert header.startswith("test,train,correlation,hash,pixel,kind,same_class")
    picture = "results/figures/embedded-textures-near-duplicates.png"
    assert (ladder.work / picture).is_file()
    (made,) = (job for job in planned if picture in job.outputs)
    assert made.rule == "near_duplicates_sheet"


def test_nothing_is_left_to_do(ladder):
    plan = ladder.plan(*SETTINGS)
    assert "Nothing to be done" in plan.output


def test_the_test_images_are_read_by_nothing_that_learns_or_chooses(planned):
    trainings = [job for job in planned if job.rule == "train_rung"]
    rungs = {file.split("/")[2] for job in trainings for file in job.outputs}
    assert rungs == {"cifar-vgg08", "cifar-l2"}  # the numbers of l2 are final's, too
    for job in trainings:
        assert any(file.endswith("/learn.npz") for file in job.inputs)
        files = above(planned, set(job.inputs))
        assert not [file for file in files if file.endswith("test.npz")]
        assert not [file for file in files if file.startswith("results/runs/")]


def test_one_rule_scores_on_the_test_images(planned):
    """... and one looks which of them resemble training images."""
    reading = {
        job.rule
        for job in planned
        if any(file.endswith("/test.npz") for file in job.inputs)
    }
    assert reading == {"rung_scores", "near_duplicates"}
    # The file that holds all images is read by what takes them apart alone.
    whole = {
        job.rule
        for job in planned
        if any(file.endswith("/images.npz") for file in job.inputs)
    }
    assert whole <= {"folds", "official_parts"}
    scoring = [job for job in planned if job.rule == "rung_scores"]
    for job in scoring:
        assert any(file.endswith("last.npz") for file in job.inputs)
        assert any(file.endswith("model.npz") for file in job.inputs)
