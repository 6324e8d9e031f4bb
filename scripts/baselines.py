"""Step `baselines`: what needs no network, scored on the same folds and part."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml
from threadpoolctl import threadpool_limits

from scripts.lib import baselines, cli, statistics
from scripts.lib.files import write_csv
from scripts.lib.samples import Samples

COLUMNS = ("baseline", "metric", "mean", "sd", "n")


def make_baselines(args: argparse.Namespace) -> None:
    """Write one row per baseline: mean, sd, n over the folds, in the table's unit.

    Each fold's baselines learn its training rows alone: nothing is carried from fold to
    fold, whatever the protocol does with a network's weights.
    Raises: ValueError if the files do not fit each other or the task.
    """
    protocol = yaml.safe_load(args.protocol.read_text("utf-8"))
    task = {
        "task": args.task,
        "target": args.target.split("+"),
        "protocol": protocol,
        "recipe": {},
    }
    samples = Samples(args.augmented, args.labels, args.folds, task)
    scores: dict[str, list[float]] = {}
    # One thread: sums in one order, so the same bytes on any number of cores.
    with threadpool_limits(1):
        for fold in range(len(samples.folds.folds)):
            for name, value in _score(samples, fold, protocol["reported"]).items():
                scores.setdefault(name, []).append(value)
    metric = "mape" if samples.regression else "accuracy"
    rows = []
    for name, values in scores.items():
        mean, sd = statistics.mean_sd(values)
        rows.append(
            {
                "baseline": name,
                "metric": metric,
                # Beyond nine decimals there is only the rounding of sums.
                "mean": round(mean, 9),
                "sd": None if sd is None else round(sd, 9),
                "n": len(values),
            }
        )
    write_csv(args.output, COLUMNS, rows)


def _score(samples: Samples, fold: int, reported: str) -> dict[str, float]:
    """Return {baseline: its score on the reported part of one fold}."""
    train, validation, scored = (
        samples.part(fold, name) for name in ("train", "validation", reported)
    )
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
    parser.add_argument("--output", type=Path, required=True, help="written, .csv")
    make_baselines(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
