"""The kind `s0_names`: drawings whose labels stand in their files' names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.lib.data import labels
from scripts.lib.data.kind import Config, Images, Kind, Rows, list_images


def files_of(config: Config, folder: Path) -> list[str]:
    """Return the image files."""
    return list_images(folder, config["title"])


def read_labels(config: Config, folder: Path, files: Sequence[str]) -> labels.Labels:
    """Return what the names say."""
    return labels.in_folder(labels.from_names(files), folder)


def read_images(config: Config, folder: Path, rows: Rows) -> Images:
    """Return the images in the files."""
    from scripts.lib.data import picture_files  # slow, and not needed to plan

    return picture_files.read_images(config, folder, rows)


KIND = Kind(files_of, read_labels, read_images, lambda config, files: [])
