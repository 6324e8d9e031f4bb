"""Where the files of a training lie: ROOT/EXPERIMENT/VARIANT/PROTOCOL/seedK/foldJ/."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.lib.io.files import read_json


def fold_folder(folder: Path, fold: int) -> Path:
    """Return where the files of one fold of a training lie."""
    return folder / f"fold{fold}"


def fold_folders(
    root: Path,
    experiment: Mapping[str, Any],
    variant: Mapping[str, Any],
    protocol: Mapping[str, Any],
    seeds: list[int] | None = None,
) -> Iterator[tuple[int, int, Path]]:
    """Yield (seed, fold, folder) of all trainings of a variant under a protocol.

    experiment, variant, protocol: as STUDY.experiment_json gives them; seeds: all of
    the experiment's by default.
    """
    for seed in experiment["seeds"] if seeds is None else seeds:
        names = (experiment["experiment"], variant["id"], protocol["id"], f"seed{seed}")
        for fold in range(protocol["k"]):
            yield seed, fold, fold_folder(root.joinpath(*names), fold)


def scores_of(folder: Path, part: str, network: str = "best") -> dict[str, Any]:
    """Return what metrics.json says of a fold's network: best, or last."""
    return read_json(folder / "metrics.json")["parts"][part][network]
