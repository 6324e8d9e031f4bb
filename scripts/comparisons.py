"""Step `comparisons`: which of two models is better on the same folds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.io import cli, runs, tables
from scripts.lib.io.files import read_json, write_csv
from scripts.lib.score import intervals, paired_tests
from scripts.lib.score.paired_tests import Model
from scripts.lib.split.protocols import load_folds

COLUMNS = (
    "question",
    "protocol",
    "target",
    "task",
    "metric",
    "a",
    "b",
    "a_score",
    "b_score",
    "difference",
    "low",
    "high",
    "t",
    "p",
    "p_holm",
    "verdict",
    "folds",
    "n_train",
    "n_test",
    "dataset",
    "status",
    "scale",
    "seeds",
    "note",
)
SHOWN = (
    "question",
    "protocol",
    "target",
    "metric",
    "a",
    "b",
    "a_score",
    "b_score",
    "difference",
    "interval",
    "t",
    "p",
    "p_holm",
    "verdict",
    "folds",
)


def make_table(args: argparse.Namespace) -> None:
    """Write STEM.csv, STEM.md and STEM.tex of one comparison.

    Raises: ValueError if two models were not scored on the same rows of each fold.
    """
    asked = json.loads(args.comparison_json)
    found = list(paired_tests.pairs(asked["pairs"], asked["experiments"]))
    read = _Reader(args.runs, args.data)
    rows = [
        {**_about(question, a, b), **_compare(a, b, read)} for question, a, b in found
    ]
    for row in rows:
        row["status"] = read.source(row["dataset"])["status"]
    rows = paired_tests.with_verdicts(rows)
    path = args.output_stem.with_name(f"{args.output_stem.name}.csv")
    texts = _notes(asked, rows, read)
    tables.write_texts(path, asked["title"], SHOWN, map(_rounded, rows), texts)
    write_csv(path, COLUMNS, rows)


class _Reader:
    """Reads each file of the trainings and baselines once."""

    def __init__(self, root: Path, data: Path):
        self._root, self._data = root, data
        self._known: dict[Any, Any] = {}

    def source(self, dataset: str) -> dict[str, Any]:
        return self._once(self._data / dataset / "source.json")

    def scores(self, model: Model) -> list[dict[str, Any]]:
        """Return a model's scores by fold, means over the seeds."""
        if model.baseline:
            target = "+".join(model.variant["target"])
            path = (
                self._data
                / model.experiment["dataset"]
                / "baselines"
                / model.variant["augmentation"]
                / model.protocol["scored_like"]
                / f"{model.variant['task']}-{target}.json"
            )
            return self._once(path)[model.baseline]
        key = (model.path, model.protocol["id"])
        if key not in self._known:
            folds: dict[int, list[dict[str, Any]]] = {}
            for _, fold, folder in runs.fold_folders(
                self._root, model.experiment, model.variant, model.protocol
            ):
                part = runs.scores_of(folder, model.protocol["reported"])
                folds.setdefault(fold, []).append(part)
            self._known[key] = [paired_tests.over_seeds(p) for p in folds.values()]
        return self._known[key]

    def learned(self, model: Model) -> float:
        """Return how many drawings a fold learns, mean over the folds."""
        dataset, protocol = model.experiment["dataset"], model.protocol["id"]
        key = ("learned", dataset, protocol)
        if key not in self._known:
            folder = self._data / dataset
            path = folder / "folds" / f"{protocol}.json"
            dealt = load_folds(path, folder / "labels.csv").folds
            self._known[key] = intervals.mean_sd([len(f.train) for f in dealt])[0]
        return self._known[key]

    def _once(self, path: Path) -> Any:
        if path not in self._known:
            self._known[path] = read_json(path)
        return self._known[path]


def _about(question: str, a: Model, b: Model) -> dict[str, Any]:
    dataset, protocol, task, target = a.told
    return {
        "question": question,
        "protocol": protocol,
        "target": target,
        "task": task,
        "metric": {"regression": "mape", "classification": "accuracy"}[task],
        "a": a.name,
        "b": b.name,
        "dataset": dataset,
        "scale": a.experiment["scale"],
        "seeds": " ".join(map(str, a.experiment["seeds"])),
    }


def _compare(a: Model, b: Model, read: _Reader) -> dict[str, Any]:
    return paired_tests.compare(
        read.scores(a),
        read.scores(b),
        lower_is_better=a.variant["task"] == "regression",
        n_train=read.learned(a),
    )


def _rounded(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row as a person reads it."""
    shown = {key: f"{row[key]:.2f}" for key in ("a_score", "b_score")}
    shown["difference"] = f"{row['difference']:+.2f}"
    if "p" in row:
        shown |= {key: f"{row[key]:.3g}" for key in ("t", "p", "p_holm")}
        shown["interval"] = f"{row['low']:.2f} … {row['high']:.2f}"
    return {**row, **shown}


def _notes(
    asked: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], read: _Reader
) -> Iterable[str]:
    """Yield what must stand beside the numbers."""
    for dataset in dict.fromkeys(e["dataset"] for e in asked["experiments"]):
        yield tables.about_data(read.source(dataset))
    first = asked["experiments"][0]
    yield (
        f"Scale: {first['scale']}; seeds: {' '.join(map(str, first['seeds']))}. The "
        "corrected resampled t-test (Nadeau and Bengio 2003) on the folds; a fold's "
        "score is the mean over the seeds, since these repeat the same dealing and are "
        "no further trials. mape and accuracy in %; difference in points, above 0 if a "
        "is better; interval: 95 %, of the difference, not corrected."
    )
    yield (
        f"p_holm: p corrected by Holm for the {sum('p' in row for row in rows)} tests "
        "of this table; the verdict calls two models different if it is below "
        f"{paired_tests.LEVEL}. Not tested: every fold differs by the same. With "
        "few folds a test sees large differences only: 'no difference shown' does not "
        "say that there is none."
    )
    yield (
        "Protocols that leak have no test: with carried weights the folds are no "
        "trials, and what is scored there was learned. The controls with shuffled "
        "labels have none either: there is nothing to be better at."
    )


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparison-json", required=True, help="what to compare")
    parser.add_argument("--runs", type=Path, required=True, help="results/runs")
    parser.add_argument("--data", type=Path, required=True, help="results/data")
    parser.add_argument("--output-stem", type=Path, required=True, help="written")
    make_table(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
