"""Step `figures`: every picture but those of the diagnostics."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from engine.exchange import npz
from scripts.lib import figures
from scripts.lib.data import image_arrays
from scripts.lib.figures import pair_sheet, whitened_sheet
from scripts.lib.io import cli, runs, tables
from scripts.lib.io.files import read_json
from scripts.lib.split.protocols import read_children


def make_profiles(args: argparse.Namespace) -> None:
    """Draw training loss and validation score over the passes of all folds in a row."""
    about = json.loads(args.about_json)
    panels = []
    for variant in about["variants"]:
        for protocol in about["protocols"]:
            found = runs.fold_folders(
                args.runs, about, variant, protocol, about["seeds"][:1]
            )
            folds = [_read_history(folder / "history.csv") for _, _, folder in found]
            panels.append(figures.Profile(variant, protocol, folds))
    figures.save(figures.profiles(about, panels, read_json(args.source)), args.output)


def make_augmentation(args: argparse.Namespace) -> None:
    """Draw a few drawings with their copies beside them, as S0's Fig. 3."""
    experiment = json.loads(args.about_json)
    copies = image_arrays.read_rows(args.augmented, needed=("parent",))
    images, parents = copies["images"], copies["parent"]
    names = list(dict.fromkeys(parents.tolist()))
    chosen = [
        names[i] for i in np.linspace(0, len(names) - 1, min(5, len(names))).astype(int)
    ]
    rows = [(name, images[parents == name][:6]) for name in dict.fromkeys(chosen)]
    figure = figures.augmentation(experiment, rows, read_json(args.source))
    figures.save(figure, args.output)


def make_duplicates(args: argparse.Namespace) -> None:
    """Draw the drawings that look most alike, in pairs."""
    images, ids = image_arrays.read_images(args.images)
    named = read_children(args.labels)
    children = [named[sample] for sample in ids]
    figure = pair_sheet.draw(images, ids, children, read_json(args.source))
    figures.save(figure, args.output)


def make_near_duplicates(args: argparse.Namespace) -> None:
    """Draw test images beside the training images that they resemble."""
    pairs = npz.read(args.pairs)
    found, source = read_json(args.found), read_json(args.source)
    figure = whitened_sheet.draw(found, source, args.scale, pairs)
    figures.save(figure, args.output)


def make_leak(args: argparse.Namespace) -> None:
    """Draw the same networks with the leak, without it, and their controls."""
    tables_ = map(tables.read, args.table)
    sheets = list(zip(json.loads(args.about_json), tables_, strict=True))
    figures.save(figures.leak(sheets), args.output)


def make_depths(args: argparse.Namespace) -> None:
    """Draw scores over the levels of a factor, such as depth."""
    (path,) = args.table
    figures.save(
        figures.depths(json.loads(args.about_json), tables.read(path)), args.output
    )


def make_noise(args: argparse.Namespace) -> None:
    """Draw scores over the level and the portion of the noise in the copies."""
    (path,) = args.table
    figures.save(
        figures.noise(json.loads(args.about_json), tables.read(path)), args.output
    )


def make_samples(args: argparse.Namespace) -> None:
    """Draw drawings of the test parts with their ages and those that are told."""
    about = json.loads(args.about_json)
    drawings, ids = image_arrays.read_images(args.images)
    images = dict(zip(ids, drawings, strict=True))
    named = {"id": about["variant"]}, {"id": about["protocol"], "k": about["k"]}
    told = {}
    for _, _, folder in runs.fold_folders(args.runs, about, *named, about["seeds"][:1]):
        for row in tables.read(folder / "predictions.csv"):
            if row["part"] == "test":
                sample = row["id"].partition("#")[0]
                told[sample] = (float(row["target"]), float(row["prediction"]))
    chosen = figures.spread(
        [(images[sample], *ages) for sample, ages in sorted(told.items())], args.number
    )
    figures.save(figures.samples(about, chosen, read_json(args.source)), args.output)


def make_speed(args: argparse.Namespace) -> None:
    """Draw the engine's samples a second over those of the best peer."""
    rows = [row for path in args.table for row in tables.read(path)]
    figures.save(figures.speed(rows), args.output)


def make_convolutions(args: argparse.Namespace) -> None:
    """Draw time and storage of ways to convolve over the work."""
    measured, fits = map(tables.read, args.table)
    figures.save(figures.convolutions(measured, fits, args.series), args.output)


def _read_history(path: Path) -> list[dict[str, float]]:
    return [{k: float(v) for k, v in row.items() if v} for row in tables.read(path)]


# Each figure with what it is drawn from, beside the file that is written.
_KINDS = {
    "profiles": (make_profiles, "about source runs"),
    "augmentation": (make_augmentation, "about source augmented"),
    "duplicates": (make_duplicates, "source images labels"),
    "near-duplicates": (make_near_duplicates, "found source scale pairs"),
    "leak": (make_leak, "about table"),
    "depths": (make_depths, "about table"),
    "noise": (make_noise, "about table"),
    "samples": (make_samples, "about source runs images number"),
    "speed": (make_speed, "table"),
    "convolutions": (make_convolutions, "table series"),
}
_OPTIONS = {
    "about": ("--about-json", {"help": "what it must know, JSON"}),
    "source": ("--source", {"type": Path, "help": "source.json"}),
    "found": ("--found", {"type": Path, "help": "JSON of near_duplicates"}),
    "pairs": ("--pairs", {"type": Path, "help": "NPZ of near_duplicates"}),
    "scale": ("--scale", {}),
    "runs": ("--runs", {"type": Path, "help": "results/runs"}),
    "augmented": ("--augmented", {"type": Path}),
    "images": ("--images", {"type": Path, "help": "images.npz"}),
    "labels": ("--labels", {"type": Path}),
    "table": ("--table", {"type": Path, "nargs": "+", "help": "CSV files"}),
    "series": ("--series", {"nargs": "+", "help": "a column of panels for each"}),
    "number": ("--number", {"type": int, "help": "of drawings"}),
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
