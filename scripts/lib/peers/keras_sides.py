"""Two sides that learn the same folds in turns: our engine, and Keras's `fit`.

The same on both: network, initial values, optimiser and its settings, rows, targets,
batch size, passes, and the rule by which a pass is chosen. Each side's own: the order
of the rows, the masks of dropout, the order of sums, and where Adam adds ε (see
keras_models).

Importing this needs Keras; `packages.require_keras` says how to get it.
"""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import engine
from scripts.lib.io.clock import Clock
from scripts.lib.speed.learning import Pass
from scripts.lib.split.samples import Part, Samples
from scripts.lib.train import keras_models
from scripts.lib.train.recipes import batch_size, fit_settings, make_trainer

_CHECKED = 4  # images that both must say the same of


class Side(ABC):
    """One side: learns fold after fold; carries weights if the protocol says so."""

    name: str

    def __init__(
        self, args: argparse.Namespace, task: Mapping[str, Any], samples: Samples
    ):
        self.args, self.task, self.samples = args, task, samples
        self.carried = task["protocol"]["weights"] == "carried"
        self.learned: Any = None  # what the fold before ended with

    def warm(self, fold: int, train: Part, validation: Part) -> None:
        """Learn some rows for one pass and forget it: what is compiled is compiled.

        A whole batch and one as large as the pass's last.
        """
        batch = batch_size(self.task["recipe"], len(train.x))
        rows = slice(batch + len(train.x) % batch)
        few = replace(train, x=train.x[rows], t=train.t[rows])
        self._learn(fold, few, validation, None, 1)

    def learn(self, fold: int, train: Part, validation: Part) -> list[Pass]:
        """Learn a fold and return its passes."""
        before = self.learned if self.carried else None
        passes = self.task["recipe"]["passes"]
        self.learned, rows = self._learn(fold, train, validation, before, passes)
        return rows

    def spec(self) -> dict[str, Any]:
        """Return the network's spec, the same of every fold and side."""
        return self._trainer(0, 1, "reference").network.spec

    @abstractmethod
    def weights(self) -> list[np.ndarray]:
        """Return what was learned last, in an order of its own."""

    @abstractmethod
    def restore(self, fold: int, rows: int, weights: list[np.ndarray]) -> None:
        """Take what `weights` gave after this fold of so many rows was learned."""

    @abstractmethod
    def _learn(
        self, fold: int, train: Part, validation: Part, before: Any, passes: int
    ) -> tuple[Any, list[Pass]]:
        """Return what was learned, and its passes; before: what it begins with."""

    def _trainer(self, fold: int, rows: int, device: Any, before: Any = None):
        return make_trainer(
            self.args, self.task, self.samples, device, fold, rows, before
        )


class EngineSide(Side):
    """Our engine by `Trainer.fit`, as step `train` does it, without a checkpoint."""

    name = "engine"

    def __init__(self, args, task, samples, device: engine.Device):
        super().__init__(args, task, samples)
        self.device = device

    def _learn(self, fold, train, validation, before, passes):
        trainer = self._trainer(fold, len(train.x), self.device, before)
        rows, clock = [], Clock()
        trainer.fit(
            (train.x, train.t),
            (validation.x, validation.t),
            on_epoch=lambda row: rows.append(
                {
                    **clock.read(),
                    "training_loss": row["training_loss"],
                    "validation_loss": row["validation_loss"],
                    "score": row["validation_score"],
                }
            ),
            **(fit_settings(self.task) | {"passes": passes}),
        )
        return trainer.network, rows

    def weights(self):
        return list(self.learned.parameters().values())

    def restore(self, fold, rows, weights):
        self.learned = self._trainer(fold, rows, self.device).network
        names = self.learned.parameters()
        self.learned.set_parameters(dict(zip(names, weights, strict=True)))


class KerasSide(Side):
    """Keras on PyTorch by `fit`, from the engine's initial values."""

    name = "keras"

    def __init__(self, args, task, samples):
        super().__init__(args, task, samples)
        torch.set_num_threads(args.threads)

    def _learn(self, fold, train, validation, before, passes):
        trainer, model = self._model(fold, len(train.x))
        if before is None:
            keras_models.set_parameters(model, trainer.network)
            check_same(trainer.network, model, validation.x[:_CHECKED])
        else:
            model.set_weights(before.get_weights())
        rows = keras_models.fit(
            model,
            trainer.network,
            (keras_models.to_last(train.x), train.t),
            (keras_models.to_last(validation.x), validation.t),
            batch_size=trainer.batch_size,
            passes=passes,
            tolerance=self.task["recipe"]["tolerance"],
        )
        _check_finite(rows, f"Keras, fold {fold}")
        return model, rows

    def _model(self, fold: int, rows: int) -> tuple[engine.Trainer, Any]:
        """Return our network with its trainer, and the same in Keras."""
        trainer = self._trainer(fold, rows, "reference")
        optimizer = self.task["recipe"]["optimizer"]
        return trainer, keras_models.compiled(trainer.network, optimizer, trainer.seed)

    def weights(self):
        return self.learned.get_weights()

    def restore(self, fold, rows, weights):
        self.learned = self._model(fold, rows)[1]
        self.learned.set_weights(weights)

    def evaluate(self, x: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
        """Return loss and outputs of what was learned last; images (n, c, h, w)."""
        x = keras_models.to_last(x)
        found = self.learned.evaluate(x, t, verbose=0, return_dict=True)
        return float(found["loss"]), self.learned.predict(x, verbose=0)


def check_same(network: engine.Network, model: Any, x: np.ndarray) -> None:
    """Do nothing if Keras's model, with the network's parameters, is the same.

    x: images (n, c, h, w), of which both must say the same to 1e-3 of the largest.
    Raises: ValueError for what `keras_models.build` passes over.
    """
    plain = {"bias_rate": 1.0, "dropconnect": 0.0, "freezeconnect": 0.0}
    for layer in network.layers:
        settings = layer.settings
        other = [k for k, v in plain.items() if settings.get(k, v) != v]
        if settings.get("bias") == "fixed":
            other.append("bias")
        if other:
            raise ValueError(
                f"{layer.name}: {other[0]}: expected what Keras's layer can do too, "
                f"received {settings[other[0]]!r}; compare a network without it"
            )
    ours = network.predict(x)
    theirs = model.predict(keras_models.to_last(x), verbose=0)
    near = 1e-3 * np.abs(ours).max()
    if theirs.shape != ours.shape or not np.allclose(theirs, ours, rtol=0, atol=near):
        raise ValueError(
            f"expected that Keras says the same with the same parameters, {ours[0]}, "
            f"received {theirs[0]}; compare a network without settings that "
            "keras_models.build does not read"
        )


def _check_finite(rows: list[Pass], where: str) -> None:
    for number, row in enumerate(rows, 1):
        for key, value in row.items():
            if not np.isfinite(value):
                raise engine.NumericsError(
                    f"{where}, pass {number}: {key} is {value}; lower the learning rate"
                )
