"""The engine's own errors. Each text says: expected, received, where, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EngineError(Exception):
    """Base of every error the engine raises on purpose."""


class SpecError(EngineError, ValueError):
    """A model spec that cannot be built."""


class InputError(EngineError, ValueError):
    """Arrays that do not fit the network: shape, type, range, length."""


class DeviceError(EngineError, RuntimeError):
    """A device that is not there, or that refuses."""


class NumericsError(EngineError, ArithmeticError):
    """NaN or infinity in a loss, an activation or a parameter."""


class CheckpointError(EngineError, ValueError):
    """A saved file that is truncated, foreign, or of another network."""


class PackageError(EngineError, ImportError):
    """A Python package that only some files or formats need is not installed."""


def nearest(name: object, known: Iterable[str]) -> str:
    """Return ' (did you mean ...?)' for the nearest known name, else ''."""
    match = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" (did you mean {match[0]!r}?)" if match else ""
