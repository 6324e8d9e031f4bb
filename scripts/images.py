"""Step `images`: from image files to one array of small grey images."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from scripts.lib import cifar, cli, datasets, image_decoding, splits, tables
from scripts.lib.files import write_csv, write_npz
from scripts.lib.image_decoding import ImageError
from scripts.lib.labels import REJECTED_LIMIT

UNREADABLE_COLUMNS = ("file", "reason")
# Phones' photos have up to 200 million, a page of A4 scanned at 1200 dpi 139 million; a
# few kB of PNG can claim to have any number.
BYTE_LIMIT = 200_000_000
PIXEL_LIMIT = 250_000_000


def read_image(path: Path, width: int, height: int) -> np.ndarray:
    """Return the image as uint8 (height, width), grey, 255 = white.

    Shrunk by averaging areas (cv2.INTER_AREA); what is transparent is white paper.
    Source: S0 4.1 (36 × 58 px).
    Raises: ImageError with the reason: see `image_decoding`; too large.
    """
    length = path.stat().st_size
    if length > BYTE_LIMIT:
        raise ImageError(f"{length:,} bytes, expected at most {BYTE_LIMIT:,}")
    image = image_decoding.decode(path.read_bytes(), PIXEL_LIMIT)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def make_images(
    config_path: Path, folder: Path, labels: Path, out: Path, unreadable: Path
) -> None:
    """Write images.npz (`images`, `ids`) and unreadable.csv, in labels.csv's order.

    images uint8 (n, height, width). One file is in memory at a time.
    Raises: ImageError if more than 5 % cannot be read, or none is left.
    """
    config = datasets.load(config_path)
    if config["kind"] in datasets.CIFAR:
        _gather(folder, labels, out, unreadable)
        return
    width, height = config["image"]["width"], config["image"]["height"]
    rows = tables.read(labels, ("sample", "file"))
    images = np.empty((len(rows), height, width), np.uint8)
    ids, refused = [], []
    for row in rows:
        try:
            images[len(ids)] = read_image(folder / row["file"], width, height)
            ids.append(row["sample"])
        except (ImageError, OSError, cv2.error) as error:
            refused.append({"file": row["file"], "reason": str(error)})
    if not ids or len(refused) > REJECTED_LIMIT * len(rows):
        first = "; ".join(f"{r['file']}: {r['reason']}" for r in refused[:5])
        raise ImageError(
            f"{folder}: {len(refused)} of {len(rows)} images cannot be read, expected "
            f"at most {REJECTED_LIMIT:.0%}; the first: {first}"
        )
    write_csv(unreadable, UNREADABLE_COLUMNS, refused)
    write_npz(out, images=images[: len(ids)], ids=np.array(ids))


def _gather(folder: Path, labels: Path, out: Path, unreadable: Path) -> None:
    """Write images.npz of data whose images lie in few files: uint8 (n, 3, h, w)."""
    ids, images = cifar.read_images(folder)
    listed = list(splits.read_children(labels))
    if listed != ids:
        raise ImageError(
            f"{labels}: expected the {len(ids)} images of {folder} in their order, "
            f"received {len(listed)} others; make the labels anew"
        )
    write_csv(unreadable, UNREADABLE_COLUMNS, [])
    # Photos hardly get smaller, and every training would unpack them.
    write_npz(out, compressed=False, images=images, ids=np.array(ids))


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
