"""Measuring one work: its sides, what a round gives, and how the two compare."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.lib.io import packages
from scripts.lib.speed import counts, startup
from scripts.lib.speed.learning import to_the_same_score
from scripts.lib.speed.rounds import ROUNDS, Side, SideError, Turns, Watch, take_turns
from scripts.lib.speed.worker import SIDES
from scripts.lib.speed.works import Work

TORCH = tuple(side for side in SIDES if side.startswith("torch"))
_MEMORY_STEPS, _MEMORY_ROUNDS = 5, 3
_MOST_LEARNING = ROUNDS + 3  # a round lasts half a minute


@dataclass
class Found:
    """What one work gave: values by round in `unit`, ours and each peer's by name.

    rates: steps a second of ours by round, where there are steps; mib: peak memory by
    side; notes: what a reader must know.
    """

    unit: str
    turns: Turns
    ours: list[float]
    peers: dict[str, list[float]]
    rates: list[float] = field(default_factory=list)
    mib: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def best(self) -> str | None:
        """Return the peer that is hardest to beat."""
        hardest = max if self.unit.endswith("/s") else min
        return hardest(
            self.peers, key=lambda p: statistics.median(self.peers[p]), default=None
        )

    def ratio(self, ours: float, theirs: float) -> float:
        """Return ours ÷ theirs; of seconds theirs ÷ ours."""
        return theirs / ours if self.unit == "s" else ours / theirs


class Bench:
    """Measures works on one machine; torch: which sides of PyTorch take part."""

    def __init__(
        self, watch: Watch, config: Path, threads: int, torch: tuple[str, ...]
    ):
        self.watch, self.config, self.threads = watch, config, threads
        self.torch = torch

    def find(self, work: Work) -> Found:
        """Measure one work.

        A peer that is not there or cannot do it is left out, with a note.
        Raises: SideError if the engine itself cannot do it.
        """
        if work.against == "nothing":
            with processes(work, self.threads) as run:
                turns = take_turns(self.watch, [run])
            return Found("s", turns, turns.values[0], {})
        if work.what == "memory":
            return self._memory(work)
        with ExitStack() as stack:
            sides, notes = self.sides(work)
            for side in sides:
                stack.callback(side.close)
            if work.what == "learn":
                return self._learn(work, sides, notes)
            for side in sides:
                side.warm()
            turns = take_turns(self.watch, [side.turn for side in sides])
        mib = {side.label: side.peak_mib for side in sides}
        if work.against == "peak":
            each = counts.flops(work) / 1e9
            ours = [rate * each for rate in turns.values[0]]
            peers = {"multiply-adds": [turns.peak] * len(ours)}
            return Found("GF/s", turns, ours, peers, turns.values[0], mib, notes)
        ours, *others = [[work.batch * rate for rate in v] for v in turns.values]
        peers = dict(zip([side.label for side in sides[1:]], others, strict=True))
        return Found("samples/s", turns, ours, peers, turns.values[0], mib, notes)

    def sides(self, work: Work) -> tuple[list[Side], list[str]]:
        """Return ours and the peers that start, and notes on those that do not."""
        sides = [Side(work, work.device, self.config, self.threads)]
        notes = []
        if work.against == "one-thread":
            sides.append(Side(work, work.device, self.config, 1))
        for name in self.peers(work, notes):
            try:
                side = Side(work, name, self.config, self.threads)
                if work.what != "learn":
                    side.ask(2)
                sides.append(side)
            except SideError as error:
                notes.append(f"left out: {error}")
        return sides, notes

    def peers(self, work: Work, notes: list[str]) -> tuple[str, ...]:
        """Return the sides to compare with; note the package that is missing."""
        names = {"torch": self.torch, "keras": ("keras-fit",)}.get(work.against, ())
        needed = {"torch": packages.TORCH, "keras": packages.KERAS}
        if said := packages.missing(*needed.get(work.against, ())):
            notes.append(said)
            return ()
        return names

    def _memory(self, work: Work) -> Found:
        """Measure peak memory: each time a new process that does some steps."""
        notes: list[str] = []
        names = [work.device, *self.peers(work, notes)]

        def run(name: str) -> Callable[[], float]:
            def once() -> float:
                side = Side(work, name, self.config, self.threads)
                side.ask(_MEMORY_STEPS)
                side.close()
                return side.peak_mib

            return once

        for name in names[1:]:
            try:
                run(name)()
            except SideError as error:
                notes.append(f"left out: {error}")
                names.remove(name)
        runs = [run(name) for name in names]
        turns = take_turns(self.watch, runs, _MEMORY_ROUNDS, most=_MEMORY_ROUNDS)
        turns = replace(turns, said="")  # a busy machine makes no process larger
        by_name = dict(zip(names, turns.values, strict=True))
        ours = by_name.pop(work.device)
        return Found("MiB", turns, ours, by_name, notes=notes)

    def _learn(self, work: Work, sides: list[Side], notes: list[str]) -> Found:
        """Let both sides learn, with another seed in each round."""
        if len(sides) < 2:
            raise SideError(f"{work.name}: {'; '.join(notes)}")
        learning = work.learning

        def run(side: Side) -> Callable[[], list]:
            seeds = iter(range(1000))
            return lambda: side.ask(next(seeds))["found"]

        runs = [run(side) for side in sides]
        turns = take_turns(self.watch, runs, most=_MOST_LEARNING)
        pairs = [
            to_the_same_score(ours, theirs, learning.regression)
            for ours, theirs in zip(*turns.values, strict=True)
        ]
        ours, theirs = ([pair[i]["seconds"] for pair in pairs] for i in (1, 2))
        peer = sides[1].label
        mib = {side.label: side.peak_mib for side in sides}
        notes = [*notes, _about(learning, pairs, turns.values)]
        return Found("s", turns, ours, {peer: theirs}, mib=mib, notes=notes)


def _about(learning, pairs: list, passes: list) -> str:
    """Return the note of `learn`: score, passes, and the ratio of two passes."""
    middle = statistics.median
    score = middle(pair[0] for pair in pairs)
    name, sign = ("MAPE", -1) if learning.regression else ("accuracy", 1)
    bests = [
        middle(sign * max(sign * row["score"] for row in run) for run in side)
        for side in passes
    ]
    numbers = [middle(pair[i]["number"] for pair in pairs) for i in (1, 2)]
    each = [middle(run[-1]["seconds"] / len(run) for run in side) for side in passes]
    rows = learning.drawings["drawings"] * learning.drawings["copies"]
    return (
        f"medians of {len(pairs)} seeds, {rows} generated drawings with copies: {name} "
        f"{score:.4g} after pass {numbers[0]:g} of {learning.ours.passes} and "
        f"{numbers[1]:g} of "
        f"{learning.theirs.passes}; best {bests[0]:.4g} and {bests[1]:.4g}; a pass "
        f"{each[0]:.4f} s and {each[1]:.3f} s, ratio {each[1] / each[0]:.1f}"
    )


@contextmanager
def processes(work: Work, threads: int) -> Iterator[Callable[[], float]]:
    """Give what starts a new process and returns its seconds; see startup.py.

    Compiled kernels are kept in a folder of this measurement alone: a new one each time
    for `first-cold`, which holds nothing but what is known of the devices' health; for
    `first-warm` the same, filled by a process before.
    """
    command = [sys.executable, "-m", startup.__name__]
    if work.spec is not None:
        settings = (work.spec, work.optimizer, work.batch, threads)
        command += [json.dumps(value) for value in settings]
    with tempfile.TemporaryDirectory() as folder:

        def run() -> float:
            here = Path(folder)
            known = [*here.glob("ignetlab/health-*.json")]
            if work.what == "first-cold" and known:
                here = Path(tempfile.mkdtemp(dir=folder))
                (here / "ignetlab").mkdir()
                for file in known:
                    shutil.copy2(file, here / "ignetlab")
            done = subprocess.run(
                command,
                env=os.environ | {"XDG_CACHE_HOME": str(here)},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                lines = done.stderr.strip().splitlines() or ["it ended without a word"]
                raise SideError(f"{work.name}: {lines[-1]}")
            return float(done.stdout)

        run()
        yield run
