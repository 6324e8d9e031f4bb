"""From the data set's files to the arrays that a network learns or is scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.random import stream
from scripts.lib.data import image_arrays
from scripts.lib.data.labels import AGE_COLUMNS
from scripts.lib.io import tables
from scripts.lib.split.protocols import Folds, load_folds, part_rows


class SampleError(ValueError):
    """Files that do not fit each other or the task."""


@dataclass(frozen=True)
class Part:
    """One part of one fold.

    x: images float32 (n, channels, h, w) in [0, 1], 1 = white paper; with the recipe's
    `center` less the mean image of the fold's training part, with `normalize` each
    channel less its mean and divided by its sd there. t: int (n,) classes, or float64
    (n, 1) months / target_scale. ids: of the rows; groups: which of them
    belong together (who drew them).
    """

    x: np.ndarray
    t: np.ndarray
    ids: list[str]
    groups: list[str]


class Samples:
    """The rows of one data set under one protocol, labelled for one task.

    augmented: what scripts.augment wrote, or files of images and ids where nothing was
    enlarged; task: what STUDY.task gives: target, task, protocol, recipe. classes: the
    combinations of the target factors that occur in labels.csv, sorted; empty for a
    regression.
    """

    def __init__(
        self,
        augmented: Path | Sequence[Path],
        labels: Path,
        folds: Path,
        task: Mapping[str, Any],
    ):
        self.folds: Folds = load_folds(folds, labels)
        rows = _read_rows([augmented] if isinstance(augmented, Path) else augmented)
        self.images, self.copies = rows["images"], rows["copy"]
        self.ids, self.parents, self.groups = (
            rows[key].tolist() for key in ("ids", "parent", "child")
        )
        if self.images.ndim == 3:
            self.images = self.images[:, None]
        self.regression = task["task"] == "regression"
        self.scale = task["recipe"].get("target_scale", 1.0)
        self.centered = task["recipe"].get("center", False)
        self.normalized = task["recipe"].get("normalize", False)
        takes_classes = task.get("loss") in (None, "softmax_cross_entropy")
        self._one_hot = not (self.regression or takes_classes)
        self._known: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # by fold
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

    def told(self, t: np.ndarray) -> np.ndarray:
        """Return targets as the loss takes them.

        Of a loss of values the output of the true class is to be 1, the others 0.
        """
        return np.eye(self.outputs)[t] if self._one_hot else t

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
        rows = self.rows(fold, name)
        return Part(
            self.normal(self.scaled(rows), fold),
            self.targets[rows],
            [self.ids[i] for i in rows],
            [self.groups[i] for i in rows],
        )

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Return the images of some rows, float32 (m, channels, h, w) in [0, 1]."""
        x = self.images[rows].astype(np.float32)
        x /= np.float32(255)
        return x

    def normal(self, x: np.ndarray, fold: int) -> np.ndarray:
        """Return x with the recipe's `center` and `normalize` applied, in place."""
        if self.centered:
            x -= self._mean_image(fold)
        if self.normalized:
            mean, sd = self._channels(fold)
            x -= mean
            x /= sd
        return x

    def _channels(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the training part's mean and sd of each channel, float32 (c, 1, 1).

        Raises: SampleError for a channel that is the same everywhere.
        """
        if fold in self._known:
            return self._known[fold]
        pixels = self.images[self.rows(fold, "train")]
        counts = [np.bincount(c.ravel(), minlength=256) for c in pixels.swapaxes(0, 1)]
        grey = np.arange(256) / 255
        means = [count @ grey / count.sum() for count in counts]
        sds = [
            np.sqrt(count @ (grey - mean) ** 2 / count.sum())
            for count, mean in zip(counts, means, strict=True)
        ]
        if min(sds) == 0:
            raise SampleError(
                f"normalize: channel {sds.index(0)} has one value in all training "
                "images, expected several; leave `normalize` out"
            )
        found = np.float32([means, sds])[:, :, None, None]
        self._known[fold] = found[0], found[1]
        return self._known[fold]

    def _mean_image(self, fold: int) -> np.ndarray:
        """Return the mean of the training part's images, float32 (c, h, w) in [0, 1].

        The training part alone: what is scored takes no part in it.
        """
        total = self.images[self.rows(fold, "train")].mean(axis=0, dtype=np.float64)
        return (total / 255).astype(np.float32)

    def rows(self, fold: int, name: str) -> np.ndarray:
        return part_rows(
            self.folds,
            fold,
            name,
            ids=self.ids,
            parents=self.parents,
            copies=self.copies,
        )


def _read_rows(files: Sequence[Path]) -> dict[str, np.ndarray]:
    """Return images, ids, copy, parent, child of all rows of some files."""
    parts = [image_arrays.read_rows(path) for path in files]
    if len(parts) == 1:
        return parts[0]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def read_targets(labels: Path, factors: Sequence[str]) -> dict[str, tuple]:
    """Return {sample: values of the factors}; ages are int.

    Raises: SampleError if the labels do not record a factor.
    """
    columns, rows = tables.read_with_columns(labels, ("sample",))
    missing = [f for f in factors if f not in columns]
    if missing:
        raise SampleError(
            f"{labels}: the target's factors {', '.join(missing)} are not "
            f"recorded; recorded are {', '.join(columns)}"
        )
    return {
        row["sample"]: tuple(
            _age(row[f], labels) if f in AGE_COLUMNS else row[f] for f in factors
        )
        for row in rows
    }


def _age(text: str, labels: Path) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise SampleError(f"{labels}: an age: expected an integer, received {text!r}")
    return int(text)


def _shuffled(targets: dict[str, tuple]) -> dict[str, tuple]:
    """Return the same targets dealt anew to the drawings: a control without signal."""
    values = list(targets.values())
    order = stream(0, "labels", "shuffled").permutation(len(values))
    return {sample: values[i] for sample, i in zip(targets, order, strict=True)}
