"""What the tables of the step share: notes, rounding, files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.io import tables
from scripts.lib.io.files import write_csv

ABOUT = ("dataset", "status", "scale", "seeds", "device")


def about(
    asked: Mapping[str, Any], source: Mapping[str, Any], device, seeds: Iterable[int]
) -> dict[str, str]:
    """Return the columns that say what the numbers were made from."""
    return {
        "dataset": source["dataset"],
        "status": source["status"],
        "scale": asked["scale"],
        "seeds": " ".join(map(str, seeds)),
        "device": device.id,
    }


def data_notes(
    asked: Mapping[str, Any], source: Mapping[str, Any], told: Mapping[str, str]
) -> list[str]:
    """Return the notes that must stand below every table."""
    note = f"Data: {source['title']} ({source['dataset']}, {source['status']})."
    if source["status"] == "stand-in":
        note += (
            f" These are generated drawings, not the {source['stands_in_for']} "
            "drawings of the document: no number here is a reproduction."
        )
    return [
        note,
        f"Scale: {told['scale']}; seeds: {told['seeds']}; device: {told['device']}. "
        f"Source: {asked['source']}.",
    ]


def write(
    path: Path,
    title: str,
    columns: Sequence[str],
    shown: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    told: Mapping[str, str],
    notes: Iterable[str],
    keep: Iterable[Mapping[str, Any]] | None = None,
) -> None:
    """Write a table as CSV, and its rows `keep` (None: all) as Markdown and LaTeX."""
    columns = [*columns, *ABOUT]
    short = [_rounded(row, "{:.4g}") for row in (rows if keep is None else keep)]
    tables.write_texts(path, title, shown, short, notes)
    whole = [{**_rounded(row, "{:.6g}"), **told} for row in rows]
    write_csv(path, columns, [{c: row.get(c) for c in columns} for row in whole])


def _rounded(row: Mapping[str, Any], digits: str) -> dict[str, Any]:
    return {
        key: digits.format(value) if isinstance(value, float) else value
        for key, value in row.items()
    }
