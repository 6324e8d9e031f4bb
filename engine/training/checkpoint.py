"""The state of a `fit` between two passes, in a file that is whole or not there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from engine.errors import CheckpointError
from engine.exchange import npz

_META = "engine.checkpoint"


@dataclass
class Progress:
    """Everything beside arrays that resuming needs.

    identity: what must be the same for a resume to give the same bytes.
    """

    identity: str
    passes_done: int
    step: int
    rows: list[dict]
    best: float
    best_pass: int
    waited: int


def write(path: Path, progress: Progress, arrays: dict[str, np.ndarray]) -> None:
    """Write the checkpoint: temporary file, flush, rename."""
    npz.write(path, {_META: np.array(json.dumps(asdict(progress))), **arrays})


def read(path: Path, identity: str) -> tuple[Progress, dict[str, np.ndarray]] | None:
    """Return the checkpoint of `path`, or None where there is no such file.

    Raises: CheckpointError if it is truncated, foreign, or of another training; the
    file is left as it is.
    """
    try:
        arrays = npz.read(path)
    except FileNotFoundError:
        return None
    try:
        progress = Progress(**json.loads(str(arrays.pop(_META))))
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint of this engine ({error!r}); delete the "
            "file to begin anew"
        ) from None
    if progress.identity != identity:
        raise CheckpointError(
            f"{path}: this checkpoint belongs to another training (its data, network, "
            "seed or settings differ); delete the file to begin anew"
        )
    return progress, arrays
