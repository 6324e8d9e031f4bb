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

from scripts.lib.data import image_files, kinds
from scripts.lib.data.configured import DatasetError, load
from scripts.lib.data.kind import where_from

# What stands for the augmentation of rows that are not enlarged.
PLAIN = "none"


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
        if kinds.of(config).generated:
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
    if dataset != "auto" or "stand_in" not in first:
        raise DatasetError(
            f"dataset {wanted[0]}: expected its folder {first['folder']!r} in data_dir "
            f"({data_dir or 'not set'}); {where_from(first)}"
        )
    return Choice(first["stand_in"], "stand-in", wanted[0], None)


def _is_folder(path: Path) -> bool:
    """Return whether a data set is there.  Raises: DatasetError if it is no folder."""
    if os.path.lexists(path) and not path.is_dir():
        what = f"a link to {path.readlink()}" if path.is_symlink() else "a file"
        raise DatasetError(f"{path}: expected a folder, received {what}")
    return path.is_dir()


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
            f"checksum; {where_from(configs[names[0]])}"
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


__all__ = ["Choice", "DatasetError", "choose", "load"]
