"""What is planned before anything runs: jobs, settings, and refusals."""

from __future__ import annotations

import fnmatch
import json
import re

import cv2
import numpy as np
import pytest

from scripts.lib.io import inheritance, packages
from scripts.lib.io.schema import read_yaml

from .conftest import ROOT


def expected_trainings(scale: str) -> tuple[dict[str, int], set[str]]:
    """Trainings of each experiment on the embedded data, and the copies they need.

    Counted from config/ alone.
    """
    found, copies = {}, set()
    for path in (ROOT / "config/experiments").glob("*.yaml"):
        experiment = read_yaml(path, path.name)
        if experiment.get("kind") == "training":  # a rung may have it from another
            patterns = experiment["scales"][scale].get("variants", ["*"])
            variants = inheritance.variants(experiment)
            run = [
                name
                for name in variants
                if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
            ]
            under = experiment["scales"][scale].get(
                "protocols", experiment["protocols"]
            )
            found[path.stem] = len(run) * len(under)
            own = experiment["augmentation"]
            copies |= {variants[name].get("augmentation", own) for name in run}
            copies.add(own)  # its augmentation is shown as a sheet
    return found, copies


@pytest.mark.parametrize("scale", ["smoke", "demo", "paper"])
def test_one_training_for_each_variant_and_protocol(project, scale):
    plan = project.plan("--config", f"scale={scale}")
    trainings, copies = expected_trainings(scale)
    assert plan.counts["train"] == plan.counts["evaluate"] == sum(trainings.values())
    for name, number in trainings.items():
        assert sum(job.startswith(f"train {name} ") for job in plan.jobs) == number
    assert plan.counts["table"] == len(trainings)
    once = ("fetch_embedded_drawings", "labels", "images", "learn_xor", "leak")
    for rule in (*once, "summary", "report"):
        assert plan.counts[rule] == 1, rule
    assert plan.counts["augment"] == len(copies)


def test_the_augmentations_and_folds_that_are_needed_are_made_once(project):
    plan = project.plan("--config", "scale=smoke", "experiments=ignet", "--", "ignet")
    assert plan.counts["augment"] == 1
    assert plan.counts["folds"] == 2
    # two targets under two protocols, whatever the depth
    assert plan.counts["baselines"] == 4


def test_seeds_multiply_trainings_and_nothing_before_them(project):
    one = project.plan("--config", "scale=smoke", "experiments=ignet")
    three = project.plan(
        "--config", "scale=smoke", "experiments=ignet", "seeds=[0,1,7]"
    )
    assert three.counts["train"] == 3 * one.counts["train"]
    assert three.counts["folds"] == one.counts["folds"]
    assert any("seed 7" in job for job in three.jobs)


def test_targets(project):
    smoke = ("--config", "scale=smoke", "--")
    assert project.plan(*smoke, "xor").rules == {"learn_xor"}
    measured = {"time_convolutions", "convolutions_figure"}
    assert project.plan(*smoke, "conv_study").rules == measured
    cifar = project.plan(*smoke, "cifar").rules
    assert cifar >= measured | {"train", "evaluate", "claims"}
    everything = project.plan("--config", "scale=smoke").rules
    assert not everything & {"ladder_table", "official_parts", *measured}
    ignet = project.plan(*smoke, "ignet")
    assert ignet.counts["table"] == 3  # ignet, its variants, its copies
    parts = ("derivatives", "freezeconnect", "tuning", "w2", "w2_figure")
    assert {f"ignet_diagnostics_{part}" for part in parts} <= ignet.rules
    assert not any("keras_baseline" in job for job in ignet.jobs)
    assert "report" not in ignet.rules
    assert project.plan(*smoke, "report").rules == project.plan(*smoke, "all").rules
    assert project.plan(*smoke, "results/tables/xor.tex").rules == {"learn_xor"}


def test_keras_learns_what_the_data_record_if_it_is_asked_to(project):
    demo = ("--config", "scale=demo")
    assert not any("Keras" in job for job in project.plan(*demo).jobs)
    if packages.missing(*packages.KERAS):
        result = project.run("--dry-run", *demo, "--", "keras_peer")
        assert result.code == 1
        assert "`make .venv/compare` installs it" in result.output
        return
    plan = project.plan(*demo, "--", "keras_peer")
    # three targets under two protocols
    assert plan.counts["keras_peer"] - 1 == plan.counts["train"] == 6
    learned = [job for job in plan.jobs if job.startswith("let Keras learn ")]
    assert sum("age_category under by-child" in job for job in learned) == 1


def test_all_folds_of_a_training_are_one_job(project):
    run = "results/runs/ignet/depth2-age_years"
    paper = ("--config", "scale=paper", "--")
    for protocol in ("paper", "by-child"):
        last = f"{run}/{protocol}/seed0/fold4/model.npz"
        assert project.plan(*paper, last).counts["train"] == 1


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("scael=demo", "--config: unknown key 'scael' (did you mean 'scale'?)"),
        ("scale=demoo", "expected one of smoke, demo, short, paper, received 'demoo'"),
        ("seeds=[-1]", "expected a whole number of at least 0"),
        ("experiments=ignett", "received 'ignett' (did you mean 'ignet'?)"),
        ("experiments=ignet_diagnostics", "looks into ignet and is made with it"),
        ("dataset=stirling", "expected its folder 'stirling-drawings' in data_dir"),
        ("data_dir=not/there", "expected a folder that holds data sets"),
        (
            "download=true experiments=ignet",
            "none of stirling is published as an archive with a checksum",
        ),
    ],
)
def test_an_impossible_setting_ends_before_the_first_job(project, setting, expected):
    result = project.run("--config", "scale=smoke", *setting.split())
    assert result.code == 1
    assert expected in result.output
    assert "Traceback" not in result.output
    assert not (project.work / "results").exists()


def test_an_impossible_file_ends_before_the_first_job(project):
    file = "config/experiments/ignet.yaml"
    with project.edited(file, "model: ignet-depth2", "model: ignet-depht2"):
        result = project.run("--config", "scale=smoke")
    assert result.code == 1
    assert f"{file}: variants.depth2-age_months.model: expected one of" in result.output
    assert "received 'ignet-depht2' (did you mean 'ignet-depth2'?)" in result.output
    assert not (project.work / "results").exists()


def test_a_setting_given_twice_in_a_file_is_refused(project, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("scale: smoke\nseeds: [3]\nscale: demo\n")
    result = project.run("--dry-run", "--configfile", str(file))
    assert result.code == 1
    assert f"{file}: expected YAML, received: the key 'scale' is given" in result.output


def test_a_relative_data_dir_is_seen_from_where_the_user_stands(project, tmp_path):
    (tmp_path / "my data").mkdir()
    plan = project.plan("--config", "scale=smoke", "data_dir=my data", cwd=tmp_path)
    assert "fetch_embedded_drawings" in plan.rules
    result = project.run("--config", "data_dir=my other", cwd=tmp_path)
    assert result.code == 1
    assert str(tmp_path / "my other") in result.output


def test_drawings_that_cannot_be_read_stop_the_run_and_leave_nothing(project, tmp_path):
    folder = tmp_path / "data" / "draw-a-person"
    (folder / "child").mkdir(parents=True)
    names = [f"{kind} {{{i}}}.jpg" for kind in ("zero", "text") for i in range(3)]
    for name in names:
        content = b"" if name.startswith("zero") else b"no picture"
        (folder / "child" / name).write_bytes(content)
    lines = [
        f"draw-a-person/child/{name},child,{i},paper,5.0,{60 + i},F"
        for i, name in enumerate(names)
    ]
    head = "file,group,participant,medium,age_years,age_months,sex"
    (folder / "labels.csv").write_text("\n".join([head, *lines, ""]))
    images = "results/data/draw-a-person/images.npz"
    result = project.run(
        "--config", f"data_dir={tmp_path / 'data'}", "--", images, "xor"
    )
    assert result.code == 1
    # The step's log is shown, and jobs that do not depend on it are done all the same.
    assert "6 of 6 images cannot be read" in result.output
    assert "the file is empty (0 bytes)" in result.output
    assert "their logs are below logs/" in result.output
    assert not (project.work / images).exists()
    assert (project.work / "results/data/draw-a-person/labels.csv").exists()
    assert (project.work / "results/tables/xor.csv").exists()


def test_folds_that_leak_stop_the_run_before_any_training(project):
    smoke = ("--config", "scale=smoke", "experiments=ignet", "--")
    folds = project.work / "results/data/embedded-drawings/folds/by-child.json"
    result = project.run(*smoke, str(folds.relative_to(project.work)))
    assert result.code == 0, result.output[-4000:]
    document = json.loads(folds.read_text("utf-8"))
    fold = document["folds"][0]
    by_child = {}
    for name in fold["test"]:
        by_child.setdefault(re.match(r"\w+-\d+", name)[0], []).append(name)
    child, names = max(by_child.items(), key=lambda item: len(item[1]))
    assert len(names) > 1
    fold["test"].remove(names[0])
    fold["train"].append(names[0])
    # As if drawings had been dealt: the file alone is in order.
    folds.write_text(json.dumps({**document, "grouped_by": "drawing"}), "utf-8")
    (folds.parent / ".sha256" / f"{folds.name}.sha256").unlink()
    run = "results/runs/ignet/depth2-age_months/by-child/seed0/fold1"
    result = project.run(*smoke, f"{run}/model.npz")
    assert result.code == 1
    assert "leak audit: FAIL: the protocol by-child says leaks: false" in result.output
    assert f"fold 0, test: {len(names) - 1} rows are of a child" in result.output
    assert f"{names[0]}#0 (child {child})" in result.output
    assert "Traceback" not in result.output
    assert not (project.work / run).exists()
    assert not (project.work / "results/data/embedded-drawings/audit").exists()


def test_own_drawings_as_the_readme_says(project, tmp_path):
    readme = (ROOT / "README.md").read_text("utf-8")
    _, _, after = readme.partition("config/datasets/my-drawings.yaml")
    dataset = after.partition("```yaml\n")[2].partition("```")[0]
    folder = tmp_path / "data" / "my-drawings"
    folder.mkdir(parents=True)
    lines = ["file,child,age_months,hand"]
    for i in range(12):
        name = f"a {{{i}}}.png"  # braces and blanks in a name are no trouble
        cv2.imwrite(str(folder / name), np.full((60, 40), 255 - i, np.uint8))
        lines.append(f"{name},child{i // 2},{60 + i},{'left' if i % 3 else 'right'}")
    (folder / "labels.csv").write_text("\n".join([*lines, ""]))
    own = project.root / "config/datasets/my-drawings.yaml"
    own.write_text(dataset)
    settings = ("--config", "scale=smoke", "data_dir=data", "dataset=my-drawings")
    try:
        plan = project.plan(*settings, cwd=tmp_path)
        images = "results/data/my-drawings/images.npz"
        result = project.run(*settings, "--", images, cwd=tmp_path)
        assert result.code == 0, result.output[-4000:]
        # What Snakemake cannot name as an input is watched all the same.
        cv2.imwrite(str(folder / "a {3}.png"), np.zeros((60, 40), np.uint8))
        again = project.plan(*settings, "--", images, cwd=tmp_path)
    finally:
        own.unlink()
    assert not any("age_category" in job for job in plan.jobs)
    assert any("train ignet depth2-age_months" in job for job in plan.jobs)
    with np.load(project.work / images) as file:
        assert file["ids"].tolist()[:2] == ["a {0}", "a {10}"]
    assert again.rules == {"images"}
