"""Step `parts`: put the test images of an official split into a file of their own.

What learns and chooses is given the other file, and cannot look at them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from scripts.lib.data import image_arrays
from scripts.lib.io import cli
from scripts.lib.io.files import write_npz
from scripts.lib.split import protocols


def make_parts(
    images: Path, labels: Path, folds: Path, learn: Path, test: Path
) -> None:
    """Write learn.npz (train and validation) and test.npz, each `images` and `ids`.

    Only the images that the protocol takes; in the data set's order.
    Raises: SplitError for folds that are not of these images.
    """
    dealt = protocols.load_folds(folds, labels)
    (fold,) = dealt.folds
    pixels, ids = image_arrays.read_images(images)
    place = {name: i for i, name in enumerate(ids)}
    for path, wanted in ((learn, fold.train + fold.validation), (test, fold.test)):
        missing = [name for name in wanted if name not in place]
        if missing:
            raise protocols.SplitError(
                f"{folds}: {len(missing)} images are not in {images}, the first is "
                f"{missing[0]!r}; make the folds anew"
            )
        rows = np.sort([place[name] for name in wanted])
        write_npz(path, compressed=False, images=pixels[rows], ids=np.array(ids)[rows])


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="images.npz")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--learn", type=Path, required=True, help="written")
    parser.add_argument("--test", type=Path, required=True, help="written")
    args = parser.parse_args()
    make_parts(args.images, args.labels, args.folds, args.learn, args.test)


if __name__ == "__main__":
    cli.run(main)
