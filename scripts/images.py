"""Step `images`: from image files to one array of small grey images."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from scripts.lib import cifar, cli, datasets, splits, tables
from scripts.lib.files import write_csv, write_npz
from scripts.lib.labels import REJECTED_LIMIT

UNREADABLE_COLUMNS = ("file", "reason")
# No drawing is so large; a few kB of PNG can claim to have any number of pixels.
BYTE_LIMIT = 200_000_000
PIXEL_LIMIT = 100_000_000
_PNG_END = b"IEND\xaeB`\x82"
_WITH_ALPHA = (4, 6)  # PNG's kinds of colour that have a transparency
_SIGNATURES = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG"}


class ImageError(ValueError):
    """An image file that cannot be used."""


def read_image(path: Path, width: int, height: int) -> np.ndarray:
    """Return the image as uint8 (height, width), grey, 255 = white.

    Shrunk by averaging areas (cv2.INTER_AREA); what is transparent is white paper.
    Source: S0 4.1 (36 × 58 px).
    Raises: ImageError with the reason: empty, no JPEG or PNG, truncated, too large.
    """
    length = path.stat().st_size
    if length > BYTE_LIMIT:
        raise ImageError(f"{length:,} bytes, expected at most {BYTE_LIMIT:,}")
    data = path.read_bytes()
    kind = next((k for mark, k in _SIGNATURES.items() if data.startswith(mark)), None)
    if not data:
        raise ImageError("the file is empty (0 bytes)")
    if kind is None:
        raise ImageError(f"neither JPEG nor PNG: it begins with {data[:8]!r}")
    columns, rows = (_jpeg_size if kind == "JPEG" else _png_size)(data)
    if columns * rows > PIXEL_LIMIT:
        raise ImageError(f"{columns} × {rows} pixels, expected at most {PIXEL_LIMIT:,}")
    image = _decode(data, kind)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def _decode(data: bytes, kind: str) -> np.ndarray:
    """Return the picture in grey, uint8 (rows, columns).  Raises: ImageError."""
    content = np.frombuffer(data, np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ImageError(f"OpenCV cannot decode this {kind} file")
    if kind == "JPEG" or not (data[25] in _WITH_ALPHA or b"tRNS" in data):
        return image
    whole = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if whole.ndim < 3 or whole.shape[2] < 4:
        return image
    # In grey, what is transparent shows the colour that it hides: mostly black.
    alpha = whole[:, :, 3] / np.float32(np.iinfo(whole.dtype).max)
    return np.round(255 - (255 - image) * alpha).astype(np.uint8)


def _png_size(data: bytes) -> tuple[int, int]:
    """Return (columns, rows) of the header.  Raises: ImageError if truncated."""
    if _PNG_END not in data:
        raise ImageError("truncated: the end of a PNG file is missing")
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Return (columns, rows) of the header.

    OpenCV fills what a truncated file lacks with grey and says nothing, so the mark of
    the end is looked for. In the coded picture it cannot occur; before it, in a
    preview, it can; and behind it phones append what they like.

    Raises: ImageError if the header holds no size, or the picture has no end.
    """
    size, at = None, 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a filler
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            rows, columns = data[at + 5 : at + 7], data[at + 7 : at + 9]
            size = int.from_bytes(columns), int.from_bytes(rows)
        if marker == 0xDA:  # the coded picture begins
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    if b"\xff\xd9" not in data[at:]:
        raise ImageError("truncated: the end of a JPEG file is missing")
    if size is None:
        raise ImageError("damaged: the JPEG header holds no size")
    return size


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
