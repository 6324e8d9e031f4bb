"""Networks in files. The ending of the name decides the format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import InputError
from engine.exchange import npz

if TYPE_CHECKING:
    from engine.backends.base import Backend
    from engine.network import Network

_FORMATS = {".npz": npz}


def save(network: Network, path: str | Path) -> None:
    """Write spec and parameters, whole or not at all.

    Raises: InputError for an unknown ending.
    """
    _format_of(path).save(network, Path(path))


def load(path: str | Path, *, device: Backend | str | None = None) -> Network:
    """Return the network that `Network.save` wrote.

    Raises: InputError for an unknown ending; CheckpointError for a file that is
    truncated or was not written by this engine; FileNotFoundError.
    """
    return _format_of(path).load(Path(path), device)


def _format_of(path: str | Path):
    ending = Path(path).suffix
    if ending not in _FORMATS:
        raise InputError(
            f"{path}: expected a name that ends in {' or '.join(_FORMATS)}, received "
            f"the ending {ending!r}"
        )
    return _FORMATS[ending]
