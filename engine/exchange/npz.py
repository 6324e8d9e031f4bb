"""NumPy's .npz: one array per parameter, and the spec as JSON text. No pickle."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import CheckpointError, EngineError
from engine.exchange.atomic import atomic_write

if TYPE_CHECKING:
    from engine.backends.base import Backend
    from engine.network import Network

_SPEC = "engine.spec"

# What NumPy and zipfile raise for bytes that are no .npz (TypeError: a lone array;
# NotImplementedError, RuntimeError: a zip file of another method, or encrypted).
_UNREADABLE = (
    ValueError, EOFError, OSError, KeyError, AttributeError, TypeError, RuntimeError,
    NotImplementedError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def save(network: Network, path: Path) -> None:
    """Write spec and parameters; equal networks give equal bytes."""
    spec = np.array(json.dumps(network.spec, sort_keys=True))
    write(path, {_SPEC: spec, **network.parameters()})


def load(path: Path, device: Backend | str | None) -> Network:
    """Return the network of `path`.  Raises: CheckpointError, FileNotFoundError."""
    from engine.network import Network

    arrays = read(path)
    if _SPEC not in arrays:
        raise CheckpointError(
            f"{path}: expected a network saved by this engine; the entry {_SPEC!r} is "
            f"missing, it holds {', '.join(sorted(arrays)) or 'nothing'}"
        )
    try:
        spec = json.loads(str(arrays.pop(_SPEC)))
        network = Network.from_spec(spec, device=device)
        missing = sorted(set(network.parameters()) - set(arrays))
        if missing:
            raise CheckpointError(f"{path}: the parameters {missing} are missing")
        network.set_parameters(arrays)
    except (json.JSONDecodeError, EngineError) as error:
        raise CheckpointError(
            f"{path}: not a network of this engine: {error}"
        ) from None
    return network


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
