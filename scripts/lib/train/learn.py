"""Learning all folds of one variant, each from its training and validation parts."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import engine
from engine.training import checkpoint as checkpoints
from scripts.lib.io import provenance
from scripts.lib.io.clock import peak_bytes
from scripts.lib.io.files import write_csv, write_json
from scripts.lib.io.locks import alone_in
from scripts.lib.io.runs import fold_folder
from scripts.lib.split.samples import Samples
from scripts.lib.train import devices
from scripts.lib.train.epoch_augmentation import transform
from scripts.lib.train.monitor import Monitor
from scripts.lib.train.recipes import HISTORY_COLUMNS, fit_settings, make_trainer

# Seconds between two lines of progress of one training.
_PROGRESS_EVERY = 3.0


def train(args: argparse.Namespace) -> None:
    """Train all folds; write history.csv, training.json and networks of each.

    model.npz is the network of the best pass, last.npz that of the last one, and
    records.csv what the experiment's `record` asks for.
    A fold begins with weights of its own, or with those that the fold before ended
    with, as the protocol says. Each fold's checkpoint is kept until all are done: what
    a stopped run had learned is not learned again. A second process that is to learn
    the same waits for the end of the first.
    """
    with alone_in(args.folder, _say):
        _train(args)


def _train(args: argparse.Namespace) -> None:
    task = json.loads(args.experiment_json)
    samples = Samples(args.augmented, args.labels, args.folds, task)
    device = devices.open_device(args.device, args.threads)
    carried = task["protocol"]["weights"] == "carried"
    before = None
    for fold in range(len(samples.folds.folds)):
        network = _train_fold(args, task, samples, device, fold, before)
        before = network if carried else None
    for fold in range(len(samples.folds.folds)):
        checkpoints.remove(_checkpoint(args, fold))


def _train_fold(
    args: argparse.Namespace,
    task: Mapping[str, Any],
    samples: Samples,
    device: engine.Device,
    fold: int,
    before: engine.Network | None,
) -> engine.Network:
    """Return the network of one fold, and write its files; before: whose weights."""
    learned, held_out = (samples.part(fold, p) for p in ("train", "validation"))
    rows = len(learned.ids)
    trainer = make_trainer(args, task, samples, device, fold, rows, before)
    network = trainer.network
    monitor = Monitor(network, task.get("record", {}), learned, samples.told)
    history = _fit(
        trainer,
        (learned.x, samples.told(learned.t)),
        (held_out.x, samples.told(held_out.t)),
        checkpoint=_checkpoint(args, fold),
        on_epoch=_reporter(task, args, fold, samples),
        transform=transform(
            samples, task["recipe"].get("augment", []), fold, trainer.seed
        ),
        about=_about(task),
        **monitor.settings(),
        **fit_settings(task),
    )
    folder = fold_folder(args.folder, fold)
    rows = [{key: row[key] for key in HISTORY_COLUMNS} for row in history.rows]
    write_csv(folder / "history.csv", HISTORY_COLUMNS, rows)
    monitor.write(folder / "records.csv", history)
    _save_networks(folder, network, history)
    write_json(
        folder / "training.json",
        {
            "passes": len(history.rows),
            "best_pass": history.best_pass,
            "stopped": history.stopped,
            "seconds": round(sum(row["seconds"] for row in history.rows), 3),
            "device": device.id,
            "device_name": device.name,
            "threads": args.threads,
            "samples": {"train": len(learned.ids), "validation": len(held_out.ids)},
            "parameters": _learned(network),
            "peak_bytes": peak_bytes(),
        },
    )
    return network


def _save_networks(
    folder: Path, network: engine.Network, history: engine.History
) -> None:
    """Write model.npz and last.npz; the network holds the best pass's values again."""
    network.save(folder / "model.npz")
    best = network.parameters()
    network.set_parameters(history.last)
    network.save(folder / "last.npz")
    network.set_parameters(best)


def _about(task: Mapping[str, Any]) -> str:
    """Return what decides the bytes of a training beside what its trainer knows.

    That is what changes its images in each pass, its score, and the code: what an older
    version had learned is not gone on with.
    """
    return json.dumps(
        [
            task["task"],
            task["recipe"].get("augment", []),
            task.get("record", {}),
            provenance.fingerprint("scripts.train"),
        ]
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _checkpoint(args: argparse.Namespace, fold: int) -> Path:
    return fold_folder(args.folder, fold) / "checkpoint.npz"


def _fit(
    trainer: engine.Trainer, *data: Any, checkpoint: Path, **settings: Any
) -> engine.History:
    """Return `trainer.fit`'s history; a checkpoint that does not belong is left aside.

    A run that was stopped leaves its checkpoint. If the file is damaged, the one before
    it is taken; if settings, data or scale are others by now, there is nothing to
    resume: learn from the start.
    """
    older = checkpoints.previous(checkpoint)
    while True:  # ends: every turn takes one of the two files away
        try:
            return trainer.fit(*data, checkpoint=checkpoint, **settings)
        except engine.CheckpointError as error:
            what = "going back" if older.exists() else "learning from the start"
            _say(f"{what}: {error}")
            checkpoint.unlink()
            if older.exists():
                older.replace(checkpoint)


def _learned(network: engine.Network) -> int:
    """Return how many numbers are learned."""
    parameters = [p for layer in network.layers for p in layer.parameters]
    return sum(math.prod(p.shape) for p in parameters if p.learned)


def _reporter(
    task: Mapping, args: argparse.Namespace, fold: int, samples: Samples
) -> Callable[[dict], None]:
    """Return what prints a line of progress now and then, and at the last pass."""
    folds, passes = len(samples.folds.folds), task["recipe"]["passes"]
    who = (
        f"[{task['experiment']} {task['variant']} {task['protocol']['id']} "
        f"seed {args.seed} fold {fold + 1}/{folds}]"
    )
    last = 0.0

    def report(row: dict) -> None:
        nonlocal last
        now = time.monotonic()
        if row["pass"] not in (1, passes) and now - last < _PROGRESS_EVERY:
            return
        last = now
        score = row["validation_score"]
        shown = (
            f"MAPE {score:.2f} %"
            if task["task"] == "regression"
            else f"accuracy {100 * score:.1f} %"
        )
        left = row["seconds"] * (passes - row["pass"])
        _say(
            f"{who} pass {row['pass']}/{passes}  loss {row['training_loss']:.4f}  "
            f"validation {shown}  at most {left:.0f} s left"
        )

    return report
