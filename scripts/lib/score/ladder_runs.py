"""Reading what the rungs of a ladder left below results/runs/.

`about` is everywhere what `ladder.ladder_json` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scripts.lib.io import runs, tables
from scripts.lib.io.files import read_json
from scripts.lib.score import intervals

# The network that validation chose, and the one after the last pass, as S4 reports.
EPOCHS = ("last", "best")
# What they are called in predictions.csv.
PREDICTED = {"last": "last", "best": "prediction"}


@dataclass(frozen=True)
class Run:
    """One training of a rung, read as it is asked for."""

    seed: int
    folder: Path

    @cached_property
    def training(self) -> dict[str, Any]:
        """training.json."""
        return read_json(self.folder / "training.json")

    @cached_property
    def parts(self) -> dict[str, Any]:
        """The scores of metrics.json: {part: {best, last: {n, score, top_score}}}."""
        return read_json(self.folder / "metrics.json")["parts"]

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """The passes of history.csv, each with its `training_score`."""
        rows = tables.read(self.folder / "history.csv")
        scores = self.records("training_score")
        return [
            {key: float(value) for key, value in row.items()}
            | {"training_score": scores[int(row["pass"])][0]}
            for row in rows
        ]

    def predictions(self, part: str) -> list[dict[str, str]]:
        """Return the rows of predictions.csv of one part."""
        rows = tables.read(self.folder / "predictions.csv")
        return [row for row in rows if row["part"] == part]

    def records(self, name: str) -> dict[int, list[float]]:
        """Return {pass: values}, layer after layer, of one record of records.csv.

        Pass 0 is before the first step.
        """
        found: dict[int, list[float]] = {}
        for row in self._records:
            if row["record"] == name and row["pass"]:
                found.setdefault(int(row["pass"]), []).append(float(row["value"]))
        return found

    @cached_property
    def _records(self) -> list[dict[str, str]]:
        return tables.read(self.folder / "records.csv")

    def pass_of(self, epoch: str) -> int:
        """Return the pass that the network `best` or `last` is of."""
        if epoch == "best":
            return self.training["best_pass"]
        return int(self.history[-1]["pass"])


def runs_of(about: Mapping[str, Any], rung: Mapping[str, Any], root: Path) -> list[Run]:
    """Return the trainings whose numbers a rung has, by seed.  root: results/runs."""
    experiment = {"experiment": rung["trained_as"], "seeds": about["seeds"]}
    variant, protocol = {"id": about["variant"]}, {"id": about["protocol"], "k": 1}
    found = runs.fold_folders(root, experiment, variant, protocol)
    return [Run(seed, folder) for seed, _, folder in found]


def trained(about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the rungs, of several that show the same training the first."""
    found = {rung["trained_as"]: rung for rung in reversed(about["rungs"])}
    return sorted(found.values(), key=lambda rung: rung["rung"])


@dataclass(frozen=True)
class Accuracy:
    """An accuracy in per cent, of one seed or the mean of several, with its interval.

    hits: of each seed; n: images of each seed; sd: over the seeds, None for one.
    """

    hits: Sequence[int]
    n: int
    mean: float
    sd: float | None
    interval: intervals.Interval

    @property
    def shares(self) -> list[float]:
        """The accuracy of each seed."""
        return [100 * count / self.n for count in self.hits]


def accuracy(hits: Sequence[int], n: int) -> Accuracy:
    """Return the accuracy of one seed or more on the same n images, in per cent.

    hits: of each seed. The 95 % interval is Wilson's over the images for one seed, and
    Student's over the seeds for more: the first says nothing of another initialisation,
    the second nothing of other images.
    Raises: ValueError for no seed, or hits that are not of n images.
    """
    shares = [100 * count / n for count in hits]
    mean, sd = intervals.mean_sd(shares)
    interval = intervals.t_interval(shares)
    if interval is None:
        ends = intervals.wilson_interval(hits[0], n)
        interval = intervals.Interval(*(100 * end for end in ends))
    return Accuracy(hits, n, mean, sd, interval)


def interval_kind(about: Mapping[str, Any]) -> str:
    """Return what the intervals of a ladder's accuracies are over."""
    return "images" if len(about["seeds"]) == 1 else "seeds"


def notes(about: Mapping[str, Any], source: Mapping[str, Any]) -> list[str]:
    """Return what stands beside every number of a ladder's tables."""
    seeds: Sequence[int] = about["seeds"]
    return [
        tables.about_data(source, about["samples"]),
        f"Scale: {about['scale']}; seeds: {' '.join(map(str, seeds))}; protocol: "
        f"{about['protocol']}, the set's own test part, read after the choice of the "
        "epoch.",
        "Gaps under one point on one seed are not evidence.",
    ]
