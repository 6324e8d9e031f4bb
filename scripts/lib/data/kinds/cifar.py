"""The kind `cifar`: CIFAR-100 "for Python", as its archive lays it out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scripts.lib.data import cifar_files, labels
from scripts.lib.data.kind import (
    Config,
    Images,
    Kind,
    Rows,
    all_there,
    where_from,
)


def files_of(config: Config, folder: Path) -> list[str]:
    """Return its three files.  Raises: DatasetError."""
    return all_there(config, folder, cifar_files.FILES, where_from(config))


def read_labels(config: Config, folder: Path, files: Sequence[str]) -> labels.Labels:
    """Return classes and parts."""
    return labels.Labels(cifar_files.FACTORS, cifar_files.label_rows(folder))


def read_images(config: Config, folder: Path, rows: Rows) -> Images:
    """Return the images of both parts."""
    ids, images = cifar_files.read_images(folder)
    # Photos hardly get smaller, and every training would unpack them.
    return Images(images, ids, packed=False)


def check_folder(config: Config, folder: Path) -> None:
    """Refuse a folder without one of the files.  Raises: DatasetError."""
    files_of(config, folder)


KIND = Kind(
    files_of,
    read_labels,
    read_images,
    lambda config, files: list(files),
    check_folder=check_folder,
    has_parts=lambda config: True,
    channels=cifar_files.CHANNELS,
)
