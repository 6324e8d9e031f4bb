"""safetensors: one tensor per parameter; the spec as JSON in the header's metadata.

The format itself notices a file of another length, no changed number; so the metadata
also hold a checksum. Other programs read the tensors as they do any such file. A file
without a checksum is taken as it is; one that was changed on purpose needs it removed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from engine.errors import CheckpointError
from engine.exchange.atomic import atomic_write

# One key for everything: the package writes several in an order of chance.
_NETWORK = "engine.network"


def save(path: Path, spec: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a network's spec (JSON) and parameters, whole or not at all."""
    from safetensors.numpy import save as to_bytes

    network = {"spec": json.loads(spec), "crc32": _checksum(spec, arrays)}
    contiguous = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    data = to_bytes(contiguous, {_NETWORK: json.dumps(network, sort_keys=True)})
    with atomic_write(path) as file:
        file.write(data)


def load(path: Path) -> tuple[str | None, dict[str, np.ndarray]]:
    """Return what `save` wrote.  Raises: CheckpointError, FileNotFoundError."""
    metadata, arrays = _read(path)
    if _NETWORK not in metadata:
        return None, arrays
    try:
        network = json.loads(metadata[_NETWORK])
        spec = json.dumps(network["spec"], sort_keys=True)
        expected = network.get("crc32")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: expected {{spec, crc32}} as {_NETWORK!r} in the metadata "
            f"({type(error).__name__}: {error}); the file is damaged or foreign"
        ) from None
    if expected is not None and expected != _checksum(spec, arrays):
        raise CheckpointError(
            f"{path}: spec and parameters do not agree with their checksum; the file "
            "is damaged, or another program changed it"
        )
    return spec, arrays


def _read(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return (metadata, tensors)."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return file.metadata() or {}, arrays
    except FileNotFoundError:
        raise
    # TypeError, AttributeError: a type of numbers that NumPy does not have.
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path}: expected a .safetensors file of arrays, received a truncated, "
            f"damaged or foreign one ({type(error).__name__}: {error})"
        ) from None


def _checksum(spec: str, arrays: Mapping[str, np.ndarray]) -> int:
    """Return the CRC-32 of the spec and of each tensor's name, type, shape, bytes."""
    crc = zlib.crc32(spec.encode())
    for name, array in sorted(arrays.items()):
        crc = zlib.crc32(f"{name}{array.dtype}{array.shape}".encode(), crc)
        crc = zlib.crc32(np.ascontiguousarray(array), crc)
    return crc
