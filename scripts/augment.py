"""Step `augment`: make each drawing's copies; each knows its drawing and child."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from engine.augment import pipeline
from scripts.lib.data import image_arrays
from scripts.lib.io import cli, inheritance
from scripts.lib.io.files import write_npz
from scripts.lib.split.protocols import read_children, row_id


def make_copies(
    images: Path, labels: Path, recipe: Path, scale: str, seed: int | None, out: Path
) -> None:
    """Write the augmented set: images uint8 (rows, h, w), ids, parent, child, copy.

    Copy k of a drawing is a function of (seed, drawing, k); copy 0 is the drawing. Rows
    in order (drawing, copy). seed: None takes the recipe's own.
    Raises: ValueError if recipe or files do not fit.
    """
    config = inheritance.load(recipe)
    steps = pipeline.parse_steps(config["steps"], f"{recipe}: steps")
    copies = config["copies"][scale]
    seed = config["seed"] if seed is None else seed
    pixels, names = image_arrays.read_images(images)
    children = read_children(labels)
    unknown = [name for name in names if name not in children]
    if unknown:
        raise ValueError(
            f"{images}: {len(unknown)} drawings are not in {labels}, the first is "
            f"{unknown[0]!r}; make the images anew"
        )
    rows = pipeline.augment(pixels, names, steps, seed=seed, copies=copies)
    write_npz(
        out,
        images=rows,
        ids=np.array([row_id(name, k) for name in names for k in range(copies)]),
        parent=np.repeat(np.array(names), copies),
        child=np.repeat(np.array([children[name] for name in names]), copies),
        copy=np.tile(np.arange(copies, dtype=np.int32), len(names)),
    )


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="images.npz")
    parser.add_argument("--labels", type=Path, required=True, help="labels.csv")
    parser.add_argument("--recipe", type=Path, required=True, help="its YAML file")
    parser.add_argument("--scale", choices=inheritance.SCALES, required=True)
    parser.add_argument("--seed", type=int, help="by default the recipe's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help="written, .npz")
    args = parser.parse_args()
    # OpenCV takes all cores by itself; the copies are the same for any number.
    cv2.setNumThreads(args.threads)
    make_copies(
        args.images, args.labels, args.recipe, args.scale, args.seed, args.output
    )


if __name__ == "__main__":
    cli.run(main)
