"""What a kind of data sets is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.lib.data import image_files
from scripts.lib.data.configured import DatasetError

if TYPE_CHECKING:
    import numpy as np

    from scripts.lib.data.labels import Labels

Config = Mapping[str, Any]
Rows = Sequence[Mapping[str, str]]


def no_problems(config: Config) -> Iterator[str]:
    """Yield nothing."""
    return iter(())


@dataclass
class Images:
    """What was read: uint8 (n, h, w) or (n, 3, h, w), and n ids.

    unreadable: {file, reason} of those that cannot be read; warnings: what the user
    must know; packed: whether it is worth while to compress them.
    """

    images: np.ndarray
    ids: list[str]
    unreadable: list[dict[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    packed: bool = True


@dataclass(frozen=True)
class Kind:
    """A kind of data sets, as config/datasets/ID.yaml names it.

    files(config, folder): the files that images are read from, relative, sorted.
    labels(config, folder, files): what is known of each image.
    images(config, folder, rows): the images of labels.csv's rows.
    label_files(config, files): those files whose content labels are read from; of the
    others it is the names.
    problems(config): yields what is wrong with the configuration, each `key: text`.
    check_folder(config, folder): refuses a folder without the files that it is read by.
    has_parts(config): whether it comes with a test part of its own.
    channels: of its images, where the configuration does not say.
    made_files(config): the files of a kind that is generated; None: it is not.
    make(config): yields name and content of each.
    """

    files: Callable[[Config, Path], list[str]]
    labels: Callable[[Config, Path, Sequence[str]], Labels]
    images: Callable[[Config, Path, Rows], Images]
    label_files: Callable[[Config, Sequence[str]], list[str]]
    problems: Callable[[Config], Iterator[str]] = no_problems
    check_folder: Callable[[Config, Path], None] = lambda config, folder: None
    has_parts: Callable[[Config], bool] = lambda config: False
    channels: int = 1
    made_files: Callable[[Config], Sequence[str]] | None = None
    make: Callable[[Config], Iterator[tuple[str, bytes]]] | None = None

    @property
    def generated(self) -> bool:
        """Whether this project makes its files."""
        return self.made_files is not None


def list_images(folder: Path, title: str) -> list[str]:
    """Return the image files below `folder`, relative to it, sorted.

    Raises: DatasetError if the folder is missing or holds none.
    """
    if not folder.is_dir():
        raise DatasetError(f"{title}: expected the folder {folder}, it is not there")
    files = image_files.list_files(folder, image_files.IMAGE_SUFFIXES)
    if not files:
        raise DatasetError(
            f"{title}: expected images ({', '.join(image_files.IMAGE_SUFFIXES)}) in "
            f"{folder}, received none{image_files.tell_others(folder)}"
        )
    return files


def all_there(
    config: Config, folder: Path, files: Sequence[str], told: str
) -> list[str]:
    """Return the files.  Raises: DatasetError if one is missing; told: what to do."""
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise DatasetError(
            f"{config['title']}: expected {len(files)} files in {folder}, "
            f"{len(missing)} are missing, the first {missing[0]}; {told}"
        )
    return list(files)


def where_from(config: Config) -> str:
    """Return where a user gets a data set."""
    by_hand = f"it comes from {config['address']}; lay it out there by hand"
    return f"{by_hand}, or set download: true" if "archive" in config else by_hand


def needs(config: Config, *names: str) -> Iterator[str]:
    """Yield that the settings of a generated set are not these and a seed."""
    given = set(config.get("embedded", ()))
    if not given >= {*names, "seed"}:
        wanted = ", ".join(sorted(names))
        yield f"embedded: expected {wanted} and seed, received {sorted(given)}"
