"""The engine's own errors. Each text says: expected, received, where, what to do."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


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


def device_errors(function: Callable[..., T]) -> Callable[..., T]:
    """Decorate what asks a device for something: its runtime's errors are DeviceError.

    The runtime's classes are known by their module: it need not be installed.
    """

    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> T:
        try:
            return function(*arguments, **named)
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "pyopencl":
                raise
            raise DeviceError(
                f"the OpenCL device failed: {error}; look what is there with python -m "
                "engine devices, and run again, or on the device threads"
            ) from error

    return run


def nearest(name: object, known: Iterable[str]) -> str:
    """Return ' (did you mean ...?)' for the nearest known name, else ''."""
    match = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.5)
    return f" (did you mean {match[0]!r}?)" if match else ""
