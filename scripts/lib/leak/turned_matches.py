"""Near-duplicates that were turned, mirrored or cropped: one sheet, scanned again.

The drawings themselves are compared, not their copies: all pairs, each in 29 views of
the one, 58 n² d operations for n drawings of d pixels, a view at a time.

Measured by drawings of draw-a-person (28 259 pairs of different children) and generated
ones (56 815 pairs), each made into a twin that was saved again as JPEG. From a
correlation of 0.93 on: 0 and 0 pairs of different children. Of the twins, turned by
180° or 90°, mirrored or not, cropped by 3, 5, 8 or 10 % a side, or by 6 % at the left
or the top, at least 99 % are found; cropped by another part of up to 6 % at each side
83 % and 68 %. Missed are most that are cropped by 10 % at one side, and those that are
turned by a few degrees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from scripts.lib.leak import grey_features
from scripts.lib.leak.seen_rows import Rows, Side

CORRELATION = 0.93
_LISTED = 10  # pairs
_CROPS = ((0.0,) * 4, (0.025,) * 4, (0.05,) * 4)  # left, right, top, bottom
# Of pictures that are not turned.
_MORE_CROPS = ((0.075,) * 4, (0.1,) * 4, *map(tuple, 0.05 * np.eye(4)))


def list_turned(rows: Rows, sides: Sequence[Side]) -> list[dict[str, Any]]:
    """Return pairs of drawings on two sides that look alike when one is turned.

    Mirrored, turned by quarters, cropped, or several of these; not those that are alike
    as they are. The closest first, at most ten.
    """
    originals = np.flatnonzero(rows.copies == 0)
    images = rows.images[originals]
    places = {code: i for i, code in enumerate(rows.drawings[originals].tolist())}
    found = _compare(images)
    listed = []
    for side in sides:
        scored = {places[c] for c in rows.drawings[side.asked].tolist()}
        seen = {places[c] for c in rows.drawings[side.seen].tolist()}
        for (i, j), (correlation, view) in found.items():
            for a, b in ((i, j), (j, i)):
                if a in scored and b in seen:
                    one, other = originals[a], originals[b]
                    listed.append(
                        {
                            "fold": side.fold,
                            "part": side.part,
                            "scored": rows.parents[one],
                            "seen": rows.parents[other],
                            "children": [rows.names[one], rows.names[other]],
                            "correlation": round(correlation, 4),
                            "view": view,
                        }
                    )
    return _closest(listed)


def _closest(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each pair once, the closest first."""
    chosen: dict[frozenset, dict[str, Any]] = {}
    for pair in sorted(listed, key=lambda p: (-p["correlation"], p["scored"])):
        chosen.setdefault(frozenset((pair["scored"], pair["seen"])), pair)
    return list(chosen.values())[:_LISTED]


def _compare(images: np.ndarray) -> dict[tuple[int, int], tuple[float, str]]:
    """Return {(i, j), i < j: (correlation, view)} of pairs that are alike in a view."""
    mean = images.mean(axis=0, dtype=np.float64)
    plain = grey_features.vectors_of(images, mean)
    found: dict[tuple[int, int], tuple[float, str]] = {}
    for view, seen in _views(images):
        vectors = grey_features.vectors_of(seen, mean)
        for part in grey_features.blocks(len(images), len(images)):
            products = vectors[part] @ plain.T
            for a, j in np.argwhere(products >= CORRELATION).tolist():
                i, value = part.start + a, float(products[a, j])
                key = (min(i, j), max(i, j))
                if i == j or float(plain[i] @ plain[j]) >= grey_features.CORRELATION:
                    continue
                if value > found.get(key, (0.0, ""))[0]:
                    found[key] = value, view
    return found


def _views(images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each view in words, and the pictures so: float32 (n, h, w)."""
    for mirrored in (False, True):
        for quarters in range(4):
            crops = _CROPS if mirrored or quarters else (*_CROPS, *_MORE_CROPS)
            seen = np.array([_turn(x, quarters, mirrored) for x in images])
            for crop in crops:
                words = ["mirrored"] * mirrored
                words += [f"turned by {90 * quarters}°"] * bool(quarters)
                words += [f"cropped by up to {100 * max(crop):g} %"] * any(crop)
                if words:
                    yield ", ".join(words), np.array([_crop(x, crop) for x in seen])


def _turn(image: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
    """Return the picture turned, brought to the same width and height."""
    turned = np.rot90(image[:, ::-1] if mirrored else image, quarters)
    turned = np.ascontiguousarray(turned, np.float32)
    h, w = image.shape
    return cv2.resize(turned, (w, h), interpolation=cv2.INTER_AREA)


def _crop(image: np.ndarray, crop: Sequence[float]) -> np.ndarray:
    """Return the picture without portions at its sides, as large as before."""
    if not any(crop):
        return image
    h, w = image.shape
    left, right, top, bottom = crop
    x, y = 1 - left - right, 1 - top - bottom
    # Pixels' middles lie at 1/2.
    place = np.float32([[x, 0, left * w + x / 2 - 0.5], [0, y, top * h + y / 2 - 0.5]])
    return cv2.warpAffine(
        image,
        place,
        (w, h),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
