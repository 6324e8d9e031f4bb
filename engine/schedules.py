r"""Schedules: the factor on the learning rate, as a function of the step.

Time t is the number of steps taken before (from 0), or of passes, then the factor
stays the same within a pass.

constant    1
step        f^⌊t / n⌋: times f after every n
cosine      r + ½ (1 − r) (1 + cos(π t / T)) for t < T, afterwards r; r = minimum / η,
            so the learning rate is annealed from the optimiser's η to `minimum`

A pass has ⌈samples / batch size⌉ steps, counted from the trainer's first one.
Source: S4 (Adam, η = 0.001, minimum 2e-5, T = 100 passes); I. Loshchilov and F. Hutter,
"SGDR", ICLR 2017, Eq. 5 (without restarts).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.errors import InputError, SpecError
from engine.settings import Setting, chosen, count, number, optional, read

_UNITS = {
    "steps": Setting(optional(count), None),
    "passes": Setting(optional(count), None),
}


@dataclass(frozen=True)
class Schedule:
    """A schedule that changes over, or every, `length` steps or passes (`unit`).

    steps_per_pass: None until a `fit` knows it.
    """

    length: int = 1
    unit: str = "steps"
    steps_per_pass: int | None = None

    def __call__(self, step: int) -> float:
        """Return the factor of `step`, from 0.

        Raises: InputError for a schedule in passes whose steps nobody has said.
        """
        if self.unit == "steps":
            return self.factor(step)
        if self.steps_per_pass is None:
            raise InputError(
                "schedule: it counts passes, and how many steps a pass has only `fit` "
                "knows; without `fit` give its length in steps"
            )
        return self.factor(step // self.steps_per_pass)

    def factor(self, t: int) -> float:
        """Return the factor at the time t."""
        return 1.0


class Constant(Schedule):
    """1 at any time."""

    @classmethod
    def of(cls, settings: Any, learning_rate: float) -> Constant:
        """Return the schedule of checked settings."""
        read(settings, {}, "schedule: constant")
        return cls()


@dataclass(frozen=True)
class Step(Schedule):
    """f^⌊t / length⌋, with f = `times`."""

    times: float = 0.1

    @classmethod
    def of(cls, settings: Any, learning_rate: float) -> Step:
        """Return the schedule of {factor, steps or passes}.  Raises: SpecError."""
        table = _UNITS | {"factor": Setting(number(0.0, 1.0), 0.1)}
        s = read(settings, table, "schedule: step")
        return cls(*_length(s, "step"), times=s["factor"])

    def factor(self, t: int) -> float:
        return self.times ** (t // self.length)


@dataclass(frozen=True)
class Cosine(Schedule):
    """From 1 down to `least` along half a cosine of `length`, then `least`."""

    least: float = 0.0

    @classmethod
    def of(cls, settings: Any, learning_rate: float) -> Cosine:
        """Return the schedule of {minimum, steps or passes}.  Raises: SpecError.

        minimum: a learning rate, at most the optimiser's own.
        """
        highest = number(0.0, learning_rate)
        table = _UNITS | {"minimum": Setting(highest, 0.0)}
        s = read(settings, table, "schedule: cosine")
        least = s["minimum"] / learning_rate if learning_rate else 0.0
        return cls(*_length(s, "cosine"), least=least)

    def factor(self, t: int) -> float:
        if t >= self.length:
            return self.least
        turned = math.cos(math.pi * t / self.length)
        return self.least + 0.5 * (1.0 - self.least) * (1.0 + turned)


SCHEDULES: dict[str, type[Constant | Step | Cosine]] = {
    "constant": Constant,
    "step": Step,
    "cosine": Cosine,
}


def parse(value: Any, learning_rate: float) -> Callable[[int], float]:
    """Return the schedule of NAME or {NAME: settings}; None: constant.

    A function of the step stays what it is. learning_rate: the optimiser's own.
    Raises: SpecError for an unknown name or setting.
    """
    if value is None:
        return Constant()
    if callable(value):
        return value
    name, settings = chosen(value, "schedule", SCHEDULES, "schedule")
    return SCHEDULES[name].of(settings, learning_rate)


def in_passes_of(
    schedule: Callable[[int], float], steps: int
) -> Callable[[int], float]:
    """Return the schedule with passes of so many steps; functions know no passes."""
    if isinstance(schedule, Schedule):
        return dataclasses.replace(schedule, steps_per_pass=steps)
    return schedule


def described(schedule: Callable[[int], float]) -> str:
    """Return what tells schedules apart; of a function only that it is one."""
    return repr(schedule) if isinstance(schedule, Schedule) else "a function"


def _length(s: dict[str, Any], name: str) -> tuple[int, str]:
    """Return (length, unit) of settings that hold `steps` or `passes`."""
    given = [unit for unit in _UNITS if s[unit] is not None]
    if len(given) != 1:
        raise SpecError(
            f"schedule: {name}: expected its length in steps or in passes, received "
            f"{' and '.join(given) or 'neither'}"
        )
    return s[given[0]], given[0]
