"""The estimate of a scale's time."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import pytest

from scripts import estimate
from scripts.lib.io.files import write_csv
from tests.conftest import ROOT

ROW = {"unit": "row", "validation": 0.2, "folds": 5}
CHILD = {"unit": "child", "validation": 0.25, "folds": 4}


def run(batch, *protocols, passes=10):
    return {
        "experiment": "ignet",
        "variant": "months",
        "dataset": "small",
        "copies": 10,
        "seeds": 2,
        "recipe": {
            "optimizer": {"sgd": {"learning_rate": 1e-6}},
            "batch_size": batch,
            "passes": passes,
        },
        "options": {},
        "model": "ignet-depth2",
        "target": ["age_months"],
        "task": "regression",
        "loss": "mean_absolute_error",
        "protocols": list(protocols),
    }


def test_steps_are_those_that_training_makes():
    """100 drawings × 10: 800 rows are dealt to folds under the first, 640 learned."""
    steps, scored, batch = estimate._counts(run(32, ROW), 100)
    assert steps == 2 * 10 * 5 * 20
    assert scored == 2 * 10 * 5 * 200
    assert batch == 32
    # 75 drawings on the training side, a quarter of them held out: 562.5 rows
    steps, scored, _ = estimate._counts(run(32, CHILD), 100)
    assert steps == 2 * 10 * 4 * 18
    assert scored == pytest.approx(2 * 10 * 4 * 18.75)
    steps, _, batch = estimate._counts(run("full", ROW), 100)
    assert (steps, batch) == (2 * 10 * 5, 640)


def test_the_estimate_is_written_and_said(tmp_path, capsys):
    rows = [{"sample": f"d{i}", "age_months": 60 + i} for i in range(40)]
    write_csv(tmp_path / "data/small/labels.csv", rows[0].keys(), rows)
    out = tmp_path / "estimate.csv"
    plan = [run(8, ROW, passes=1), run(8, ROW, CHILD, passes=4)]
    estimate.make_estimate(
        SimpleNamespace(
            plan=json.dumps(plan),
            data=tmp_path / "data",
            config=ROOT / "config",
            device="reference",
            cores=2,
            output=out,
        )
    )
    found = list(csv.DictReader(out.read_text().splitlines()))
    assert tuple(found[0]) == estimate.COLUMNS
    hours = [float(row["hours"]) for row in found]
    assert 0 < 4 * hours[0] < hours[1]
    step = float(found[0]["step_seconds"])
    least = step * int(found[0]["steps"]) / 3600
    assert least * 0.99 < hours[0] < 3 * least
    said = capsys.readouterr().err
    assert "on 2 cores" in said and "ignet" in said
