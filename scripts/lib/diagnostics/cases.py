"""One variant of an experiment on its data, and networks of it that can be trained."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import engine
from engine import metrics, random
from engine.diagnostics.mav import weighted
from scripts.lib.split.samples import Part, Samples
from scripts.lib.train.models import load_model


@dataclass(frozen=True)
class Files:
    """Where the data lie; folds by protocol; models: the folder of their files."""

    augmented: Path
    labels: Path
    folds: Mapping[str, Path]
    models: Path


class Case:
    """One variant under one protocol.

    entry: of `asked`'s variants. Seeds are those of the step `train`: a network of
    (seed, fold) starts as it does there.
    """

    def __init__(self, entry: Mapping[str, Any], protocol: str, files: Files, device):
        self.id, self.task = entry["id"], entry["tasks"][protocol]
        self.protocol, self.recipe = protocol, self.task["recipe"]
        folds = files.folds[protocol]
        self.samples = Samples(files.augmented, files.labels, folds, self.task)
        self.device = device
        self._model = files.models / f"{entry['model']}.yaml"
        self.spec = self.spec_with({})

    def spec_with(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variant's spec with other options of its model.

        Raises: ValueError for an option that the model's file does not have.
        """
        options = {**self.task.get("options", {}), **options}
        outputs, loss = self.samples.outputs, self.task["loss"]
        return load_model(self._model, outputs, loss, options)

    @property
    def metric(self) -> str:
        """mape or accuracy; both in per cent in the tables."""
        return "mape" if self.samples.regression else "accuracy"

    @property
    def depth(self) -> int:
        """How many layers have weights."""
        return len(weighted(self.network(0, 0, device="reference")))

    def part(self, fold: int, name: str) -> Part:
        """Return one part of one fold."""
        return self.samples.part(fold, name)

    def network(
        self,
        seed: int,
        fold: int,
        spec: Mapping[str, Any] | None = None,
        device: Any = None,
    ) -> engine.Network:
        """Return a new network of the variant, or of `spec`."""
        return engine.Network.from_spec(
            spec or self.spec, device=device or self.device, seed=1000 * seed + fold
        )

    def trainer(
        self,
        network: engine.Network,
        seed: int,
        fold: int,
        learning_rate: float | None = None,
    ) -> engine.Trainer:
        """Return what trains by the recipe, or at another learning rate."""
        optimizer = copy.deepcopy(self.recipe["optimizer"])
        if learning_rate is not None:
            (name,) = optimizer
            optimizer[name]["learning_rate"] = learning_rate
        seed = 1000 * seed + fold
        return engine.Trainer(network, optimizer, self.recipe["batch_size"], seed=seed)

    def fit(
        self,
        trainer: engine.Trainer,
        fold: int,
        passes: int,
        on_epoch: Callable[[dict], None] | None = None,
    ) -> list[dict]:
        """Learn `passes` passes, never stopping early; return the history's rows.

        Their `validation_score` is in per cent. Then the best pass's parameters stand.
        """
        learned, held_out = self.part(fold, "train"), self.part(fold, "validation")
        history = trainer.fit(
            (learned.x, learned.t),
            (held_out.x, held_out.t),
            passes=passes,
            on_epoch=on_epoch,
            score=self.score,
            score_better="lower" if self.samples.regression else "higher",
        )
        return history.rows

    def score(self, outputs: np.ndarray, t: np.ndarray) -> float:
        """Return MAPE (lower is better) or accuracy, in per cent."""
        if self.samples.regression:
            return metrics.mape(outputs, t)
        return 100.0 * metrics.accuracy(outputs, t)

    def score_on(self, network: engine.Network, part: Part) -> float:
        """Return the score of a network as it is on one part."""
        t = part.t[:, 0] if self.samples.regression else part.t
        return self.score(network.predict(part.x), t)

    def batches(self, seed: int, fold: int, count: int) -> Sequence[tuple]:
        """Return the first `count` batches (x, t) of the first pass of a training.

        Raises: ValueError if there are fewer.
        """
        part, size = self.part(fold, "train"), self.recipe["batch_size"]
        order = random.permutation(1000 * seed + fold, "order", len(part.x))
        if count * size > len(order):
            raise ValueError(
                f"{self.id}: expected {count} batches of {size} in the training part, "
                f"received {len(order)} samples; lower `batches`"
            )
        starts = range(0, count * size, size)
        return [
            (part.x[order[i : i + size]], part.t[order[i : i + size]]) for i in starts
        ]


def better(metric: str) -> Callable:
    """Return what chooses the better of scores: min or max."""
    return min if metric == "mape" else max
