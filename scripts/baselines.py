"""Step `baselines`: what needs no network, scored on the same folds and part."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from scripts.lib.io import cli, inheritance
from scripts.lib.io.files import write_json
from scripts.lib.score import baselines, scores
from scripts.lib.split.samples import Part, Samples


def make_baselines(args: argparse.Namespace) -> None:
    """Write {baseline: what `scores.summed` keeps of each fold} as JSON.

    Each fold's baselines learn its training rows alone: nothing is carried from fold to
    fold, whatever the protocol does with a network's weights.
    Raises: ValueError if the files do not fit each other or the task.
    """
    protocol = inheritance.load(args.protocol)
    task = {
        "task": args.task,
        "target": args.target.split("+"),
        "protocol": protocol,
        "recipe": {},
    }
    samples = Samples(args.augmented, args.labels, args.folds, task)
    found: dict[str, list[dict[str, Any]]] = {}
    # One thread: sums in one order, so the same bytes on any number of cores.
    with threadpool_limits(1):
        for fold in range(len(samples.folds.folds)):
            part = samples.part(fold, protocol["reported"])
            for name, rows in _score(samples, fold, part).items():
                found.setdefault(name, []).append(scores.summed(rows, part.groups))
    write_json(args.output, found)


def _score(samples: Samples, fold: int, scored: Part) -> dict[str, np.ndarray]:
    """Return {baseline: the scores of the scored part's rows} of one fold."""
    train, validation = (samples.part(fold, p) for p in ("train", "validation"))
    if samples.regression:
        return baselines.score_regression(train, validation, scored)
    classes = len(samples.classes)
    return baselines.score_classification(train, validation, scored, classes)


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--augmented", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--protocol", type=Path, required=True, help="its YAML file")
    parser.add_argument("--target", required=True, help="factors, joined by +")
    parser.add_argument(
        "--task", choices=("regression", "classification"), required=True
    )
    parser.add_argument("--output", type=Path, required=True, help="written, .json")
    make_baselines(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
