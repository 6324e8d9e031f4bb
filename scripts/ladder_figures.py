"""Step `ladder_figures`: the pictures of a ladder's rungs."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib import figures
from scripts.lib.io import cli, tables
from scripts.lib.io.files import read_json
from scripts.lib.score import ladder_runs


def make_curves(args: argparse.Namespace) -> None:
    """Draw accuracy over the passes of all rungs."""
    about = json.loads(args.about_json)
    rungs = [
        figures.Curves(
            rung["label"],
            rung["published"],
            [run.history for run in ladder_runs.runs_of(about, rung, args.runs)],
        )
        for rung in ladder_runs.trained(about)
    ]
    folder = ladder_runs.runs_of(about, about["rungs"][0], args.runs)[0].folder
    chance = 100 / read_json(folder / "metrics.json")["classes"]
    figure = figures.ladder_curves(about, rungs, read_json(args.source), chance)
    figures.save(figure, args.output)


def make_accuracy(args: argparse.Namespace) -> None:
    """Draw test accuracy over parameters and seconds."""
    figures.save(figures.ladder_accuracy(tables.read(args.table)), args.output)


def make_confusion(args: argparse.Namespace) -> None:
    """Draw which class, or group of classes, the last rung takes for which."""
    about = json.loads(args.about_json)
    rung = about["rungs"][-1]
    coarser = about["coarser"]
    rows = tables.read(args.labels)
    named = ["+".join(row[factor] for factor in about["target"]) for row in rows]
    above = {
        name: row[coarser] if coarser else name
        for name, row in zip(named, rows, strict=True)
    }
    told: Counter[tuple[str, str]] = Counter()
    for run in ladder_runs.runs_of(about, rung, args.runs):
        told.update((row["target"], row["last"]) for row in run.predictions("test"))
    names = sorted(set(above.values()))
    place = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    for (target, given), number in told.items():
        counts[place[above[target]], place[above[given]]] += number
    figure = figures.confusion(
        about,
        rung["label"],
        counts,
        names,
        errors_within(told, above) if coarser else None,
        read_json(args.source),
    )
    figures.save(figure, args.output)


def errors_within(
    told: Mapping[tuple[str, str], int], above: Mapping[str, str]
) -> tuple[float, float]:
    """Return how many errors stay within the superclass, and how many would by chance.

    told: {(true class, told class): images}; above: {class: its superclass}. Both in
    per cent of the errors; by chance all wrong classes are equally likely. No errors:
    0 of them stay.
    """
    sizes = Counter(above.values())
    errors = {pair: count for pair, count in told.items() if pair[0] != pair[1]}
    total = sum(errors.values())
    if not total:
        return 0.0, 0.0
    stay = sum(
        n for (target, given), n in errors.items() if _alike(above, target, given)
    )
    chance = sum(
        n * (sizes[above[target]] - 1) / (len(above) - 1)
        for (target, _), n in errors.items()
    )
    return 100 * stay / total, 100 * chance / total


def _alike(above: Mapping[str, str], target: str, given: str) -> bool:
    return above[target] == above[given]


def make_gradients(args: argparse.Namespace) -> None:
    """Draw the sd of the weights' derivatives, for the rungs of the first recipe.

    Those differ in the network alone: the broken one, and its cures.
    """
    about = json.loads(args.about_json)
    found: dict[str, Any] = {}
    for rung in ladder_runs.trained(about):
        if rung["recipe"] == about["rungs"][0]["recipe"]:
            first = ladder_runs.runs_of(about, rung, args.runs)[0]
            found[rung["label"]] = first.records("gradients")
    figure = figures.layer_gradients(about, found, read_json(args.source))
    figures.save(figure, args.output)


# Each figure with what it is drawn from, beside the file that is written.
_KINDS = {
    "curves": (make_curves, "about source runs"),
    "accuracy": (make_accuracy, "table"),
    "confusion": (make_confusion, "about source runs labels"),
    "gradients": (make_gradients, "about source runs"),
}
_OPTIONS = {
    "about": ("--about-json", {"help": "the ladder, JSON"}),
    "source": ("--source", {"type": Path, "help": "source.json"}),
    "runs": ("--runs", {"type": Path, "help": "results/runs"}),
    "labels": ("--labels", {"type": Path}),
    "table": ("--table", {"type": Path, "help": "the ladder's CSV file"}),
}


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(required=True)
    for name, (function, needed) in _KINDS.items():
        kind = kinds.add_parser(name, help=function.__doc__)
        kind.set_defaults(run=function)
        kind.add_argument("--output", type=Path, required=True, help="written, .png")
        for option in needed.split():
            flag, settings = _OPTIONS[option]
            kind.add_argument(flag, required=True, **settings)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    cli.run(main)
