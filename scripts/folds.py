"""Step `folds`: deal drawings, or their copies, to training, validation and test."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine.errors import nearest
from scripts.lib.data import image_arrays
from scripts.lib.data.configured import load
from scripts.lib.io import cli, inheritance
from scripts.lib.io.files import sha256_of, write_json
from scripts.lib.split import part_sizes, protocols
from scripts.lib.split.samples import read_targets


def make_folds(args: argparse.Namespace) -> None:
    """Write folds/PROTOCOL.json.

    Stratified by the data set's `stratify`. Only drawings with an image are dealt.
    Raises: SplitError for too few drawings or children, a part that stays empty, or
    files that do not fit each other.
    """
    protocol = inheritance.load(args.protocol)
    unit = protocol["unit"]
    if unit not in protocols.UNITS:
        raise protocols.SplitError(
            f"{args.protocol}: unit: expected one of {', '.join(protocols.UNITS)}, "
            f"received {unit!r}{nearest(unit, protocols.UNITS)}"
        )
    stratify = load(args.dataset)["stratify"]
    children = protocols.read_children(args.labels)
    samples, strata = _read_samples(args.images, args.labels, stratify)
    copies = _copies(args, protocol) if unit == "row" else None
    ids = (
        [protocols.row_id(s, k) for s in samples for k in range(copies)]
        if copies
        else samples
    )
    groups = [children[s] for s in samples] if unit == "child" else ids
    try:
        dealt = _deal(args, protocol, ids, strata, groups)
    except protocols.SplitError as error:
        raise protocols.SplitError(
            f"{args.dataset.stem}, protocol {args.protocol.stem} ({args.protocol}): "
            f"{error}"
        ) from None
    folds = protocols.Folds(
        dataset=args.dataset.stem,
        protocol=args.protocol.stem,
        unit="row" if unit == "row" else "drawing",
        grouped_by="drawing" if unit == "official" else unit,
        seed=args.seed,
        stratified_by=stratify,
        augmentation=protocol["augmentation"] if unit == "row" else None,
        copies=copies,
        labels_sha256=sha256_of(args.labels),
        samples_sha256=hashlib.sha256("\n".join(ids).encode()).hexdigest(),
        folds=dealt,
    )
    owners = protocols.owners_of(folds, children)
    protocols.check_sides(dealt, owners, folds.grouped_by, str(args.output))
    write_json(args.output, asdict(folds))


def _deal(
    args: argparse.Namespace,
    protocol: Mapping[str, Any],
    ids: Sequence[str],
    strata: Sequence[str],
    groups: Sequence[str],
) -> tuple[protocols.Fold, ...]:
    """Deal the rows or drawings as the protocol says; warn of uneven parts.

    ids: n; strata: of the drawings; groups: n, what stays on one side.
    """
    unit = protocol["unit"]
    request = {"validation": protocol["validation"], "seed": args.seed}
    if unit == "official":
        values = read_targets(args.labels, ["part"])
        parts = [values[sample][0] for sample in ids]
        images = protocol["images"][args.scale]
        return protocols.split_official(ids, strata, parts, images=images, **request)
    request["folds"] = protocol["folds"][args.scale]
    if unit == "row":
        classes = [c for c in strata for _ in range(len(ids) // len(strata))]
        return protocols.split_rows(ids, classes, **request)
    dealt = protocols.split_groups(ids, strata, groups, **request)
    asked = part_sizes.asked_sizes(len(ids), request["folds"], request["validation"])
    if told := part_sizes.tell_uneven(dealt, groups, asked):
        where = f"{args.dataset.stem}, {args.protocol.stem}"
        print(f"warning: {where}: {told}", file=sys.stderr)
    return dealt


def _read_samples(
    images: Path, labels: Path, stratify: str
) -> tuple[list[str], list[str]]:
    """Return the drawings that have an image, and the class that each is dealt by.

    Raises: SplitError for an image without a label, or a drawing without a class.
    """
    values = read_targets(labels, [stratify])
    samples = image_arrays.read_ids(images)
    unknown = [sample for sample in samples if sample not in values]
    if unknown:
        raise protocols.SplitError(
            f"{images}: {len(unknown)} drawings are not in {labels}, the first is "
            f"{unknown[0]!r}; make the images anew"
        )
    strata = [str(values[sample][0]) for sample in samples]
    if "" in strata:
        raise protocols.SplitError(
            f"{labels}: {stratify}: expected a value for every drawing, received none "
            f"for {samples[strata.index('')]!r}; record it, exclude the drawing, or "
            "stratify by another factor"
        )
    return samples, strata


def _copies(args: argparse.Namespace, protocol: Mapping[str, Any]) -> int:
    """Return how many rows each drawing has in the set whose rows are dealt.

    Raises: SplitError if the recipe is not given or not the protocol's.
    """
    given = args.augmentation.stem if args.augmentation else None
    if given is None or given != protocol["augmentation"]:
        raise protocols.SplitError(
            f"{args.protocol}: unit: row deals the copies of the augmentation "
            f"{protocol['augmentation']!r}; expected its file by --augmentation, "
            f"received {str(args.augmentation) if given else 'none'}"
        )
    return inheritance.load(args.augmentation)["copies"][args.scale]


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
    parser.add_argument("--scale", choices=inheritance.SCALES, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="written, .json")
    make_folds(parser.parse_args())


if __name__ == "__main__":
    cli.run(main)
