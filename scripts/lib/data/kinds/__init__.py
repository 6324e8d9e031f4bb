"""The kinds of data sets: one module each, named here and nowhere else.

Imported while Snakemake reads the rules: nothing slow here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from engine.errors import nearest
from scripts.lib.data.configured import DatasetError
from scripts.lib.data.kind import Kind

# Imported as they are asked for: a step's code is that of the kind that it reads alone.
KINDS = ("s0_names", "labels_csv", "cifar", "idx", "folders", "embedded", "textures")


def of(config: Mapping[str, Any]) -> Kind:
    """Return a data set's kind.  Raises: DatasetError for one that is not known."""
    name = config["kind"]
    if name not in KINDS:
        raise DatasetError(
            f"kind: expected one of {', '.join(KINDS)}, received {name!r}"
            f"{nearest(name, KINDS)}"
        )
    return import_module(f"{__name__}.{name}").KIND


def shape_of(config: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return (channels, height, width) of a data set's images."""
    image = config["image"]
    channels = image.get("channels", of(config).channels)
    return channels, image["height"], image["width"]


def has_parts(config: Mapping[str, Any]) -> bool:
    """Return whether a data set comes with a test part of its own."""
    return of(config).has_parts(config)
