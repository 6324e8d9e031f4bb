"""The arrays of a pass, forward or backward: each lives until its last reader."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.backends.base import Array, Backend

_FOREVER = 1 << 62  # more readers than there can be


@dataclass
class _Room:
    """An array of so many numbers per sample, and how many readers it still has."""

    array: Array
    features: int
    readers: int = 1


@dataclass(frozen=True)
class Lent:
    """An output or a gradient, and the room that it, perhaps with others, lies in."""

    array: Array
    room: _Room


class Rooms:
    """Lends arrays in the order of a pass, as its stages are bound.

    The stages run in that order, too: so what nobody bound later will read may be
    written over. With `keep` nothing is, and each array stands at its end.
    """

    def __init__(self, backend: Backend, n: int, *, keep: bool):
        self.backend, self.n, self.keep = backend, n, keep
        self._free: dict[int, list[Array]] = {}

    def hold(self, array: Array) -> Lent:
        """Return an array of somebody else's, which is never lent again."""
        return Lent(array, _Room(array, 0, _FOREVER))

    def take(self, shape: tuple[int, ...], readers: int = 1) -> Lent:
        """Return an array (n, *shape), of any numbers, for so many readers."""
        features = math.prod(shape)
        free = self._free.get(features)
        if free:
            array = self.backend.reshape(free.pop(), shape)
        else:
            array = self.backend.empty(self.n, shape)
        return Lent(array, _Room(array, features, readers))

    def share(self, lent: Lent, shape: tuple[int, ...], readers: int = 1) -> Lent:
        """Return the same numbers for so many readers more."""
        lent.room.readers += readers
        return Lent(self.backend.reshape(lent.array, shape), lent.room)

    def may_overwrite(self, lent: Lent) -> bool:
        """Return whether its reader is the last, and may write over what it reads."""
        return lent.room.readers == 1 and not self.keep

    def read(self, lent: Lent) -> None:
        """Note that one reader is bound."""
        room = lent.room
        room.readers -= 1
        if room.readers == 0 and not self.keep:
            self._free.setdefault(room.features, []).append(room.array)
