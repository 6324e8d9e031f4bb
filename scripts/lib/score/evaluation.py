"""Scoring trained networks, the test part too.

No other step reads the test part of what was trained, but for `keras_peer`, after Keras
has chosen its pass.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import engine
from scripts.lib.io.files import read_json, write_csv, write_json
from scripts.lib.io.runs import fold_folder
from scripts.lib.score import scores
from scripts.lib.split.samples import Part, Samples
from scripts.lib.train import devices

PARTS = ("validation", "test")
PREDICTION_COLUMNS = (
    "part",
    "id",
    "target",
    "prediction",
    "prediction_top",
    "last",
    "last_top",
)
# (x, t) -> loss and outputs, (n, 1) values or (n, K) of which the largest is the class
Evaluated = Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]]


def evaluate(args: argparse.Namespace) -> None:
    """Write metrics.json and predictions.csv of each fold's validation and test part.

    Below args.folder, beside the folds' networks.
    """
    task = json.loads(args.experiment_json)
    samples = Samples([args.augmented, *args.test], args.labels, args.folds, task)
    device = devices.open_device(args.device, args.threads)
    for fold in range(len(samples.folds.folds)):
        folder = fold_folder(args.folder, fold)
        training = read_json(folder / "training.json")
        best = engine.load(folder / "model.npz", device=device).evaluate
        last = best
        if training["best_pass"] != training["passes"]:
            last = engine.load(folder / "last.npz", device=device).evaluate
        networks = {"best": best, "last": last}
        write_scores(folder, task, samples, args.seed, fold, networks)


def write_scores(
    folder: Path,
    task: Mapping[str, Any],
    samples: Samples,
    seed: int,
    fold: int,
    networks: Mapping[str, Evaluated],
) -> None:
    """Write metrics.json and predictions.csv of one fold.

    networks: {best, last: what it gives}, of the pass that validation chose and of the
    last one, or the first alone.

    metrics.json: {parts: {validation, test: {best, last: {loss, score, n, groups,
    top_score}}}}, scores in per cent. predictions.csv: for each row its target and what
    either network says (`prediction` the best, `last`), months or names of classes; and
    with the record `top: K` whether (1 or 0) the true class is among the K largest
    outputs.
    """
    top = task.get("record", {}).get("top")
    parts: dict[str, dict] = {}
    predictions: list[dict[str, Any]] = []
    for name in PARTS:
        part = samples.part(fold, name)
        targets = _shown(samples, part.t[:, 0] if samples.regression else part.t)
        rows = [
            {"part": name, "id": i, "target": target}
            for i, target in zip(part.ids, targets, strict=True)
        ]
        parts[name] = {}
        outputs: dict[Evaluated, tuple[float, np.ndarray]] = {}
        for network, evaluated in networks.items():
            if evaluated not in outputs:
                outputs[evaluated] = evaluated(part.x, samples.told(part.t))
            loss, given = outputs[evaluated]
            column = "prediction" if network == "best" else network
            parts[name][network] = {"loss": loss, **_scored(samples, part, given, top)}
            for row, prediction in zip(rows, _predicted(samples, given), strict=True):
                row[column] = prediction
            if top:
                in_top = scores.top_hits(given, part.t, top).astype(int).tolist()
                for row, hit in zip(rows, in_top, strict=True):
                    row[f"{column}_top"] = hit
        predictions += rows
    write_csv(folder / "predictions.csv", PREDICTION_COLUMNS, predictions)
    write_json(
        folder / "metrics.json",
        {
            **{key: task[key] for key in ("experiment", "variant")},
            "protocol": task["protocol"]["id"],
            "seed": seed,
            "fold": fold,
            "metric": "accuracy" if samples.classes else "mape",
            "reported": task["protocol"]["reported"],
            "classes": len(samples.classes),
            "top": top,
            "parts": parts,
        },
    )


def _scored(
    samples: Samples, part: Part, outputs: np.ndarray, top: int | None
) -> dict[str, Any]:
    """Return the scores of a part, and with `top` the portion of hits among so many."""
    if samples.regression:
        rows = scores.errors(outputs[:, 0], part.t[:, 0])
    else:
        rows = scores.hits(outputs.argmax(axis=1), part.t)
    found = scores.summed(rows, part.groups)
    if top:
        hits = scores.top_hits(outputs, part.t, top)
        found["top_score"] = round(100 * float(hits.mean()), 9)
    return found


def _predicted(samples: Samples, outputs: np.ndarray) -> list[str]:
    """Return what the outputs say: months, or names of classes."""
    if samples.regression:
        return [f"{v * samples.scale:.3f}" for v in outputs[:, 0].tolist()]
    return _shown(samples, outputs.argmax(axis=1))


def _shown(samples: Samples, targets: np.ndarray) -> list[Any]:
    if samples.regression:
        return [round(v * samples.scale) for v in targets.tolist()]
    return [samples.classes[i] for i in targets.tolist()]
