"""The kind `textures`: generated, in the files of the kind `cifar`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scripts.lib.data import cifar_files
from scripts.lib.data.kind import Config, all_there, needs
from scripts.lib.data.kinds.cifar import KIND as READ


def files_of(config: Config, folder: Path) -> list[str]:
    """Return its three files.  Raises: DatasetError."""
    return all_there(config, folder, cifar_files.FILES, "scripts.fetch makes them")


def make(config: Config) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file."""
    from scripts.lib.data.generators import textures

    settings = config["embedded"]
    yield "meta", cifar_files.encode_names(*textures.names())
    for part in ("train", "test"):
        batch = textures.make(part, settings[part], settings["seed"])
        yield part, cifar_files.encode(batch)


KIND = replace(
    READ,
    files=files_of,
    problems=lambda config: needs(config, "train", "test"),
    made_files=lambda config: cifar_files.FILES,
    make=make,
)
