"""Step `keras_peer`: Keras learns the same folds, and our engine once more beside it.

Fold by fold, in turns, in one process on the same threads: both times are of one run.
What Keras learned is scored like our own networks.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.training.early_stopping import EarlyStopping
from scripts.lib.io import cli, packages
from scripts.lib.io.clock import peak_bytes
from scripts.lib.io.files import write_csv, write_json
from scripts.lib.io.runs import fold_folder
from scripts.lib.peers import keras_checkpoint
from scripts.lib.score.evaluation import write_scores
from scripts.lib.speed.learning import Pass
from scripts.lib.split.samples import Part, Samples
from scripts.lib.train import devices
from scripts.lib.train.arguments import add_data_arguments
from scripts.lib.train.recipes import HISTORY_COLUMNS, fit_settings

if TYPE_CHECKING:  # needs Keras
    from scripts.lib.peers.keras_sides import Side


def learn_beside(args: argparse.Namespace) -> None:
    """Write history, training, metrics and predictions of Keras, and both sides' times.

    The times stand in beside.json; below args.folder, as step `train` lays it out. Each
    fold's checkpoint is kept until all are done.
    Raises: PackageError without Keras; ValueError for what it cannot learn as we do.
    """
    packages.require_keras()
    from scripts.lib.peers.keras_sides import EngineSide, KerasSide

    task = json.loads(args.experiment_json)
    samples = Samples(args.augmented, args.labels, args.folds, task)
    device = devices.open_device(args.device, args.threads)
    ours = EngineSide(args, task, samples, device)
    theirs = KerasSide(args, task, samples)
    for fold in range(len(samples.folds.folds)):
        parts = [samples.part(fold, name) for name in ("train", "validation")]
        beside = _learn_or_resume(args, task, fold, parts, [ours, theirs])
        folder = fold_folder(args.folder, fold)
        about = {
            "device": "keras",
            "device_name": versions(),
            "threads": args.threads,
            "samples": {"train": len(parts[0].ids), "validation": len(parts[1].ids)},
            "parameters": theirs.learned.count_params(),
            "peak_bytes": peak_bytes(),
        }
        _write_training(folder, task, beside["keras"], about)
        networks = {"best": theirs.evaluate}
        write_scores(folder, task, samples, args.seed, fold, networks)
        write_json(folder / "beside.json", beside)
        _report(task, args.seed, fold, beside)
    for fold in range(len(samples.folds.folds)):
        _checkpoint(args, fold).unlink()


def _learn_or_resume(
    args: argparse.Namespace,
    task: Mapping[str, Any],
    fold: int,
    parts: Sequence[Part],
    both: Sequence[Side],
) -> dict[str, Any]:
    """Return what beside.json holds of a fold; both sides end with what they learned.

    What a stopped run left of this fold is taken.
    """
    about = {"device": both[0].device.id, "threads": args.threads}
    spec = both[0].spec()
    settings = [task, spec, args.seed, fold, about, versions()]
    same = keras_checkpoint.identity(settings, parts)
    path = _checkpoint(args, fold)
    if found := keras_checkpoint.read(path, same):
        beside, weights = found
        for side in both:
            side.restore(fold, len(parts[0].x), weights[side.name])
        return beside
    sides = in_turn(fold, *both)
    for side in sides:
        side.warm(fold, *parts)
    passes = {side.name: side.learn(fold, *parts) for side in sides}
    beside = {"first": sides[0].name, **about, **passes}
    weights = {side.name: side.weights() for side in sides}
    keras_checkpoint.write(path, same, beside, weights)
    return beside


def _checkpoint(args: argparse.Namespace, fold: int) -> Path:
    return fold_folder(args.folder, fold) / "checkpoint.npz"


def in_turn(fold: int, ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Return the sides in the order of this fold: each begins every other one."""
    return (ours, theirs) if fold % 2 == 0 else (theirs, ours)


def versions() -> str:
    """Return what learns on the other side."""
    return ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("keras", "torch"))


def _write_training(
    folder: Path,
    task: Mapping[str, Any],
    passes: Sequence[Pass],
    about: Mapping[str, Any],
) -> None:
    """Write history.csv and training.json in the form of step `train`."""
    settings = fit_settings(task)
    rule = EarlyStopping(settings["tolerance"], settings["score_better"])
    rows, before = [], 0.0
    for number, row in enumerate(passes, 1):
        rule.see(row["score"], number)
        values = (
            number,
            row["training_loss"],
            row["validation_loss"],
            row["score"],
            row["seconds"] - before,
        )
        rows.append(dict(zip(HISTORY_COLUMNS, values, strict=True)))
        before = row["seconds"]
    write_csv(folder / "history.csv", HISTORY_COLUMNS, rows)
    write_json(
        folder / "training.json",
        {
            "passes": len(rows),
            "best_pass": rule.best_pass,
            "stopped": "tolerance" if rule.exhausted else "passes",
            "seconds": round(before, 3),
            **about,
        },
    )


def _report(
    task: Mapping[str, Any], seed: int, fold: int, passes: Mapping[str, Any]
) -> None:
    said = ", ".join(
        f"{name} {passes[name][-1]['seconds']:.1f} s for {len(passes[name])} passes"
        for name in ("engine", "keras")
    )
    print(
        f"[{task['experiment']} {task['variant']} {task['protocol']['id']} seed {seed} "
        f"fold {fold + 1} beside Keras] {said}",
        file=sys.stderr,
        flush=True,
    )


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_arguments(parser)
    parser.add_argument("--model", type=Path, required=True, help="its YAML file")
    learn_beside(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
