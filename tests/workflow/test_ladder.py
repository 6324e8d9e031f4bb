"""The ladder as a user runs it, and what its graph of jobs keeps apart."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import jsonschema
import pytest

from scripts.lib.io.files import read_json
from scripts.lib.io.schema import read_yaml

from .conftest import ROOT, Project

# One run of the ladder takes half a minute.
pytestmark = pytest.mark.slow
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
    found = read_json(stem.with_suffix(".json"))
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
    trainings = [job for job in planned if job.rule == "train_1_folds"]
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
    assert reading == {"evaluate_1_folds", "near_duplicates"}
    # The file that holds all images is read by what takes them apart alone.
    whole = {
        job.rule
        for job in planned
        if any(file.endswith("/images.npz") for file in job.inputs)
    }
    assert whole <= {"folds", "official_parts"}
    scoring = [job for job in planned if job.rule == "evaluate_1_folds"]
    for job in scoring:
        assert any(file.endswith("last.npz") for file in job.inputs)
        assert any(file.endswith("model.npz") for file in job.inputs)


@pytest.fixture(scope="module")
def tables(ladder):
    return ladder.work / "results/tables"


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_tables_and_figures_are_made(ladder, tables):
    for name in ("cifar", "cifar_pairs", "claims_s4"):
        for ending in ("csv", "md", "tex"):
            assert (tables / f"{name}.{ending}").stat().st_size > 0
    for name in ("curves", "accuracy", "confusion", "gradients"):
        png = (ladder.work / f"results/figures/cifar-{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("table", "kind"),
    [("cifar", "ladder"), ("cifar_pairs", "ladder_pairs"), ("claims_s4", "claims")],
)
def test_tables_have_the_columns_of_their_schema(tables, table, kind):
    schema = read_yaml(ROOT / "workflow/schemas/tables.schema.yaml", "the schema")
    check = jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{kind}"})
    rows = read(tables / f"{table}.csv")
    assert rows
    assert [error.message for row in rows for error in check.iter_errors(row)] == []


def test_the_numbers_are_those_of_the_scores(ladder, tables):
    (row,) = [
        row
        for row in read(tables / "cifar.csv")
        if (row["rung"], row["part"], row["epoch"]) == ("cifar-final", "test", "last")
    ]
    run = ladder.work / "results/runs/cifar-l2/rung/official/seed0/fold0"
    score = read_json(run / "metrics.json")["parts"]["test"]["last"]
    assert float(row["ours"]) == pytest.approx(score["score"])
    assert float(row["top5"]) == pytest.approx(score["top_score"])
    assert (row["status"], row["trained_as"]) == ("stand-in", "cifar-l2")
    # what lies between the two is not run, so they are neighbours
    (pair,) = read(tables / "cifar_pairs.csv")
    assert (pair["a"], pair["b"]) == ("cifar-final", "cifar-vgg08")
    assert pair["a_score"] == row["ours"]


def test_generated_photographs_decide_no_claim_about_accuracies(tables):
    claims = {row["claim"]: row for row in read(tables / "claims_s4.csv")}
    told = claims["vgg08"]
    assert told["verdict"] == "cannot be decided"
    assert "generated" in told["because"]
    assert "this run makes no" not in told["because"]


def test_a_changed_published_value_trains_nothing(ladder):
    value = ("validation: 48.48", "validation: 48.5")
    with ladder.edited("config/experiments/cifar-vgg08.yaml", *value):
        rules = ladder.plan(*SETTINGS).rules
    assert "ladder_table" in rules
    assert not rules & {"train", "evaluate", "folds", "official_parts"}
