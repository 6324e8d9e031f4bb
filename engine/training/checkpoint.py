"""The state of a `fit` between two steps, in a file that is whole or not there.

The file before the newest stays beside it as NAME.previous: whatever happens to the
newest on the disk, the training is not lost.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np

from engine.errors import CheckpointError
from engine.exchange import npz

_META = "engine.checkpoint"


@dataclass
class Progress:
    """Everything beside arrays that resuming needs.

    identity: what must be the same for a resume to give the same bytes.
    samples_done, total, seconds: of the pass under way, 0 between two passes.
    since_samples, since_total: since the last of the step rows.
    """

    identity: str
    passes_done: int
    samples_done: int
    total: float
    seconds: float
    step: int
    rows: list[dict]
    best: float
    best_pass: int
    waited: int
    step_rows: list[dict] = field(default_factory=list)
    since_samples: int = 0
    since_total: float = 0.0


def previous(path: Path) -> Path:
    """Return where the checkpoint before the newest lies."""
    return path.with_name(path.name + ".previous")


def write(path: Path, progress: Progress, arrays: dict[str, np.ndarray]) -> None:
    """Write the checkpoint: temporary file, flush, rename; keep the one before it."""
    if path.exists():
        _keep(path)
    npz.write(path, {_META: np.array(json.dumps(asdict(progress))), **arrays})


def _keep(path: Path) -> None:
    """Make `previous(path)` the file that `path` is; both are there at every moment."""
    link = path.with_name(path.name + ".link")
    link.unlink(missing_ok=True)
    os.link(path, link)
    try:
        os.replace(link, previous(path))
    finally:
        link.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove the checkpoint and the one before it, where they are."""
    for file in (path, previous(path)):
        file.unlink(missing_ok=True)


def read(
    path: Path, identity: str, passes: int
) -> tuple[Progress, dict[str, np.ndarray]] | None:
    """Return the checkpoint of `path`, or None where there is no such file.

    Raises: CheckpointError if it is truncated, foreign, of another training, or has
    more than `passes` passes behind it; the file is left as it is.
    """
    try:
        arrays = npz.read(path)
    except FileNotFoundError:
        return None
    except CheckpointError as error:
        raise CheckpointError(f"{error}; {_advice(path)}") from None
    try:
        progress = Progress(**json.loads(str(arrays.pop(_META))))
        _check(progress)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint of this engine ({error!r}); {_advice(path)}"
        ) from None
    if progress.identity != identity:
        raise CheckpointError(
            f"{path}: this checkpoint belongs to another training (its data, network, "
            "seed, settings or version differ); delete the file to begin anew"
        )
    if progress.passes_done > passes:
        raise CheckpointError(
            f"{path}: expected a checkpoint of at most {passes} passes, as many as are "
            f"asked for, received one of {progress.passes_done}; {_advice(path)}"
        )
    return progress, arrays


def check_sizes(
    path: Path, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, int]
) -> None:
    """Refuse arrays that are not of the network under way.

    arrays: as `read` gives them; sizes: how many numbers each must have.
    Raises: CheckpointError.
    """
    for name, size in sizes.items():
        array = arrays.get(name)
        told = "none" if array is None else f"{array.dtype} of shape {array.shape}"
        if array is None or array.dtype.kind != "f" or array.shape != (size,):
            raise CheckpointError(
                f"{path}: {name}: expected {size:,} floating numbers, received {told}; "
                f"{_advice(path)}"
            )


def _check(progress: Progress) -> None:
    """Raise ValueError for a value of another type, or a count below zero."""
    kinds = {"str": str, "int": int, "float": int | float, "list[dict]": list}
    for each in fields(progress):
        value = getattr(progress, each.name)
        good = isinstance(value, kinds[each.type]) and not isinstance(value, bool)
        if good and each.type == "int":
            good = 0 <= value < 2**63
        if good and each.type == "list[dict]":
            good = all(isinstance(row, dict) for row in value)
        if not good:
            raise ValueError(f"{each.name}: expected {each.type}, received {value!r}")


def _advice(path: Path) -> str:
    """Return what to do about a checkpoint that cannot be read."""
    advice = "delete the file to begin anew"
    if previous(path).exists():
        advice += f", or rename {previous(path).name} to go on from the one before it"
    return advice
