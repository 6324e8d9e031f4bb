"""Step `images`: from image files to one array of small images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from scripts.lib.data import kinds
from scripts.lib.data.configured import load
from scripts.lib.data.image_decoding import ImageError
from scripts.lib.io import cli, tables
from scripts.lib.io.files import write_csv, write_npz

UNREADABLE_COLUMNS = ("file", "reason")


def make_images(
    config_path: Path, folder: Path, labels: Path, out: Path, unreadable: Path
) -> None:
    """Write images.npz (`images`, `ids`) and unreadable.csv, in labels.csv's order.

    images uint8 (n, height, width) or (n, channels, height, width).
    Raises: ImageError if more than 5 % cannot be read, none is left, or the labels are
    of other images.
    """
    config = load(config_path)
    rows = tables.read(labels, ("sample", "file"))
    found = kinds.of(config).images(config, folder, rows)
    refused = {row["file"] for row in found.unreadable}
    if [r["sample"] for r in rows if r["file"] not in refused] != found.ids:
        raise ImageError(
            f"{labels}: expected the {len(found.ids)} images of {folder} in their "
            f"order, received {len(rows)} others; make the labels anew"
        )
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    write_csv(unreadable, UNREADABLE_COLUMNS, found.unreadable)
    write_npz(
        out, compressed=found.packed, images=found.images, ids=np.array(found.ids)
    )


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="its YAML file")
    parser.add_argument("--folder", type=Path, required=True, help="the drawings")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True, help="written")
    parser.add_argument("--unreadable", type=Path, required=True, help="written")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    cv2.setNumThreads(args.threads)
    make_images(args.dataset, args.folder, args.labels, args.images, args.unreadable)


if __name__ == "__main__":
    cli.run(main)
