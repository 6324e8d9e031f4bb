"""Step `figures`: profiles, augmentation, duplicates, the leak, the speed."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from scripts.lib import cli, pair_sheet, plots, runs
from scripts.lib.files import read_json
from scripts.lib.splits import read_children


def make_profiles(args: argparse.Namespace) -> None:
    """Draw training loss and validation score over the passes of all folds in a row."""
    experiment = json.loads(args.experiment_json)
    panels = []
    for variant in experiment["variants"]:
        if variant["why_not"]:
            continue
        for protocol in experiment["protocols"]:
            found = runs.fold_folders(
                args.runs, experiment, variant, protocol, experiment["seeds"][:1]
            )
            folds = [_read_history(folder / "history.csv") for _, _, folder in found]
            panels.append(plots.Profile(variant, protocol, folds))
    plots.save(plots.profiles(experiment, panels, read_json(args.source)), args.output)


def make_augmentation(args: argparse.Namespace) -> None:
    """Draw a few drawings with their copies beside them, as S0's Fig. 3."""
    experiment = json.loads(args.experiment_json)
    with np.load(args.augmented, allow_pickle=False) as file:
        images, parents = file["images"], file["parent"]
    names = list(dict.fromkeys(parents.tolist()))
    chosen = [
        names[i] for i in np.linspace(0, len(names) - 1, min(5, len(names))).astype(int)
    ]
    rows = [(name, images[parents == name][:6]) for name in dict.fromkeys(chosen)]
    figure = plots.augmentation(experiment, rows, read_json(args.source))
    plots.save(figure, args.output)


def make_duplicates(args: argparse.Namespace) -> None:
    """Draw the drawings that look most alike, in pairs."""
    with np.load(args.images, allow_pickle=False) as file:
        images, ids = file["images"], file["ids"].tolist()
    named = read_children(args.labels)
    children = [named[sample] for sample in ids]
    figure = pair_sheet.draw(images, ids, children, read_json(args.source))
    plots.save(figure, args.output)


def make_leak(args: argparse.Namespace) -> None:
    """Draw the leaking protocol beside the leak-free one for every variant."""
    rows = [row for path in args.table for row in _read_csv(path)]
    plots.save(plots.leak([row for row in rows if row["ours"]]), args.output)


def make_speed(args: argparse.Namespace) -> None:
    """Draw the engine's samples a second over those of the best peer."""
    plots.save(
        plots.speed([row for path in args.table for row in _read_csv(path)]),
        args.output,
    )


def _read_history(path: Path) -> list[dict[str, float]]:
    return [{k: float(v) for k, v in row.items() if v} for row in _read_csv(path)]


def _read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(required=True)
    for name, function in (
        ("profiles", make_profiles),
        ("augmentation", make_augmentation),
        ("duplicates", make_duplicates),
        ("leak", make_leak),
        ("speed", make_speed),
    ):
        kind = kinds.add_parser(name, help=function.__doc__)
        kind.set_defaults(run=function)
        kind.add_argument("--output", type=Path, required=True, help="written, .png")
        if name in ("leak", "speed"):
            kind.add_argument("--table", type=Path, nargs="+", required=True)
            continue
        kind.add_argument("--source", type=Path, required=True, help="source.json")
        if name == "duplicates":
            kind.add_argument("--images", type=Path, required=True)
            kind.add_argument("--labels", type=Path, required=True)
            continue
        kind.add_argument("--experiment-json", required=True, help="its settings, JSON")
        if name == "profiles":
            kind.add_argument("--runs", type=Path, required=True, help="results/runs")
        else:
            kind.add_argument("--augmented", type=Path, required=True)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    cli.run(main)
