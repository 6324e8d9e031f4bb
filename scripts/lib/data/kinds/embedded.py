"""The kind `embedded`: generated drawings, named as those of the kind `s0_names`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scripts.lib.data.generators import drawings
from scripts.lib.data.kind import Config, all_there, needs
from scripts.lib.data.kinds.s0_names import KIND as READ


def made_files(config: Config) -> tuple[str, ...]:
    """Return the names of the drawings, sorted."""
    return drawings.drawing_files(**config["embedded"])


def files_of(config: Config, folder: Path) -> list[str]:
    """Return the drawings that are asked for: others are of another seed or size.

    Raises: DatasetError if one is missing.
    """
    return all_there(config, folder, made_files(config), "scripts.fetch makes them")


def make(config: Config) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each drawing."""
    from scripts.lib.data.generators import person

    for drawing in drawings.make_drawings(**config["embedded"]):
        yield f"{drawing.name}.jpeg", person.encode(drawing)


def problems(config: Config) -> Iterator[str]:
    """Yield what cannot be drawn."""
    wrong = list(needs(config, "drawings", "children"))
    yield from wrong
    if wrong:
        return
    drawings, children = (config["embedded"][k] for k in ("drawings", "children"))
    if not children <= drawings <= 3 * children:
        yield (
            f"drawings.drawings: expected {children} ... {3 * children} for {children} "
            f"children, received {drawings}"
        )


KIND = replace(
    READ, files=files_of, problems=problems, made_files=made_files, make=make
)
