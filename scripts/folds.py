"""Step `folds`: deal drawings, or their copies, to training, validation and test."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import yaml

from scripts.lib import cli, datasets, splits
from scripts.lib.files import sha256_of, write_json
from scripts.lib.samples import read_targets


def make_folds(args: argparse.Namespace) -> None:
    """Write folds/PROTOCOL.json.

    Stratified by the data set's `stratify`. Only drawings with an image are dealt.
    Raises: SplitError for too few drawings or children, or a part that stays empty.
    """
    protocol = yaml.safe_load(args.protocol.read_text("utf-8"))
    dataset = datasets.load(args.dataset)
    children = splits.read_children(args.labels)
    classes = read_targets(args.labels, [dataset["stratify"]])
    with np.load(args.images, allow_pickle=False) as file:
        samples = file["ids"].tolist()
    strata = [str(classes[sample][0]) for sample in samples]
    request = {
        "folds": protocol["folds"][args.scale],
        "validation": protocol["validation"],
        "seed": args.seed,
    }
    copies = augmentation = None
    if protocol["unit"] == "row":
        recipe = yaml.safe_load(args.augmentation.read_text("utf-8"))
        copies, augmentation = recipe["copies"][args.scale], protocol["augmentation"]
        ids = [splits.row_id(s, k) for s in samples for k in range(copies)]
        classes_of_rows = [c for c in strata for _ in range(copies)]
        dealt = splits.split_rows(ids, classes_of_rows, **request)
    else:
        by_child = protocol["unit"] == "child"
        ids = samples
        groups = [children[s] if by_child else s for s in samples]
        dealt = splits.split_groups(ids, strata, groups, **request)
    folds = splits.Folds(
        dataset=args.dataset.stem,
        protocol=args.protocol.stem,
        unit="row" if copies else "drawing",
        grouped_by=protocol["unit"],
        seed=args.seed,
        stratified_by=dataset["stratify"],
        augmentation=augmentation,
        copies=copies,
        labels_sha256=sha256_of(args.labels),
        samples_sha256=hashlib.sha256("\n".join(ids).encode()).hexdigest(),
        folds=dealt,
    )
    owners = splits.owners_of(folds, children)
    splits.check_sides(dealt, owners, folds.grouped_by, str(args.output))
    write_json(args.output, asdict(folds))


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="labels.csv")
    parser.add_argument("--images", type=Path, required=True, help="images.npz")
    parser.add_argument("--protocol", type=Path, required=True, help="its YAML file")
    parser.add_argument(
        "--augmentation", type=Path, help="YAML file, where rows are dealt"
    )
    parser.add_argument("--dataset", type=Path, required=True, help="its YAML file")
    parser.add_argument("--scale", choices=("smoke", "demo", "paper"), required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="written, .json")
    make_folds(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
