"""The kind `labels_csv`: a folder of images, and a table of what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.lib.data import labels
from scripts.lib.data.configured import DatasetError
from scripts.lib.data.kind import Config, Kind
from scripts.lib.data.kinds import s0_names

# Endings of tables, one of which may be a labels.csv under another name.
_TABLES = (".csv", ".ods", ".tsv", ".txt", ".xls", ".xlsx")


def read_labels(config: Config, folder: Path, files: Sequence[str]) -> labels.Labels:
    """Return what the table says."""
    from scripts.lib.data import labels_csv

    found = labels_csv.from_csv(folder, files, config, config["title"])
    return labels.in_folder(found, folder)


def check_folder(config: Config, folder: Path) -> None:
    """Refuse a folder without labels.csv.  Raises: DatasetError, OSError."""
    if not (folder / "labels.csv").is_file():
        like = [p.name for p in folder.iterdir() if p.suffix.lower() in _TABLES]
        raise DatasetError(
            f"{config['title']}: expected the file {folder / 'labels.csv'}, it is not "
            f"there; tables that are there: {', '.join(sorted(like)) or 'none'}"
        )


KIND = Kind(
    s0_names.files_of,
    read_labels,
    s0_names.read_images,
    lambda config, files: ["labels.csv"],
    check_folder=check_folder,
    has_parts=lambda config: "part" in config.get("columns", {}),
)
