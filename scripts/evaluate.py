"""Step `evaluate`: score trained networks, the test part too.

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
from scripts.lib import cli, devices, scores
from scripts.lib.files import write_csv, write_json
from scripts.lib.runs import fold_folder
from scripts.lib.samples import Part, Samples
from scripts.train import add_data_arguments

PREDICTION_COLUMNS = ("part", "id", "target", "prediction")


def evaluate(args: argparse.Namespace) -> None:
    """Write metrics.json and predictions.csv of each fold's validation and test part.

    Below args.folder, beside the folds' networks.
    """
    task = json.loads(args.experiment_json)
    samples = Samples(args.augmented, args.labels, args.folds, task)
    device = devices.open_device(args.device, args.threads)
    for fold in range(len(samples.folds.folds)):
        folder = fold_folder(args.folder, fold)
        network = engine.load(folder / "model.npz", device=device)
        write_scores(folder, task, samples, args.seed, fold, network.evaluate)


def write_scores(
    folder: Path,
    task: Mapping[str, Any],
    samples: Samples,
    seed: int,
    fold: int,
    evaluated: Callable[[np.ndarray, np.ndarray], tuple[float, np.ndarray]],
) -> None:
    """Write metrics.json and predictions.csv of one fold.

    evaluated(x, t) gives the loss and the outputs of what was trained, (n, 1) values or
    (n, K) numbers of which the largest is the class.
    """
    parts, predictions = {}, []
    for name in ("validation", "test"):
        part = samples.part(fold, name)
        loss, outputs = evaluated(part.x, part.t)
        rows = _scores(samples, part, outputs)
        parts[name] = {"loss": loss, **scores.summed(rows, part.children)}
        predictions += _predictions(samples, name, part, outputs)
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
            "parts": parts,
        },
    )


def _scores(samples: Samples, part: Part, outputs: np.ndarray) -> np.ndarray:
    if samples.regression:
        return scores.errors(outputs[:, 0], part.t[:, 0])
    return scores.hits(outputs.argmax(axis=1), part.t)


def _predictions(
    samples: Samples, name: str, part: Part, outputs: np.ndarray
) -> list[Mapping[str, Any]]:
    """Return one row per sample: true and predicted months, or class names."""
    if samples.regression:
        true = [round(v * samples.scale) for v in part.t[:, 0].tolist()]
        given = [f"{v * samples.scale:.3f}" for v in outputs[:, 0].tolist()]
    else:
        true = [samples.classes[i] for i in part.t]
        given = [samples.classes[i] for i in outputs.argmax(axis=1)]
    return [
        {"part": name, "id": i, "target": t, "prediction": p}
        for i, t, p in zip(part.ids, true, given, strict=True)
    ]


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_arguments(parser)
    evaluate(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
