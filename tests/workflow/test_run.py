"""The whole pipeline at scale smoke: what it leaves, and what a change redoes."""

from __future__ import annotations

import csv
import json
import os
import re

import jsonschema
import pytest

from scripts.lib.io.schema import read_yaml

from .conftest import ROOT

SMOKE = ("--config", "scale=smoke")
DIAGNOSTICS = {
    "ignet_diagnostics_derivatives",
    "ignet_diagnostics_derivatives_figure",
    "ignet_diagnostics_freezeconnect",
    "ignet_diagnostics_freezeconnect_figure",
    "ignet_diagnostics_tuning",
    "ignet_diagnostics_w2",
    "ignet_diagnostics_w2_figure",
}
AFTER_TABLES = {"claims", "report", "summary"}
DRAWN_FROM_SCORES = {"depths", "leak", "noise_map", "profiles", "samples"}
# From the images on.
AFTER_IMAGES = {
    "audit",
    "augment",
    "augmentation_sheet",
    "baselines",
    "claims",
    "comparisons",
    "duplicates",
    *DIAGNOSTICS,
    "evaluate",
    "folds",
    *DRAWN_FROM_SCORES,
    "leak_audit",
    "report",
    "summary",
    "table",
    "train",
}
AFTER_TRAINING = {
    *AFTER_TABLES,
    "comparisons",
    "evaluate",
    *DRAWN_FROM_SCORES,
    "table",
}
FIGURES = {"augmentation_sheet", "duplicates", *DRAWN_FROM_SCORES}
FIGURES |= {rule for rule in DIAGNOSTICS if rule.endswith("_figure")}


@pytest.fixture(scope="module")
def done(finished):
    project, result = finished
    assert result.code == 0, result.output[-4000:]
    return project


def test_everything_is_made(finished, done):
    results = done.work / "results"
    tables = ("ignet", "keras_baseline", "leak_audit", "xor")
    for name in (*tables, "comparisons_s0", "claims_s0"):
        for ending in ("csv", "md", "tex"):
            assert (results / "tables" / f"{name}.{ending}").stat().st_size > 0
    names = ("ignet-profiles-depth2", "keras_baseline-augmentation", "leak")
    for name in (*names, "embedded-drawings-duplicates"):
        png = (results / "figures" / f"{name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
    assert not list(results.rglob(".*-*")), "temporary files are left"


def test_the_end_says_where_things_are_and_what_the_data_were(finished, done):
    last = finished[1].output[-1500:]
    for place in ("results/tables/", "results/figures/", "results/report/report.html"):
        assert place in last
    assert "keras_baseline ran on embedded-drawings, a generated stand-in for" in last


def test_progress_can_be_followed(finished, done):
    output = finished[1].output
    assert "Job 1: write the report" in output
    assert re.search(r"\d+ of \d+ steps \(\d+%\) done", output)
    # What a training says on its way stands on the console, and in its log.
    line = r"\[ignet depth2-age_months paper seed 0 fold 1/2\] pass 1/"
    assert re.search(line, output)
    log = "logs/train/ignet/depth2-age_months/paper/seed0.log"
    assert re.search(line, (done.work / log).read_text())


def test_tables_say_that_the_data_are_a_stand_in(done):
    for name in ("ignet", "keras_baseline"):
        with open(done.work / f"results/tables/{name}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["status"] for row in rows} == {"stand-in"}
        assert {row["scale"] for row in rows} == {"smoke"}


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ("ignet", "training"),
        ("keras_baseline", "training"),
        ("leak_audit", "leak_audit"),
        ("comparisons_s0", "comparisons"),
        ("claims_s0", "claims"),
        ("ignet_diagnostics", "ignet_diagnostics"),
        ("ignet_tune", "ignet_tune"),
        ("ignet_w2", "ignet_w2"),
        ("freezeconnect", "freezeconnect"),
        ("xor", "xor"),
        ("xor_weights", "xor_weights"),
    ],
)
def test_tables_have_the_columns_of_their_schema(done, table, kind):
    schema = read_yaml(ROOT / "workflow/schemas/tables.schema.yaml", "the schema")
    with open(done.work / f"results/tables/{table}.csv", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == schema["$defs"][kind]["required"]
    assert rows
    check = jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{kind}"})
    problems = [error for row in rows for error in check.iter_errors(row)]
    assert problems == []


def test_the_report_opens_with_the_verdict_and_needs_no_network(done):
    report = (done.work / "results/report/report.html").read_text("utf-8")
    assert "What was reproduced, and what was not" in report
    assert "learning profiles" in report.lower()
    external = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"https?:", report)
    assert not external


def test_no_child_is_on_two_sides_under_by_child(done):
    data = done.work / "results/data/embedded-drawings"
    with open(data / "labels.csv", newline="") as file:
        child = {row["sample"]: row["group"] for row in csv.DictReader(file)}
    for fold in json.loads((data / "folds/by-child.json").read_text())["folds"]:
        parts = [{child[i] for i in fold[p]} for p in ("train", "validation", "test")]
        assert all(parts)
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert not parts[one] & parts[other]


def test_a_second_run_does_nothing(done):
    again = done.run(*SMOKE)
    assert again.code == 0
    assert "Nothing to be done" in again.output
    assert done.plan(*SMOKE).rules == set()
    # what the kernels' tiles are changes no result
    assert done.plan(*SMOKE, "tune=false").rules == set()


def test_other_scales_and_single_targets_can_be_asked_for(done):
    assert done.plan(*SMOKE, "--", "xor").rules == set()
    assert done.plan(*SMOKE, "--", "results/tables/ignet.csv").rules == set()
    more = done.plan("--config", "scale=paper", "--", "ignet")
    assert more.counts["train"] > 12
    assert not {"fetch_embedded_drawings", "labels", "images"} & more.rules


def test_a_changed_drawing_reruns_what_depends_on_it_and_nothing_else(done):
    raw = done.work / "results/data/embedded-drawings/raw"
    drawing = sorted(raw.glob("*.jpeg"))[7]
    before, times = drawing.read_bytes(), drawing.stat()
    os.utime(drawing)
    assert done.plan(*SMOKE).rules == set(), "touched, but the content is the same"
    drawing.write_bytes(before + b"\xff\xd9")
    try:
        assert done.plan(*SMOKE).rules == {"images"} | AFTER_IMAGES
    finally:
        drawing.write_bytes(before)
        os.utime(drawing, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    ("file", "rules"),
    [
        (
            "engine/layers/conv.py",
            {"train", "learn_xor"} | DIAGNOSTICS | AFTER_TRAINING,
        ),
        (
            "engine/backends/opencl/kernels/conv.cl",
            {"train", "learn_xor"} | DIAGNOSTICS | AFTER_TRAINING,
        ),
        (
            "engine/augment/noise.py",
            {"augment"} | AFTER_IMAGES - {"folds", "duplicates"},
        ),
        (
            "scripts/lib/leak/audit.py",
            {"audit", "leak_audit", "train"} | DIAGNOSTICS | AFTER_TRAINING,
        ),
        ("scripts/lib/diagnostics/w2.py", DIAGNOSTICS | AFTER_TABLES),
        ("scripts/lib/diagnostics/figures.py", FIGURES & DIAGNOSTICS | {"report"}),
        ("scripts/lib/figures/leak.py", FIGURES | {"report"}),
        (
            "scripts/lib/data/generators/person.py",
            {"fetch_embedded_drawings", "labels", "images"},
        ),
        ("scripts/report.py", {"summary", "report"}),
        ("scripts/lib/score/claims.py", AFTER_TABLES),
        ("scripts/lib/score/paired_tests.py", {"comparisons", *AFTER_TABLES}),
        ("workflow/report/leak.rst", {"report"}),
        ("engine/backends/__init__.py", set()),
    ],
)
def test_changed_code_reruns_the_steps_that_run_it(done, file, rules):
    with done.edited(file):
        planned = done.plan(*SMOKE).rules
    if "fetch_embedded_drawings" in rules:
        rules = rules | AFTER_IMAGES
    assert planned == rules


def test_a_changed_recipe_reruns_its_own_variant_and_nothing_else(done):
    file = "config/experiments/ignet.yaml"
    recipe = "      loss: mean_absolute_error\n      recipe:\n"
    with done.edited(file, recipe, f"{recipe}        batch_size: 16\n"):
        plan = done.plan(*SMOKE)
    trained = [job for job in plan.jobs if job.startswith("train ")]
    assert len(trained) == 4  # two depths under two protocols
    assert all("-age_months under" in job for job in trained)
    rules = plan.rules - {"augmentation_sheet"} - DIAGNOSTICS
    # The noise is studied in an experiment of its own.
    assert rules == {"train", *AFTER_TRAINING} - {"noise_map"}
    # At this scale freezeconnect looks at age_years alone.
    others = {rule for rule in DIAGNOSTICS if "freezeconnect" in rule}
    assert plan.rules & DIAGNOSTICS == DIAGNOSTICS - others
    assert plan.counts["table"] == 1


def test_a_changed_published_value_trains_nothing(done):
    file = "config/experiments/ignet.yaml"
    with done.edited(file, "value: 0.4,", "value: 0.5,"):
        planned = done.plan(*SMOKE).rules
    assert "table" in planned
    assert not planned & {"train", "evaluate", "baselines", "augment", "folds"}


def test_a_benchmark_that_is_there_is_read_and_never_made(done):
    table = done.work / "results/tables/engine_speed.csv"
    table.write_text("work,ratio,quiet\n", "utf-8")
    try:
        assert done.plan(*SMOKE).rules == AFTER_TABLES
    finally:
        table.unlink()


def test_a_comment_in_the_configuration_reruns_nothing(done):
    with (
        done.edited("config/protocols/by-child.yaml"),
        done.edited("config/augmentations/ignet.yaml"),
        done.edited("config/models/ignet-depth2.yaml"),
        done.edited("config/datasets/embedded-drawings.yaml"),
        done.edited("config/experiments/ignet.yaml"),
    ):
        assert done.plan(*SMOKE).rules == set()


def test_another_layer_in_a_model_reruns_its_trainings(done):
    with done.edited("config/models/keras-style.yaml", "units: 128", "units: 64"):
        plan = done.plan(*SMOKE)
    assert {"train"} <= plan.rules <= {"train"} | AFTER_TRAINING
    trained = [job for job in plan.jobs if job.startswith("train ")]
    assert trained
    assert all("keras_baseline" in job for job in trained)


def test_graphs_can_be_drawn(done):
    for option in ("--rulegraph", "--dag"):
        result = done.run(option, *SMOKE)
        assert result.code == 0
        assert "digraph snakemake_dag" in result.output


def test_snakemakes_own_report_can_be_asked_for(done, tmp_path):
    wanted = tmp_path / "mine.html"
    result = done.run(*SMOKE, "--report", str(wanted), "--", "results")
    assert result.code == 0, result.output
    assert "What was reproduced, and what was not" in wanted.read_text("utf-8")


@pytest.mark.slow
def test_real_drawings(project, real_data_dir):
    result = project.run(*SMOKE, "experiments=ignet", data_dir=real_data_dir)
    assert result.code == 0, result.output[-4000:]
    assert "stand-in" not in result.output[-1500:]
    with open(project.work / "results/tables/ignet.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["dataset"] for row in rows} == {"draw-a-person"}
    assert {row["status"] for row in rows} == {"local"}
    left_out = [row for row in rows if row["target"] == "age_category"]
    assert len(left_out) == 6
    assert all("does not record age_category" in row["note"] for row in left_out)
    with open(project.work / "results/data/draw-a-person/labels.csv") as file:
        assert len(file.readlines()) == 1 + 238  # 239 less DAM3D006
    again = project.plan(*SMOKE, "experiments=ignet", data_dir=real_data_dir)
    assert again.rules == set()
