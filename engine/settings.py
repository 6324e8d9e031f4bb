"""Checked settings of layers: each key has a checker and a default.

A checker takes the value of a spec and returns it in its one normal form, or raises
ValueError("expected ..., received ...").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import SpecError, nearest

REQUIRED = object()


@dataclass(frozen=True)
class Setting:
    """How one key is checked; without a default the key must be given."""

    check: Callable[[Any], Any]
    default: Any = REQUIRED


def read(values: Any, table: Mapping[str, Setting], place: str) -> dict[str, Any]:
    """Return {key: checked value} for every key of `table`.

    Raises: SpecError naming `place` and key for an unknown key, a missing one, or a
    value that its checker refuses.
    """
    if values is None:
        values = {}
    if not isinstance(values, Mapping):
        raise SpecError(f"{place}: expected settings by name, received {values!r}")
    for key in values:
        if key not in table:
            raise SpecError(
                f"{place}: unknown setting {key!r}{nearest(key, table)}; "
                f"known: {', '.join(table) or 'none'}"
            )
    checked = {}
    for key, setting in table.items():
        if key not in values and setting.default is REQUIRED:
            raise SpecError(f"{place}: the setting {key!r} is missing")
        try:
            checked[key] = setting.check(values.get(key, setting.default))
        except ValueError as error:
            raise SpecError(f"{place}: {key}: {error}") from None
    return checked


def _refuse(expected: str, value: Any) -> ValueError:
    return ValueError(f"expected {expected}, received {value!r}")


def is_integer(value: Any) -> bool:
    """Return whether `value` is an int and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def count(value: Any) -> int:
    """An integer of at least 1."""
    if not is_integer(value) or value < 1:
        raise _refuse("an integer of at least 1", value)
    return value


def number(low: float, high: float, *, open_high: bool = False) -> Callable:
    """A finite number in [low, high], or [low, high) with open_high."""

    def check(value: Any) -> float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if good and low <= value <= high and not (open_high and value == high):
            return float(value)
        raise _refuse(f"a number in [{low}, {high}{')' if open_high else ']'}", value)

    return check


def interval(low: float, high: float) -> Callable:
    """Return (a, b) of [a, b], finite numbers with low ≤ a ≤ b ≤ high."""
    inner = number(low, high)

    def check(value: Any) -> tuple[float, float]:
        try:
            a, b = value
            a, b = inner(a), inner(b)
        except (TypeError, ValueError):
            a, b = 1.0, 0.0
        if a > b or isinstance(value, str):
            raise _refuse(
                f"two numbers [a, b], the first not above the second, in "
                f"[{low}, {high}]",
                value,
            )
        return a, b

    return check


def pair(low: int) -> Callable:
    """One integer for both directions, or [vertical, horizontal]; each at least low."""

    def check(value: Any) -> tuple[int, int]:
        both = [value, value] if is_integer(value) else value
        if (
            isinstance(both, list | tuple)
            and len(both) == 2
            and all(is_integer(v) and v >= low for v in both)
        ):
            return int(both[0]), int(both[1])
        raise _refuse(
            f"an integer of at least {low}, or two of them [vertical, horizontal]",
            value,
        )

    return check


def sides(low: int) -> Callable:
    """Return (top, left, bottom, right) of [top, left, bottom, right], of one integer
    for all four, or of [vertical, horizontal]; each at least low.
    """

    def check(value: Any) -> tuple[int, int, int, int]:
        four = [value] * 4 if is_integer(value) else value
        if isinstance(four, list | tuple) and len(four) == 2:
            four = [*four, *four]
        if (
            isinstance(four, list | tuple)
            and len(four) == 4
            and all(is_integer(v) and v >= low for v in four)
        ):
            return tuple(four)
        raise _refuse(
            f"an integer of at least {low}, two of them [vertical, horizontal], or "
            "four [top, left, bottom, right]",
            value,
        )

    return check


def word_or(words: tuple[str, ...], check: Callable) -> Callable:
    """One of the given words, or what `check` accepts."""
    return lambda value: (one_of(*words) if isinstance(value, str) else check)(value)


def shape(value: Any) -> tuple[int, ...]:
    """A list of integers of at least 1."""
    good = isinstance(value, list | tuple) and value
    if not good or not all(is_integer(v) and v >= 1 for v in value):
        raise _refuse("a list of integers of at least 1", value)
    return tuple(value)


def optional(check: Callable) -> Callable:
    """None, or what `check` accepts."""
    return lambda value: None if value is None else check(value)


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise _refuse("true or false", value)
    return value


def one_of(*words: str) -> Callable:
    """One of the given words."""

    def check(value: Any) -> str:
        if value not in words:
            hint = nearest(value, words)
            raise ValueError(
                f"expected one of {', '.join(words)}, received {value!r}{hint}"
            )
        return value

    return check


def named(value: Any, kind: str) -> tuple[str, Any]:
    """Split `NAME` or `{NAME: settings}` into (NAME, settings or None).

    Raises: ValueError if it is neither.
    """
    if isinstance(value, str):
        return value, None
    if isinstance(value, Mapping) and len(value) == 1:
        (name, settings), *_ = value.items()
        return name, settings
    article = "an" if kind[0] in "aeiou" else "a"
    raise _refuse(f"the name of {article} {kind}, or {{name: settings}}", value)


def chosen(value: Any, kind: str, known: Iterable[str], place: str) -> tuple[str, Any]:
    """Split `NAME` or `{NAME: settings}` as `named` does; NAME must be one of `known`.

    Raises: SpecError naming `place`, for another form or an unknown name.
    """
    try:
        name, settings = named(value, kind)
    except ValueError as error:
        raise SpecError(f"{place}: {error}") from None
    if name not in known:
        raise SpecError(
            f"{place}: unknown {kind} {name!r}{nearest(name, known)}; "
            f"known: {', '.join(known)}"
        )
    return name, settings
