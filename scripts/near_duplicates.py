"""Step `near_duplicates`: which test images resemble images that were learned from."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from scripts.lib.data import image_arrays
from scripts.lib.io import cli, tables
from scripts.lib.io.files import write_csv, write_json, write_npz
from scripts.lib.leak import grey_features, whitened_matches
from scripts.lib.leak.whitened_matches import Closest, PictureError, Whitening

COLUMNS = (
    "test",
    "train",
    "correlation",
    "hash",
    "pixel",
    "kind",
    "same_class",
    "mirrored",
)
LEVELS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
_UNDER = 24  # pairs just below the threshold, for the picture


@dataclass(frozen=True)
class Part:
    """One side of the split: uint8 images (n, c, h, w), and n ids and classes."""

    images: np.ndarray
    ids: Sequence[str]
    classes: np.ndarray


def find_near_duplicates(args: argparse.Namespace) -> None:
    """Write STEM.csv, STEM.json and STEM.npz.

    CSV: a row for each test image that has a near-duplicate on the learning side (the
    training and validation images): its closest one. correlation: see `lookalikes`;
    hash: bits of 64 that differ, see `likeness`; pixel: mean absolute difference of
    grey values, 0 ... 255; kind: identical (every pixel of every channel) or near;
    mirrored: the mirror image is the closest, and hash and pixel are measured with it.
    JSON: threshold, counts, and how often what is no duplicate is taken for one. NPZ:
    the pictures of these pairs, and of some below the threshold, the closest first.
    Raises: PictureError for pictures or labels that do not fit.
    """
    rows = tables.read(args.labels)
    test, learn = (
        _read(path, rows, args.target, args.labels) for path in (args.test, args.learn)
    )
    if test.images.shape[1:] != learn.images.shape[1:]:
        raise PictureError(
            f"{args.test}: expected pictures of {learn.images.shape[1:]} (channels, "
            f"height, width) as in {args.learn}, received {test.images.shape[1:]}"
        )
    # One thread: sums in one order, so the same bytes on any number of cores.
    with threadpool_limits(1):
        whitening = whitened_matches.learn_whitening(learn.images)
        closest = _identical_first(_search(test, learn, whitening), test, learn)
        # Hardly any has a true partner, so what is found is none.
        control = _search(
            replace(test, images=test.images[:, :, ::-1]), learn, whitening
        )
        near = int((closest.correlations >= np.float32(closest.threshold)).sum())
        order = np.argsort(-closest.correlations, kind="stable")[: near + _UNDER]
        pairs = _describe(closest, order, test, learn)
    found = sorted(pairs[:near], key=lambda row: row["test"])
    stem = args.output_stem
    shown = _shown(pairs, order, closest, test, learn)
    write_npz(stem.with_name(f"{stem.name}.npz"), **shown)
    write_json(
        stem.with_name(f"{stem.name}.json"),
        {
            "dataset": args.dataset,
            "protocol": stem.name,
            "test": len(test.ids),
            "learn": len(learn.ids),
            "threshold": {
                "correlation": closest.threshold,
                "components": whitening.basis.shape[1],
            },
            **_counts(found, closest, control),
        },
    )
    write_csv(stem.with_name(f"{stem.name}.csv"), COLUMNS, found)


def _read(
    path: Path, rows: Sequence[Mapping[str, str]], target: str, labels: Path
) -> Part:
    images, ids = image_arrays.read_images(path)
    if images.ndim != 4:
        raise PictureError(
            f"{path}: expected uint8 images (n, channels, height, width), received "
            f"{images.dtype} {images.shape}; make it anew"
        )
    if not rows or target not in rows[0]:
        raise PictureError(
            f"{labels}: expected a column {target}, received "
            f"{', '.join(rows[0]) if rows else 'no row'}"
        )
    classes = {row["sample"]: row[target] for row in rows}
    missing = [name for name in ids if name not in classes]
    if missing:
        raise PictureError(
            f"{labels}: expected a row for each image of {path}, {len(missing)} have "
            f"none, the first is {missing[0]!r}; make the parts anew"
        )
    return Part(images, ids, np.array([classes[name] for name in ids]))


def _search(test: Part, learn: Part, whitening: Whitening) -> Closest:
    return whitened_matches.find_closest(
        test.images, learn.images, whitening, test.classes, learn.classes
    )


def _identical_first(closest: Closest, test: Part, learn: Part) -> Closest:
    """Return the same with the picture that agrees in every pixel where there is one.

    Its correlation is 1 but for rounding, and so may be that of another: no other's is
    left at 1.
    """
    first: dict[bytes, int] = {}
    for place, image in enumerate(learn.images):
        first.setdefault(_digest(image), place)
    same = np.array([first.get(_digest(image), -1) for image in test.images])
    exact, below = same >= 0, np.nextafter(np.float32(1), np.float32(0))
    return replace(
        closest,
        places=np.where(exact, same, closest.places),
        correlations=np.where(
            exact, np.float32(1), np.minimum(closest.correlations, below)
        ),
        mirrored=closest.mirrored & ~exact,
    )


def _digest(image: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(image)).digest()


def _describe(
    closest: Closest, order: np.ndarray, test: Part, learn: Part
) -> list[dict[str, Any]]:
    """Return a row for each of some test images, in this order."""
    ours, theirs = _pictures(closest, order, test, learn)
    grey, other = _grey(ours), _grey(theirs)
    mean = _grey(learn.images.mean(axis=0, dtype=np.float64)[None])[0]
    signs, other_signs = (grey_features.looks_of(g, mean).signs for g in (grey, other))
    bits = (signs != other_signs).sum(axis=1)
    pixel = np.abs(grey.astype(np.float64) - other).mean(axis=(1, 2))
    same = (ours == theirs).all(axis=(1, 2, 3))
    places = closest.places[order]
    return [
        {
            "test": test.ids[i],
            "train": learn.ids[j],
            "correlation": round(min(float(closest.correlations[i]), 1.0), 4),
            "hash": int(bits[k]),
            "pixel": round(float(pixel[k]), 2),
            "kind": "identical" if same[k] and not closest.mirrored[i] else "near",
            "same_class": _yes(test.classes[i] == learn.classes[j]),
            "mirrored": _yes(closest.mirrored[i]),
        }
        for k, (i, j) in enumerate(zip(order.tolist(), places.tolist(), strict=True))
    ]


def _pictures(
    closest: Closest, order: np.ndarray, test: Part, learn: Part
) -> tuple[np.ndarray, np.ndarray]:
    """Return the test images and their closest, the latter mirrored where it is so."""
    theirs = learn.images[closest.places[order]]
    mirrored = closest.mirrored[order]
    theirs[mirrored] = theirs[mirrored][..., ::-1]
    return test.images[order], theirs


def _grey(images: np.ndarray) -> np.ndarray:
    """Return (n, h, w), the mean of the channels; uint8 of uint8, else float64."""
    mean = images.mean(axis=1, dtype=np.float64)
    return np.rint(mean).astype(np.uint8) if images.dtype == np.uint8 else mean


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _counts(
    found: Sequence[Mapping[str, Any]], closest: Closest, control: Closest
) -> dict[str, Any]:
    return {
        "near_duplicates": len(found),
        "identical": sum(row["kind"] == "identical" for row in found),
        "mirrored": sum(row["mirrored"] == "yes" for row in found),
        "same_class": sum(row["same_class"] == "yes" for row in found),
        "test_images_at": _at_levels(closest),
        "false_alarms": {
            "pairs_of_different_classes": closest.apart,
            "taken_for_near_duplicates": closest.taken,
            "upside_down_test_images_at": _at_levels(control),
        },
    }


def _at_levels(closest: Closest) -> dict[str, int]:
    """Return how many images have a partner at least so close, for some levels."""
    return {str(c): int((closest.correlations >= c).sum()) for c in LEVELS}


def _shown(
    pairs: Sequence[Mapping[str, Any]],
    order: np.ndarray,
    closest: Closest,
    test: Part,
    learn: Part,
) -> dict[str, np.ndarray]:
    """Return the pairs as arrays: pictures (n, c, h, w), classes, what was found."""
    ours, theirs = _pictures(closest, order, test, learn)
    return {
        "test": ours,
        "train": theirs,
        "test_class": test.classes[order],
        "train_class": learn.classes[closest.places[order]],
        "correlation": np.array([row["correlation"] for row in pairs], np.float64),
        "mirrored": closest.mirrored[order],
        "identical": np.array([row["kind"] == "identical" for row in pairs], bool),
    }


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learn", type=Path, required=True, help="learn.npz")
    parser.add_argument("--test", type=Path, required=True, help="test.npz")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--target", required=True, help="the column of the classes")
    parser.add_argument("--dataset", required=True, help="its id")
    parser.add_argument("--output-stem", type=Path, required=True, help="written")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    find_near_duplicates(args)


if __name__ == "__main__":
    cli.run(main)
