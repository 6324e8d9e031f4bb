"""Images that lie in files of their own, one each: any size, kind and colour."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from scripts.lib.data import image_decoding
from scripts.lib.data.image_decoding import ImageError
from scripts.lib.data.kind import Config, Images, Rows
from scripts.lib.data.labels import REJECTED_LIMIT

# Phones' photos have up to 200 million, a page of A4 scanned at 1200 dpi 139 million; a
# few kB of PNG can claim to have any number.
BYTE_LIMIT = 200_000_000
PIXEL_LIMIT = 250_000_000


def read_image(
    path: Path, width: int, height: int, channels: int = 1, fit: str = "squeeze"
) -> np.ndarray:
    """Return the image: uint8 (height, width), grey, or (3, height, width), colours.

    255 = white; red, green, blue; what is transparent is white paper. Shrunk by
    averaging areas (cv2.INTER_AREA): all of it, whatever its own sides are, or with the
    fit `crop` its middle only.
    Source: S0 4.1 (36 × 58 px).
    Raises: ImageError with the reason: see `image_decoding`; too large.
    """
    pixels = image_decoding.decode(_content(path), PIXEL_LIMIT, channels)
    if fit == "crop":
        pixels = _middle(pixels, width / height)
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    return small.transpose(2, 0, 1) if channels == 3 else small


def _content(path: Path) -> bytes:
    length = path.stat().st_size
    if length > BYTE_LIMIT:
        raise ImageError(f"{length:,} bytes, expected at most {BYTE_LIMIT:,}")
    return path.read_bytes()


def _middle(pixels: np.ndarray, ratio: float) -> np.ndarray:
    """Return the largest middle part whose width is so many times its height."""
    rows, columns = pixels.shape[:2]
    h, w = min(rows, round(columns / ratio)), min(columns, round(rows * ratio))
    h, w = max(h, 1), max(w, 1)
    top, left = (rows - h) // 2, (columns - w) // 2
    return pixels[top : top + h, left : left + w]


def read_images(config: Config, folder: Path, rows: Rows) -> Images:
    """Return the images of labels.csv's rows. One file is in memory at a time.

    Raises: ImageError if more than 5 % cannot be read, or none is left.
    """
    image = config["image"]
    plane = (image["height"], image["width"])
    shape = (3, *plane) if image.get("channels") == 3 else plane
    found = Images(np.empty((len(rows), *shape), np.uint8), [])
    coloured = []
    for row in rows:
        try:
            pixels = read_image(folder / row["file"], **image)
            lost = "channels" not in image and image_decoding.has_colour(
                _content(folder / row["file"]), PIXEL_LIMIT
            )
        except (ImageError, OSError, cv2.error) as error:
            found.unreadable.append({"file": row["file"], "reason": str(error)})
            continue
        found.images[len(found.ids)] = pixels
        found.ids.append(row["sample"])
        coloured += [row["file"]] if lost else []
    refused = found.unreadable
    if not found.ids or len(refused) > REJECTED_LIMIT * len(rows):
        first = "; ".join(f"{r['file']}: {r['reason']}" for r in refused[:5])
        raise ImageError(
            f"{folder}: {len(refused)} of {len(rows)} images cannot be read, expected "
            f"at most {REJECTED_LIMIT:.0%}; the first: {first}"
        )
    if coloured:
        found.warnings.append(
            f"{config['title']}: {len(coloured)} of {len(rows)} images have colour, "
            f"which is lost, the first is {coloured[0]}; say so by `image: {{channels: "
            "1}` in the data set's file, or keep it by `channels: 3`"
        )
    found.images = found.images[: len(found.ids)]
    return found
