"""What changes each image anew in each pass of a training, by a recipe's `augment`.

In a module of its own: what only reads samples must not run again when the engine does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.augment.pipeline import augment_batch, parse_steps
from engine.training.run import Transform
from scripts.lib.split.samples import Samples


def transform(
    samples: Samples, steps: Sequence[Any], fold: int, seed: int
) -> Transform | None:
    """Return what changes each batch of a fold's training part; None without steps.

    The steps are done on images in [0, 1]; what is subtracted and divided by (the
    recipe's `center`, `normalize`) comes after them.
    """
    parsed = parse_steps(steps)
    if not parsed:
        return None
    rows = samples.rows(fold, "train")

    def changed(x, t, chosen, number):
        # Black comes in where a step moved pixels away: no paper under a photo.
        images = augment_batch(
            samples.scaled(rows[chosen]),
            parsed,
            seed=seed,
            epoch=number,
            samples=chosen,
            fill=0.0,
        )
        return samples.normal(images, fold), t

    return changed
