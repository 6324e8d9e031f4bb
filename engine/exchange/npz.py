"""NumPy's .npz: one array per parameter, and the spec as JSON text. No pickle."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.errors import CheckpointError
from engine.exchange.atomic import atomic_write

_SPEC = "engine.spec"

# What NumPy and zipfile raise for bytes that are no .npz (TypeError: a lone array;
# NotImplementedError, RuntimeError: a zip file of another method, or encrypted).
_UNREADABLE = (
    ValueError, EOFError, OSError, KeyError, AttributeError, TypeError, RuntimeError,
    NotImplementedError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def save(path: Path, spec: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a network's spec (JSON) and parameters, whole or not at all."""
    write(path, {_SPEC: np.array(spec), **arrays})


def load(path: Path) -> tuple[str | None, dict[str, np.ndarray]]:
    """Return what `save` wrote.  Raises: CheckpointError, FileNotFoundError."""
    arrays = read(path)
    spec = arrays.pop(_SPEC, None)
    return None if spec is None else str(spec), arrays


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to `path`, whole or not at all."""
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def read(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of an .npz file.

    Raises: CheckpointError if it is truncated, damaged or not such a file.
    """
    try:
        # Opened here, for np.load leaves a file that it cannot read open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{path}: expected an .npz file of arrays, received a truncated, damaged "
            f"or foreign one ({type(error).__name__}: {error})"
        ) from None
