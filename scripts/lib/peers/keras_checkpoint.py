"""What two sides learned of a fold, kept until all folds are done.

A stopped run does not learn again what it had. Written whole or not at all, and taken
up only by a run of the same settings, rows and versions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import CheckpointError
from engine.exchange import npz
from scripts.lib.io.files import write_npz
from scripts.lib.split.samples import Part


def identity(settings: Any, parts: Iterable[Part]) -> str:
    """Return a hash of what decides the scores; settings: anything that is JSON."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for part in parts:
        for array in (part.x, part.t):
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def write(
    path: Path, same: str, beside: dict[str, Any], weights: dict[str, list[np.ndarray]]
) -> None:
    """Write what beside.json will hold, and the weights of each side by its name."""
    arrays = {
        f"{side}.{i}": array
        for side, found in weights.items()
        for i, array in enumerate(found)
    }
    about = np.array([same, json.dumps(beside)])
    write_npz(path, about=about, **arrays)


def read(
    path: Path, same: str
) -> tuple[dict[str, Any], dict[str, list[np.ndarray]]] | None:
    """Return what `write` wrote; None: nothing there, damaged, or another run's."""
    try:
        arrays = npz.read(path)
        written, beside = arrays.pop("about").tolist()
        about = json.loads(beside)
    except (OSError, CheckpointError, KeyError, TypeError, ValueError, RecursionError):
        return None
    if written != same:
        return None
    weights: dict[str, list[np.ndarray]] = {}
    for name, array in arrays.items():
        weights.setdefault(name.split(".")[0], []).append(array)
    return about, weights
