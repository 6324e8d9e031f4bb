"""Seconds of a run: ways in turns in one process, and none that takes too long."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scripts.lib.conv_study.cases import Case

Run = Callable[[], Any]
Clock = Callable[[], float]


@dataclass
class Patience:
    """How long a run may take, by the way; those not named may take any time.

    What a run will take is told from the last one of the same way and pass, by the
    multiply-adds: cases come with the least work first.
    """

    limits: Mapping[str, float]
    _last: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)

    def refuses(self, way: str, which: str, case: Case) -> str:
        """Return why a way is not run, empty if it is."""
        if (way, which) not in self._last or way not in self.limits:
            return ""
        work, seconds = self._last[way, which]
        expected, limit = seconds * case.multiply_adds / work, self.limits[way]
        if expected <= limit:
            return ""
        return f"not run: about {expected:.2g} s a run, the limit is {limit:g} s"

    def learn(self, way: str, which: str, case: Case, seconds: float) -> None:
        """Take note of what a run took."""
        self._last[way, which] = case.multiply_adds, seconds


def seconds_by_round(
    runs: Mapping[str, Run],
    clocks: Mapping[str, Clock],
    *,
    rounds: int,
    turn: float,
) -> dict[str, list[float]]:
    """Return the seconds of a run of each way, by round; the ways take turns.

    A turn is as many runs as last `turn` seconds. Each round begins with another way.
    """
    repeats = {}
    for way, run in runs.items():
        once = _seconds(run, clocks[way], 1)  # the first one fills the caches
        once = _seconds(run, clocks[way], 1) if once < turn else once
        repeats[way] = max(1, math.ceil(turn / max(once, 1e-9)))
    ways, found = list(runs), {way: [] for way in runs}
    for number in range(rounds):
        first = number % max(len(ways), 1)
        for way in [*ways[first:], *ways[:first]]:
            found[way].append(_seconds(runs[way], clocks[way], repeats[way]))
    return found


def _seconds(run: Run, clock: Clock, repeats: int) -> float:
    begin = clock()
    for _ in range(repeats):
        run()
    return (clock() - begin) / repeats
