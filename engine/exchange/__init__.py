"""Networks in files. The ending of the name decides the format.

A format is a module with `save(path, spec, arrays)` and `load(path)`, which returns
(spec, arrays): the model spec as JSON text, None where the file has none, and one array
per parameter. What a network is, it need not know.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import CheckpointError, EngineError, InputError
from engine.exchange import keras, npz, onnx, safetensors

if TYPE_CHECKING:
    from engine.backends.base import Backend
    from engine.network import Network

_FORMATS = {".npz": npz, ".safetensors": safetensors}


__all__ = ["keras", "load", "onnx", "save"]


def save(network: Network, path: str | Path) -> None:
    """Write spec and parameters, whole or not at all; equal networks, equal bytes.

    Raises: InputError for an unknown ending.
    """
    spec = json.dumps(network.spec, sort_keys=True)
    _format_of(path).save(Path(path), spec, network.parameters())


def load(path: str | Path, *, device: Backend | str | None = None) -> Network:
    """Return the network that `Network.save` wrote.

    Raises: InputError for an unknown ending; CheckpointError for a file that is
    truncated, damaged or was not written by this engine; FileNotFoundError.
    """
    from engine.network import Network

    spec, arrays = _format_of(path).load(Path(path))
    if spec is None:
        raise CheckpointError(
            f"{path}: expected a network saved by this engine; its spec is missing, "
            f"the file holds {', '.join(sorted(arrays)) or 'nothing'}"
        )
    try:
        network = Network.from_spec(json.loads(spec), device=device, parameters=arrays)
        missing = sorted(set(network.parameters()) - set(arrays))
        if missing:
            raise CheckpointError(f"the parameters {missing} are missing")
    except (json.JSONDecodeError, RecursionError, EngineError) as error:
        raise CheckpointError(
            f"{path}: not a network of this engine: {error}"
        ) from None
    return network


def _format_of(path: str | Path):
    ending = Path(path).suffix
    if ending not in _FORMATS:
        raise InputError(
            f"{path}: expected a name that ends in {' or '.join(_FORMATS)}, received "
            f"the ending {ending!r}"
        )
    return _FORMATS[ending]
