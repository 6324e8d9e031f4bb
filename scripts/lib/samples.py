"""From the data set's files to the arrays that a network learns or is scored on."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.random import stream
from scripts.lib.labels import AGE_COLUMNS
from scripts.lib.splits import Folds, load_folds, part_rows


class SampleError(ValueError):
    """Files that do not fit each other or the task."""


@dataclass(frozen=True)
class Part:
    """One part of one fold.

    x: images float32 (n, 1, h, w) in [0, 1], 1 = white paper; with the recipe's
    `center` less the mean image of the fold's training part. t: int (n,) classes, or
    float64 (n, 1) months / target_scale. ids: of the rows; children: who drew them.
    """

    x: np.ndarray
    t: np.ndarray
    ids: list[str]
    children: list[str]


class Samples:
    """The rows of one data set under one protocol, labelled for one task.

    task: what STUDY.task gives: target, task, protocol, recipe. classes: the
    combinations of the target factors that occur in labels.csv, sorted; empty for a
    regression.
    """

    def __init__(
        self, augmented: Path, labels: Path, folds: Path, task: Mapping[str, Any]
    ):
        self.folds: Folds = load_folds(folds, labels)
        with np.load(augmented, allow_pickle=False) as file:
            self.images, self.copies = file["images"], file["copy"]
            self.ids = file["ids"].tolist()
            self.parents = file["parent"].tolist()
            self.children = file["child"].tolist()
        self.regression = task["task"] == "regression"
        self.scale = task["recipe"].get("target_scale", 1.0)
        self.centered = task["recipe"].get("center", False)
        targets = read_targets(labels, task["target"])
        if task["protocol"]["labels"] == "shuffled":
            targets = _shuffled(targets)
        values = [targets[parent] for parent in self.parents]
        if self.regression:
            self.classes: list[str] = []
            self.targets = np.array([v[0] for v in values], float)[:, None] / self.scale
        else:
            combinations = sorted(set(targets.values()))
            self.classes = ["+".join(map(str, c)) for c in combinations]
            empty = sorted(set(combinations) - set(values))
            if empty:
                raise SampleError(
                    f"{augmented}: the class {'+'.join(map(str, empty[0]))} of "
                    f"{'+'.join(task['target'])} has no readable image (nor have "
                    f"{len(empty) - 1} more); mend its images (unreadable.csv lists "
                    "them) or exclude its drawings in the data set's file"
                )
            number = {c: i for i, c in enumerate(combinations)}
            self.targets = np.array([number[v] for v in values])

    @property
    def outputs(self) -> int:
        """How many outputs a network needs."""
        return 1 if self.regression else len(self.classes)

    def part(self, fold: int, name: str) -> Part:
        """Return one part (train, validation or test) of one fold.

        Raises: SampleError for a fold that is not there; SplitError if rows are
        missing.
        """
        if not 0 <= fold < len(self.folds.folds):
            raise SampleError(
                f"fold: expected 0 ... {len(self.folds.folds) - 1}, received {fold}"
            )
        rows = self._rows(fold, name)
        x = self.images[rows, None].astype(np.float32) / np.float32(255)
        if self.centered:
            x -= self._mean_image(fold)
        return Part(
            x,
            self.targets[rows],
            [self.ids[i] for i in rows],
            [self.children[i] for i in rows],
        )

    def _mean_image(self, fold: int) -> np.ndarray:
        """Return the mean of the training part's images, float32 (h, w) in [0, 1].

        The training part alone: what is scored takes no part in it.
        """
        total = self.images[self._rows(fold, "train")].mean(axis=0, dtype=np.float64)
        return (total / 255).astype(np.float32)

    def _rows(self, fold: int, name: str) -> np.ndarray:
        return part_rows(
            self.folds,
            fold,
            name,
            ids=self.ids,
            parents=self.parents,
            copies=self.copies,
        )


def read_targets(labels: Path, factors: Sequence[str]) -> dict[str, tuple]:
    """Return {sample: values of the factors}; ages are int.

    Raises: SampleError if the labels do not record a factor.
    """
    with open(labels, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [f for f in factors if f not in (reader.fieldnames or ())]
        if missing:
            raise SampleError(
                f"{labels}: the target's factors {', '.join(missing)} are not "
                f"recorded; recorded are {', '.join(reader.fieldnames or ())}"
            )
        return {
            row["sample"]: tuple(
                int(row[f]) if f in AGE_COLUMNS else row[f] for f in factors
            )
            for row in reader
        }


def _shuffled(targets: dict[str, tuple]) -> dict[str, tuple]:
    """Return the same targets dealt anew to the drawings: a control without signal."""
    values = list(targets.values())
    order = stream(0, "labels", "shuffled").permutation(len(values))
    return {sample: values[i] for sample, i in zip(targets, order, strict=True)}
