"""Random masks on threads; formulas stand in engine/layers/drop.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine import random
from engine.backends.base import Stage
from engine.backends.threads import chunks

if TYPE_CHECKING:
    from engine.backends.threads.backend import Threads

Array = np.ndarray


def drop(
    backend: Threads, purpose: str, x: Array, y: Array, portion: float, layer: int
) -> Stage:
    """Return the stage y = x · mask / (1 − portion)."""
    mask = _mask(backend, purpose, x, portion, layer)
    multiply = backend.elementwise(
        lambda x, m, y: np.multiply(x, m, out=y), x, mask.factors, y
    )

    def run() -> None:
        mask.draw()
        multiply()

    return run


def freeze(
    backend: Threads, w: Array, portion: float, layer: int
) -> tuple[Stage, Stage]:
    """Return the stages that keep w, and that put the frozen portion back."""
    mask = _mask(backend, "freezeconnect", w, portion, layer)
    kept = backend.empty_like(w)
    keep = backend.elementwise(lambda w, old: np.copyto(old, w), w, kept)
    copy = backend.elementwise(
        lambda w, old, m: np.copyto(w, old, where=m == 0.0), w, kept, mask.factors
    )

    def put_back() -> None:
        mask.draw()
        copy()

    return keep, put_back


def _mask(
    backend: Threads, purpose: str, x: Array, portion: float, layer: int
) -> _Mask:
    """Return the mask over x; all who ask for the same one share what is drawn."""
    key = purpose, layer, len(x), x[0].size, portion
    mask = backend.masks.get(key)
    if mask is None:
        mask = backend.masks[key] = _Mask(backend, *key)
    return mask


class _Mask:
    """The mask of one purpose, layer and shape.

    factors: float32 (rows, features), 0 where u < portion, else 1 / (1 − portion), of
    the (seed, step) that `drawn` names.
    """

    def __init__(
        self,
        backend: Threads,
        purpose: str,
        layer: int,
        rows: int,
        features: int,
        portion: float,
    ):
        self.factors = np.empty((rows, features), np.float32)
        self.drawn: tuple[int, int] | None = None
        self._state, self._purpose, self._layer = backend.state, purpose, layer
        # u ≥ p for u = (bits >> 8) 2^-24, as engine.random draws it: no rounding here.
        self._least = int(np.ceil(float(np.float32(portion)) * 2**24)) << 8
        self._kept = np.float32(1.0 / (1.0 - portion))
        self._stage = backend.stage(self._piece, chunks.cut_samples(rows, features))

    def draw(self) -> None:
        """Draw the mask unless it is that of the present step already."""
        wanted = self._state.seed, self._state.step
        if self.drawn != wanted:
            self.drawn = None
            self._stage()
            self.drawn = wanted

    def _piece(self, rows: slice, worker: int) -> None:
        seed, step = self._state.seed, self._state.step
        factors = self.factors[rows]
        raw = random.bits(
            seed, self._purpose, *factors.shape, step=step, layer=self._layer,
            first_row=rows.start,
        )  # fmt: skip
        np.multiply(raw >= self._least, self._kept, out=factors)
