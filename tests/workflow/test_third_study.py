"""A study that is YAML alone: digits in IDX files, two ladders of dense networks."""

from __future__ import annotations

import csv
import gzip

import numpy as np
import pytest
from sklearn.datasets import load_digits

from .conftest import Project, copy_project

DATASET = """\
title: Handwritten digits (scikit-learn)
status: local
kind: idx
folder: digits
address: https://archive.ics.uci.edu/dataset/80
licence: CC BY 4.0
factors: [class]
stratify: class
image: {width: 16, height: 16}
"""
DENSE = """\
options: {units: 16}
input: [1, 16, 16]
layers:
  - flatten
  - dense: {units: $units}
  - activation: sigmoid
  - dense: {units: 10}
loss: softmax_cross_entropy
"""
SQUARED_MODEL = DENSE.replace(
    "loss: softmax_cross_entropy", "  - activation: sigmoid\nloss: squared_error"
)
PROTOCOL = """\
extends: official
title: half of it
images:
  smoke: {train: 500, test: 200}
  demo: {train: 500, test: 200}
  paper: {train: null, test: null}
"""
# The stem of the first ladder; what the others say differs.
RUNG = """\
title: 16 neurons
source: a document of ours
kind: ladder
group: digits-ladder
rung: 1
label: 16 neurons
follows: []
datasets: [digits]
protocols: [official]
model: digits-dense
target: [class]
loss: softmax_cross_entropy
recipe:
  optimizer: {adam: {learning_rate: 0.01}}
  batch_size: 10
  passes: 20
  tolerance: null
record: {training_score: {images: 100}}
published: {where: nowhere}
scales: {smoke: {}, demo: {}, paper: {}}
"""
WIDE = """\
extends: digits-16
title: 64 neurons
rung: 2
label: 64 neurons
follows: [digits-16]
options: {units: 64}
published: {test: 97.5, where: page 3}
"""
SQUARED = """\
extends: digits-16
title: squared error
rung: 3
label: squared error
follows: [digits-16]
model: digits-squared
loss: squared_error
"""
OTHER = """\
extends: digits-16
title: 8 neurons
label: 8 neurons
group: digits-other
protocols: [half]
options: {units: 8}
record: {training_score: {images: 100}, top: 2, gradients: {images: 20}}
"""
STUDY = """\
title: Digits
document: D9
nouns: {sample: digit, samples: digits, group: writer, groups: writers}
experiments: [digits-16, digits-64, digits-squared, digits-8]
"""
FILES = {
    "datasets/digits": DATASET,
    "models/digits-dense": DENSE,
    "models/digits-squared": SQUARED_MODEL,
    "protocols/half": PROTOCOL,
    "experiments/digits-16": RUNG,
    "experiments/digits-64": WIDE,
    "experiments/digits-squared": SQUARED,
    "experiments/digits-8": OTHER,
    "studies/digits": STUDY,
}
ASKED = ("--config", "scale=smoke", "studies=[digits]")


def write_digits(folder):
    """Write the digits as IDX files, each pixel four times: 1400 to learn from."""
    folder.mkdir(parents=True)
    digits = load_digits()
    pixels = np.kron(digits.images * 255 / 16, np.ones((2, 2))).round().astype(np.uint8)
    for part, rows in (("train", slice(0, 1400)), ("t10k", slice(1400, None))):
        for what, values in (("images-idx3", pixels), ("labels-idx1", digits.target)):
            some = values[rows].astype(np.uint8)
            head = bytes([0, 0, 8, some.ndim]) + np.array(some.shape, ">u4").tobytes()
            data = gzip.compress(head + some.tobytes())
            (folder / f"{part}-{what}-ubyte.gz").write_bytes(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with a study more, its data, and the report of it alone."""
    root = copy_project(tmp_path_factory.mktemp("third") / "project")
    for name, text in FILES.items():
        (root / f"config/{name}.yaml").write_text(text, "utf-8")
    data = tmp_path_factory.mktemp("data")
    write_digits(data / "digits")
    project = Project(root, tmp_path_factory.mktemp("work"))
    result = project.run(*ASKED, data_dir=data)
    assert result.code == 0, result.output[-6000:]
    return project, data


def rows_of(project, table):
    with open(project.work / f"results/tables/{table}.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_tables_figures_and_report_are_made_of_yaml_alone(made):
    results = made[0].work / "results"
    assert (results / "report/report.html").stat().st_size > 100_000
    rows = rows_of(made[0], "digits-ladder")
    test = {r["rung"]: r for r in rows if (r["part"], r["epoch"]) == ("test", "last")}
    assert list(test) == ["digits-16", "digits-64", "digits-squared"]
    for row in test.values():
        assert float(row["ours"]) > 60 and row["dataset"] == "digits"
        assert row["top5"] == row["gradient"] == ""  # not asked for
    assert test["digits-64"]["published"] == "97.5"
    text = (results / "tables/digits-ladder.md").read_text("utf-8")
    assert "D9: test" in text and "S4" not in text
    pairs = rows_of(made[0], "digits-ladder_pairs")
    assert [row["b"] for row in pairs] == ["digits-16", "digits-16"]
    for name in ("curves", "accuracy", "confusion"):
        png = (results / f"figures/digits-ladder-{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
    assert not (results / "figures/digits-ladder-gradients.png").exists()
    summary = (results / "report/summary.rst").read_text("utf-8")
    assert "The ladder digits-ladder" in summary


def test_two_ladders_on_one_data_set_stand_beside_each_other(made):
    results = made[0].work / "results"
    (test,) = (
        row
        for row in rows_of(made[0], "digits-other")
        if (row["part"], row["epoch"]) == ("test", "last")
    )
    assert (test["rung"], test["protocol"], test["n"]) == ("digits-8", "half", "200")
    assert float(test["top5"]) >= float(test["ours"]) and float(test["gradient"]) > 0
    figures = {path.name for path in (results / "figures").glob("digits*.png")}
    assert {
        "digits-near-duplicates.png",
        "digits-half-near-duplicates.png",
        "digits-other-gradients.png",
        "digits-other-curves.png",
        "digits-ladder-curves.png",
    } <= figures
    assert made[0].plan(*ASKED, data_dir=made[1]).rules == set()


def test_a_data_set_that_is_named_is_taken_where_it_is_meant(made):
    project, data = made
    everything = ("--config", "scale=smoke", "apart=[]", "dataset=digits")
    plan = project.plan(*everything, "studies=[cifar,drawings,digits]", data_dir=data)
    trained = [job for job in plan.jobs if "embedded-drawings" in job]
    assert trained  # no drawings for which digits were meant
    assert any("embedded-textures" in job for job in plan.jobs)
    named = ("--config", "scale=smoke", "dataset=embedded-textures", "studies=[digits]")
    assert "embedded-textures" not in project.plan(*named, data_dir=data).output


@pytest.mark.parametrize(
    ("name", "old", "new", "texts"),
    [
        (
            "datasets/digits",
            "width: 16",
            "width: 28",
            ("datasets/digits.yaml", "1 × 16 × 28", "models/digits-dense.yaml"),
        ),
        ("datasets/digits", "[class]", "[sex]", ("factors: expected [class]",)),
        ("experiments/digits-8", "digits-other", "xor", ("group: expected the id of",)),
        ("experiments/digits-8", "[half]", "[by-child]", ("of the unit official",)),
        (
            "experiments/digits-8",
            "training_score: {images: 100}, ",
            "",
            ("record: expected tr",),
        ),
    ],
)
def test_what_does_not_fit_is_told_before_any_job(made, name, old, new, texts):
    project, data = made
    with project.edited(f"config/{name}.yaml", old, new):
        result = project.run("--dry-run", *ASKED, data_dir=data)
    assert result.code == 1
    for text in texts:
        assert text in result.output


def test_data_that_are_not_there_and_have_no_stand_in_are_told(made):
    result = made[0].run("--dry-run", *ASKED)
    assert result.code == 1
    assert "dataset digits: expected its folder 'digits' in data_dir" in result.output
