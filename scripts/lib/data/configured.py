"""The file of one data set, config/datasets/ID.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.lib.io.schema import read_yaml

_KEYS = ("title", "status", "kind", "address", "licence", "factors", "image")


class DatasetError(ValueError):
    """A data set that is not there or not as its configuration says."""


def load(path: str | Path) -> dict[str, Any]:
    """Return the configuration of one data set.  Raises: DatasetError."""
    try:
        config = read_yaml(Path(path), str(path))
    except ValueError as error:
        raise DatasetError(str(error)) from None
    if not isinstance(config, dict):
        raise DatasetError(f"{path}: expected keys and values, received {config!r}")
    missing = [key for key in _KEYS if key not in config]
    if missing:
        raise DatasetError(f"{path}: the keys {', '.join(missing)} are missing")
    return config
