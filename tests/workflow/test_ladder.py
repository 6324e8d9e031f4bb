"""The ladder as a user runs it, and what its graph of jobs keeps apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

RUNGS = "experiments=[cifar-vgg08,cifar-final]"
_LISTED = re.compile(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """A job of a dry run."""

    rule: str
    inputs: frozenset[str]
    outputs: frozenset[str]


def jobs_of(output: str) -> list[Job]:
    """Return all jobs that a dry run lists."""
    found = []
    for rule, text in _LISTED.findall(output):
        lists = dict(re.findall(r"^    (input|output): (.*)$", text, re.MULTILINE))
        files = {key: frozenset(value.split(", ")) for key, value in lists.items()}
        empty: frozenset[str] = frozenset()
        found.append(Job(rule, files.get("input", empty), files.get("output", empty)))
    return found


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
def planned(project) -> list[Job]:
    result = project.run("--dry-run", "--forceall", "--config", RUNGS, "--", "cifar")
    assert result.code == 0, result.output
    return jobs_of(result.output)


def test_the_test_images_are_read_by_nothing_that_learns_or_chooses(planned):
    trainings = [job for job in planned if job.rule == "train_rung"]
    assert len(trainings) == 2  # vgg08 and l2, whose numbers are final's
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
    assert reading - {"near_duplicates"} == {"rung_scores"}
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
