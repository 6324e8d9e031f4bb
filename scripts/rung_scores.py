"""Step `rung_scores`: score a rung's best and last network, the test part too.

Nothing else reads the test part of a ladder; the pass that is kept was chosen before.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import engine
from scripts.lib import cli, devices, statistics
from scripts.lib.files import write_csv, write_json
from scripts.lib.runs import fold_folder
from scripts.lib.samples import Part, Samples
from scripts.train import add_data_arguments

# `best` by the validation part, and the one after the last pass, as S4 reports.
NETWORKS = {"best": "model.npz", "last": "last.npz"}
PARTS = ("validation", "test")
PREDICTION_COLUMNS = ("part", "id", "target", "best", "best_top5", "last", "last_top5")
_TOP = 5


def score_rung(args: argparse.Namespace) -> None:
    """Write metrics.json and predictions.csv.

    metrics.json: {parts: {validation, test: {best, last: {loss, n, top1, top5}}}},
    accuracies in per cent with their 95 % intervals by Wilson. predictions.csv: for
    each image the class, the class that either network gives, and whether (1 or 0) the
    true one is among the five largest outputs.
    """
    task = json.loads(args.experiment_json)
    files = [args.augmented, args.test]
    samples = Samples(files, args.labels, args.folds, task)
    device = devices.open_device(args.device, args.threads)
    folder = fold_folder(args.folder, 0)
    scores: dict[str, Any] = {part: {} for part in PARTS}
    rows: dict[str, list[dict]] = {}
    for part in PARTS:
        held_out = samples.part(0, part)
        rows[part] = [
            {"part": part, "id": i, "target": samples.classes[t]}
            for i, t in zip(held_out.ids, held_out.t, strict=True)
        ]
        for name, file in NETWORKS.items():
            network = engine.load(folder / file, device=device)
            loss, outputs = network.evaluate(held_out.x, held_out.t)
            scores[part][name] = {"loss": loss, **_scored(held_out, outputs)}
            for row, given, top in zip(
                rows[part],
                outputs.argmax(axis=1),
                top_hits(outputs, held_out.t),
                strict=True,
            ):
                row[name] = samples.classes[given]
                row[f"{name}_top5"] = int(top)
    write_csv(
        folder / "predictions.csv",
        PREDICTION_COLUMNS,
        [row for part in PARTS for row in rows[part]],
    )
    write_json(
        folder / "metrics.json",
        {
            "experiment": task["experiment"],
            "protocol": task["protocol"]["id"],
            "seed": args.seed,
            "classes": len(samples.classes),
            "parts": scores,
        },
    )


def _scored(part: Part, outputs: np.ndarray) -> dict[str, Any]:
    """Return n, and for top-1 and top-5 the accuracy and its interval, in per cent."""
    n = len(part.ids)
    hits = {
        "top1": int((outputs.argmax(axis=1) == part.t).sum()),
        "top5": int(top_hits(outputs, part.t).sum()),
    }
    return {"n": n} | {
        key: {
            "hits": count,
            "accuracy": 100 * count / n,
            "interval": [100 * end for end in statistics.wilson_interval(count, n)],
        }
        for key, count in hits.items()
    }


def top_hits(outputs: np.ndarray, t: np.ndarray, top: int = _TOP) -> np.ndarray:
    """Return bool (n,): whether the true class is among the `top` largest outputs.

    outputs (n, K), t int (n,). Of equal outputs the true one comes last: a network that
    gives all classes the same is right by chance at best.
    """
    own = np.take_along_axis(outputs, t[:, None], axis=1)
    return (outputs >= own).sum(axis=1) <= top


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_arguments(parser)
    parser.add_argument("--test", type=Path, required=True, help="the test images")
    score_rung(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
