"""Data sets: their configuration, which one is at hand, and its files.

Imported while Snakemake reads the rules: nothing slow here.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from scripts.lib import cifar, embedded, image_files
from scripts.lib.image_files import IMAGE_SUFFIXES
from scripts.lib.schema import read_yaml

_KEYS = ("title", "status", "kind", "address", "licence", "factors", "image")
# Kinds that are drawn by this project, into files as their official likes have them.
GENERATED = ("embedded", "textures")
# What stands for the augmentation of rows that are not enlarged.
PLAIN = "none"
# Endings of tables, one of which may be a labels.csv under another name.
_TABLES = (".csv", ".ods", ".tsv", ".txt", ".xls", ".xlsx")
# Kinds whose images lie in few files together, with a test part of their own.
CIFAR = ("cifar", "textures")


class DatasetError(ValueError):
    """A data set that is not there or not as its configuration says."""


@dataclass(frozen=True)
class Choice:
    """The data set that an experiment runs on.

    status: official, local or stand-in; stands_in_for: the id it replaces, or None;
    folder: where its drawings lie, None for the embedded one (they are generated);
    downloaded: whether they come there from its archive.
    """

    dataset: str
    status: str
    stands_in_for: str | None
    folder: Path | None
    downloaded: bool = False


def load(path: str | Path) -> dict[str, Any]:
    """Return the configuration of one data set.  Raises: DatasetError."""
    try:
        config = read_yaml(Path(path), str(path))
    except ValueError as error:
        raise DatasetError(str(error)) from None
    if not isinstance(config, dict):
        raise DatasetError(f"{path}: expected keys and values, received {config!r}")
    needed = [*_KEYS, *(["embedded"] if config.get("kind") in GENERATED else [])]
    missing = [key for key in needed if key not in config]
    if missing:
        raise DatasetError(f"{path}: the keys {', '.join(missing)} are missing")
    return config


def choose(
    wanted: Sequence[str],
    configs: Mapping[str, Mapping[str, Any]],
    *,
    data_dir: Path | None,
    dataset: str = "auto",
    download: bool = False,
    used: Collection[str] = (),
) -> Choice:
    """Return the first of the `wanted` data sets that is at hand, else the stand-in.

    configs: id -> configuration of all data sets; data_dir: the folder that holds data
    sets as their archives lay them out, or None; dataset: "auto", or the id to take;
    download: whether one that is not there may be downloaded; used: those that results
    were made of before.

    Raises: DatasetError if data_dir is not there or is itself one of the data sets, a
    data set asked for by its id cannot be had, or one used before is no more there.
    """
    if data_dir is not None and not data_dir.is_dir():
        raise DatasetError(
            f"data_dir: expected a folder that holds data sets, there is none at "
            f"{data_dir}; correct data_dir (or IGNET_DATA_DIR), or leave it out to run "
            "on the embedded data"
        )
    if dataset != "auto":
        wanted = [dataset]
    for name in wanted:
        config = configs[name]
        if config["kind"] in GENERATED:
            return Choice(name, "stand-in", None, None)
        folder = data_dir / config["folder"] if data_dir else None
        if folder is not None and _is_folder(folder):
            return Choice(name, config["status"], None, folder)
        if folder is not None and name in used and dataset == "auto" and not download:
            raise DatasetError(
                f"{config['title']}: results/data/{name} was made of it, and {folder} "
                "is gone; put it back, or correct data_dir (or IGNET_DATA_DIR)"
                f"{', or set download: true' if 'archive' in config else ''}; to go on "
                f"without it say dataset=ID of another, or delete results/data/{name}"
            )
    for name in wanted if download else ():
        if "archive" in configs[name]:
            folder = raw_folder(name)
            return Choice(name, configs[name]["status"], None, folder, downloaded=True)
    if data_dir is not None and data_dir.name in _folders(wanted, configs):
        raise DatasetError(
            f"data_dir: expected the folder that holds data sets, received {data_dir}, "
            f"which looks like one of them; give {data_dir.parent}"
        )
    first = configs[wanted[0]]
    if dataset != "auto":
        raise DatasetError(
            f"dataset {dataset}: expected its folder {first['folder']!r} in data_dir "
            f"({data_dir or 'not set'}); {_where_from(first)}"
        )
    return Choice(first["stand_in"], "stand-in", wanted[0], None)


def _is_folder(path: Path) -> bool:
    """Return whether a data set is there.  Raises: DatasetError if it is no folder."""
    if os.path.lexists(path) and not path.is_dir():
        what = f"a link to {path.readlink()}" if path.is_symlink() else "a file"
        raise DatasetError(f"{path}: expected a folder, received {what}")
    return path.is_dir()


def check_folder(config: Mapping[str, Any], folder: Path) -> None:
    """Refuse a folder without the files by which it is read.

    Snakemake says of a vanished input that there is nothing to be done, as long as what
    was made of it is there.

    Raises: DatasetError; OSError for a folder that may not be read.
    """
    if config["kind"] in CIFAR:
        list_drawings(config, folder)
    if config["kind"] == "labels_csv" and not (folder / "labels.csv").is_file():
        like = [p.name for p in folder.iterdir() if p.suffix.lower() in _TABLES]
        raise DatasetError(
            f"{config['title']}: expected the file {folder / 'labels.csv'}, it is not "
            f"there; tables that are there: {', '.join(sorted(like)) or 'none'}"
        )


def check_download(
    choices: Collection[Choice], configs: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse `download: true` where nothing of what is missing can be downloaded.

    Raises: DatasetError.
    """
    names = sorted(c.stands_in_for for c in choices if c.stands_in_for)
    if names and not any("archive" in configs[c.dataset] for c in choices):
        raise DatasetError(
            f"download: none of {', '.join(names)} is published as an archive with a "
            f"checksum; {_where_from(configs[names[0]])}"
        )


def raw_folder(dataset: str) -> Path:
    """Return where a data set's files lie that are drawn or downloaded."""
    return Path("results") / "data" / dataset / "raw"


def archive_path(dataset: str, config: Mapping[str, Any]) -> Path:
    """Return where the archive of a data set is kept.

    It is no rule's output: Snakemake deletes those of a job that fails, or that runs
    again because the code was edited, and the network is needed once.
    """
    name = PurePosixPath(urlsplit(config["archive"]["address"]).path).name
    return raw_folder(dataset).with_name("archive") / name


def archive_files(config: Mapping[str, Any]) -> list[str]:
    """Return the files that an archive gives, relative to the folder, sorted."""
    return sorted(config["archive"]["members"].values())


def _folders(names: Sequence[str], configs: Mapping[str, Mapping]) -> set[str]:
    return {configs[name]["folder"] for name in names if "folder" in configs[name]}


def _where_from(config: Mapping[str, Any]) -> str:
    by_hand = f"it comes from {config['address']}; lay it out there by hand"
    return f"{by_hand}, or set download: true" if "archive" in config else by_hand


def data_dir_of(config: Mapping[str, Any], here: Path | None = None) -> Path | None:
    """Return data_dir of the configuration, else of IGNET_DATA_DIR, as a full path.

    A relative one is seen from the folder `here`, by default the current one.

    Raises: DatasetError for one that is no text.
    """
    value = config.get("data_dir") or os.environ.get("IGNET_DATA_DIR")
    if not value:
        return None
    try:
        path = (here or Path.cwd()) / Path(value).expanduser()
    except RuntimeError as error:  # of whom is that home?
        raise DatasetError(f"data_dir: {value!r}: {error}; write it in full") from None
    if (shown := image_files.shown(str(path))) != str(path):
        raise DatasetError(
            f"data_dir: expected a name in UTF-8, received {shown}; rename it"
        )
    return path


def generated_files(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the files that a generated data set consists of, sorted."""
    if config["kind"] == "textures":
        return cifar.FILES
    return embedded.drawing_files(**config["embedded"])


def list_drawings(config: Mapping[str, Any], folder: Path) -> list[str]:
    """Return a data set's image files, relative to its folder, sorted.

    Of the embedded one those that its configuration asks for: others in the folder are
    of another seed or size.

    Raises: DatasetError if the folder or one of the generated drawings is missing, or
    there is no image.
    """
    if config["kind"] not in (*GENERATED, *CIFAR):
        return list_images(folder, config["title"])
    made = config["kind"] in GENERATED
    files = list(generated_files(config) if made else cifar.FILES)
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        told = "scripts.fetch makes them" if made else _where_from(config)
        raise DatasetError(
            f"{config['title']}: expected {len(files)} files in {folder}, "
            f"{len(missing)} are missing, the first {missing[0]}; {told}"
        )
    return files


def list_images(folder: Path, title: str) -> list[str]:
    """Return the image files below `folder`, relative to it, sorted.

    Raises: DatasetError if the folder is missing or holds none.
    """
    if not folder.is_dir():
        raise DatasetError(f"{title}: expected the folder {folder}, it is not there")
    files = image_files.list_files(folder, IMAGE_SUFFIXES)
    if not files:
        raise DatasetError(
            f"{title}: expected images ({', '.join(IMAGE_SUFFIXES)}) in {folder}, "
            f"received none{image_files.tell_others(folder)}"
        )
    return files
