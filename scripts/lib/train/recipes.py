"""How a network is trained by a recipe: the trainer, and when it stops."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import engine
from engine import metrics
from scripts.lib.split.samples import Samples
from scripts.lib.train.models import load_model

# Of history.csv.
HISTORY_COLUMNS = (
    "pass",
    "training_loss",
    "validation_loss",
    "validation_score",
    "seconds",
)


def make_trainer(
    args: argparse.Namespace,
    task: Mapping[str, Any],
    samples: Samples,
    device: engine.Device | str,
    fold: int,
    rows: int,
    before: engine.Network | None,
) -> engine.Trainer:
    """Return what learns one fold of so many rows; before: whose weights it takes."""
    # Each fold of each seed has its own numbers.
    seed = 1000 * args.seed + fold
    spec = load_model(args.model, samples.outputs, task["loss"], task["options"])
    network = engine.Network.from_spec(spec, device=device, seed=seed)
    if before is not None:
        network.set_parameters(before.parameters())
    recipe = task["recipe"]
    batch = batch_size(recipe, rows)
    schedule = recipe.get("schedule")
    return engine.Trainer(network, recipe["optimizer"], batch, schedule, seed=seed)


def batch_size(recipe: Mapping[str, Any], rows: int) -> int:
    """Return the samples of a step, of so many rows: all of them if it says full."""
    return rows if recipe["batch_size"] == "full" else recipe["batch_size"]


def fit_settings(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return how `Trainer.fit` chooses the best pass, and when it stops."""
    return {
        "passes": task["recipe"]["passes"],
        "tolerance": task["recipe"]["tolerance"],
        "score": score_of(task),
        "score_better": "lower" if task["task"] == "regression" else "higher",
    }


def score_of(task: Mapping[str, Any]) -> Callable:
    """Return the score of a task: MAPE in % (lower is better), or accuracy (higher)."""
    return metrics.mape if task["task"] == "regression" else accuracy


def accuracy(outputs: Any, targets: Any) -> float:
    """Return the accuracy; targets: classes, or 1 at a class's own place and else 0."""
    of_values = np.ndim(targets) == 2 and np.shape(targets)[1] > 1
    return metrics.accuracy(outputs, np.argmax(targets, 1) if of_values else targets)
