"""The gradients' arrays of one backward pass: each lives until its last reader."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.backends.base import Array, Backend


@dataclass
class _Room:
    """An array of so many numbers per sample, and how many readers it still has."""

    array: Array
    features: int
    readers: int = 1


@dataclass(frozen=True)
class Gradient:
    """A gradient, and the room that it, perhaps with others, lies in."""

    array: Array
    room: _Room


class Gradients:
    """Lends arrays in the order of the backward pass, as its stages are bound.

    The stages run in that order, too: so what nobody bound later will read may be
    written over. With `keep` nothing is, and each gradient stands at its end.
    """

    def __init__(self, backend: Backend, n: int, *, keep: bool):
        self.backend, self.n, self.keep = backend, n, keep
        self._free: dict[int, list[Array]] = {}

    def take(self, shape: tuple[int, ...]) -> Gradient:
        """Return an array (n, *shape), of any numbers, for one reader."""
        features = math.prod(shape)
        free = self._free.get(features)
        if free:
            array = self.backend.reshape(free.pop(), shape)
        else:
            array = self.backend.empty(self.n, shape)
        return Gradient(array, _Room(array, features))

    def share(self, gradient: Gradient, shape: tuple[int, ...]) -> Gradient:
        """Return the same numbers for one reader more."""
        gradient.room.readers += 1
        return Gradient(self.backend.reshape(gradient.array, shape), gradient.room)

    def may_overwrite(self, gradient: Gradient) -> bool:
        """Return whether its reader is the last, and may write over what it reads."""
        return gradient.room.readers == 1 and not self.keep

    def read(self, gradient: Gradient) -> None:
        """Note that one reader is bound."""
        room = gradient.room
        room.readers -= 1
        if room.readers == 0 and not self.keep:
            self._free.setdefault(room.features, []).append(room.array)
