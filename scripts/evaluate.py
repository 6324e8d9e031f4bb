"""Step `evaluate`: score a trained network. The only step that reads the test part."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import engine
from engine import metrics
from scripts.lib import cli
from scripts.lib.files import write_csv, write_json
from scripts.lib.samples import Part, Samples
from scripts.train import add_data_arguments

PREDICTION_COLUMNS = ("part", "id", "target", "prediction")


def evaluate(args: argparse.Namespace) -> None:
    """Write metrics.json and predictions.csv of the validation and test parts."""
    task = json.loads(args.experiment_json)
    samples = Samples(args.augmented, args.labels, args.folds, task)
    device = engine.open_device(args.device, threads=args.threads, tune=cli.tune())
    network = engine.load(args.network, device=device)
    scores, predictions = {}, []
    for name in ("validation", "test"):
        part = samples.part(args.fold, name)
        loss, outputs = network.evaluate(part.x, part.t)
        scores[name] = {
            "n": len(part.ids),
            "loss": loss,
            **_score(samples, part, outputs),
        }
        predictions += _predictions(samples, name, part, outputs)
    write_csv(args.predictions, PREDICTION_COLUMNS, predictions)
    write_json(
        args.metrics,
        {
            **{key: task[key] for key in ("experiment", "variant")},
            "protocol": task["protocol"]["id"],
            "seed": args.seed,
            "fold": args.fold,
            "reported": task["protocol"]["reported"],
            "classes": len(samples.classes),
            "parts": scores,
        },
    )


def _score(samples: Samples, part: Part, outputs: np.ndarray) -> dict[str, float]:
    if not samples.regression:
        return {"accuracy": metrics.accuracy(outputs, part.t)}
    predicted, true = outputs * samples.scale, part.t * samples.scale
    return {
        "mae_months": metrics.mean_absolute_error(predicted, true),
        "mape_percent": metrics.mape(predicted, true),
    }


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
    parser.add_argument("--network", type=Path, required=True, help="model.npz")
    parser.add_argument("--metrics", type=Path, required=True, help="written")
    parser.add_argument("--predictions", type=Path, required=True, help="written")
    evaluate(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
