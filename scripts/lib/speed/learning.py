"""Whole learning: the generated drawings, and the time until both sides' score.

Source: S0 1 and 5.5, "10 times and 30 times faster than Keras".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

import engine
from engine import metrics
from engine.augment import pipeline
from engine.random import stream
from scripts.lib.data.generators.drawings import make_drawings
from scripts.lib.data.generators.person import draw_person
from scripts.lib.io.clock import Clock
from scripts.lib.speed.works import Learning, Recipe

_SIZE = (36, 58)  # px, width and height: S0 4.1
_VALIDATION = 6  # one row of so many: 3500 of 21 000 (S0 4.2)

# Seconds and cpu_seconds since the beginning, score on the validation part.
Pass = dict[str, float]
Data = tuple[np.ndarray, np.ndarray]


def make_data(learning: Learning, recipe: Recipe) -> tuple[Data, Data]:
    """Return ((x, t), (x, t)), training and validation part.

    x float32 (n, 1, 58, 36); t int (n,) classes or float32 (n, 1) in units of
    learning.scale months. The rows are dealt after copying.
    """
    drawn = learning.drawings
    names = ("drawings", "children", "seed")
    made = make_drawings(**{key: drawn[key] for key in names})
    images = np.stack(
        [
            cv2.resize(draw_person(drawing), _SIZE, interpolation=cv2.INTER_AREA)
            for drawing in made
        ]
    )
    steps = pipeline.parse_steps(learning.steps, "augmentation: steps")
    ids, copies = [drawing.name for drawing in made], drawn["copies"]
    rows = pipeline.augment(images, ids, steps, seed=drawn["seed"], copies=copies)
    x = rows[:, None].astype(np.float32) / np.float32(255)
    if learning.regression:
        months = np.array([drawing.months for drawing in made], np.float32)
        t = np.repeat(months[:, None] / np.float32(learning.scale), copies, axis=0)
    else:
        categories = [drawing.child.category for drawing in made]
        t = np.repeat(np.unique(categories, return_inverse=True)[1], copies)
    order = stream(drawn["seed"], "split", "learn").permutation(len(x))
    held_out, learned = np.split(order, [len(x) // _VALIDATION])
    if recipe.center:
        x -= x[learned].mean(axis=0)
    return (x[learned], t[learned]), (x[held_out], t[held_out])


class Ours:
    """The engine's side: the recipe by `Trainer.fit`, once for each seed."""

    def __init__(self, learning: Learning, backend: Any):
        self.learning, self.backend = learning, backend
        self.train, self.validation = make_data(learning, learning.ours)
        self._fit(0, 1)

    def _fit(self, seed: int, passes: int) -> list[Pass]:
        recipe, done = self.learning.ours, []
        spec = recipe.spec
        network = engine.Network.from_spec(spec, device=self.backend, seed=seed)
        trainer = engine.Trainer(network, recipe.optimizer, recipe.batch, seed=seed)
        regression = self.learning.regression
        clock = Clock()
        trainer.fit(
            self.train,
            self.validation,
            passes=passes,
            score=metrics.mape if regression else metrics.accuracy,
            score_better="lower" if regression else "higher",
            on_epoch=lambda row: done.append(
                {**clock.read(), "score": row["validation_score"]}
            ),
        )
        return done

    def __call__(self, seed: int) -> list[Pass]:
        """Learn with this seed and return the passes."""
        return self._fit(seed, self.learning.ours.passes)


def to_the_same_score(
    ours: Sequence[Pass], theirs: Sequence[Pass], regression: bool
) -> tuple[float, Pass, Pass]:
    """Return (score, our pass, their pass): the first that are at least as good.

    The score is the worse of the two sides' bests, so that both reach it. A pass has
    also its number, from 1.
    """
    sign = -1.0 if regression else 1.0
    bests = [max(sign * row["score"] for row in side) for side in (ours, theirs)]
    wanted = min(bests)
    first = [
        next(
            row | {"number": number}
            for number, row in enumerate(side, 1)
            if sign * row["score"] >= wanted
        )
        for side in (ours, theirs)
    ]
    return sign * wanted, *first
