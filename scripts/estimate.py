"""Step `estimate`: how long all trainings will take, said before they begin."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import engine
from scripts.lib.io import cli
from scripts.lib.io.files import write_csv
from scripts.lib.split.samples import read_targets
from scripts.lib.train import devices
from scripts.lib.train.models import load_model

COLUMNS = (
    "experiment",
    "variant",
    "step_seconds",
    "steps",
    "validation_seconds",
    "hours",
)
# A step is timed until so many seconds have passed, but at least so often.
_SECONDS, _TURNS = 0.5, 5


def make_estimate(args: argparse.Namespace) -> None:
    """Write a row per variant, and print the sums by experiment.

    hours = (steps × seconds a step + rows scored after passes × seconds a row) / 3600

    on one thread, as trainings run: measured now, with each network and batch, on rows
    of random numbers. steps: of all protocols, folds and seeds, if none stops early.
    """
    plan = json.loads(args.plan)
    device = devices.open_device(args.device, 1)
    measured: dict[str, tuple[float, float]] = {}
    rows = []
    for run in plan:
        targets = read_targets(args.data / run["dataset"] / "labels.csv", run["target"])
        outputs = 1 if run["task"] == "regression" else len(set(targets.values()))
        steps, scored, batch = _counts(run, len(targets))
        key = json.dumps([run["model"], run["options"], run["loss"], outputs, batch])
        if key not in measured:
            file = args.config / "models" / f"{run['model']}.yaml"
            spec = load_model(file, outputs, run["loss"], run["options"])
            measured[key] = _measure(spec, outputs, run, batch, device)
        step, row = measured[key]
        rows.append(
            {
                "experiment": run["experiment"],
                "variant": run["variant"],
                "step_seconds": f"{step:.3g}",
                "steps": steps,
                "validation_seconds": f"{row * scored:.3g}",
                "hours": (step * steps + row * scored) / 3600,
            }
        )
    _say(rows, args.cores, device.name)
    for row in rows:
        row["hours"] = f"{row['hours']:.3g}"
    write_csv(args.output, COLUMNS, rows)


def _counts(run: Mapping[str, Any], drawings: int) -> tuple[int, int, int]:
    """Return steps, rows scored after passes, and the largest batch."""
    steps = scored = largest = 0
    for protocol in run["protocols"]:
        k, v, copies = protocol["folds"], protocol["validation"], run["copies"]
        by_rows = protocol["unit"] == "row"
        rest = (1 - v) * (k - 1) / k * drawings
        train = round(rest * copies)
        held_out = v * drawings * (copies if by_rows else (k - 1) / k)
        full = run["recipe"]["batch_size"] == "full"
        batch = train if full else min(run["recipe"]["batch_size"], train)
        times = k * run["seeds"] * run["recipe"]["passes"]
        steps += times * math.ceil(train / batch)
        scored += round(times * held_out)
        largest = max(largest, batch)
    return steps, scored, largest


def _measure(
    spec: Mapping[str, Any],
    outputs: int,
    run: Mapping[str, Any],
    batch: int,
    device: engine.Device,
) -> tuple[float, float]:
    """Return (seconds a training step, seconds a row that is scored)."""
    network = engine.Network.from_spec(spec, device=device)
    trainer = engine.Trainer(network, run["recipe"]["optimizer"], batch)
    rng = np.random.default_rng(0)
    x = rng.random((batch, *spec["input"]), np.float32)
    t = rng.random((batch, 1)) if outputs == 1 else rng.integers(0, outputs, batch)
    return (
        _time(lambda: trainer.step(x, t)),
        _time(lambda: network.evaluate(x, t)) / batch,
    )


def _time(work) -> float:
    """Return the median seconds of a call, the first not counted."""
    work()
    begin, times = time.perf_counter(), []
    while len(times) < _TURNS or time.perf_counter() - begin < _SECONDS:
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    return float(np.median(times))


def _say(rows: list[dict[str, Any]], cores: int, device: str) -> None:
    sums: dict[str, float] = {}
    for row in rows:
        sums[row["experiment"]] = sums.get(row["experiment"], 0.0) + row["hours"]
    each = ", ".join(f"{name} {_span(hours)}" for name, hours in sums.items())
    total = sum(sums.values())
    print(
        f"The trainings will take at most about {_span(total / cores)} on {cores} "
        f"cores of this machine ({device}), beside what else it does: {each} of one "
        "core. Trainings that stop early are shorter.",
        file=sys.stderr,
        flush=True,
    )


def _span(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", required=True, help="what is to be trained, JSON")
    parser.add_argument("--data", type=Path, required=True, help="results/data")
    parser.add_argument("--config", type=Path, required=True, help="the folder config")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help="written, .csv")
    make_estimate(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
