"""The kernels' texts: the files of kernels/."""

from __future__ import annotations

import functools
from pathlib import Path

_FOLDER = Path(__file__).parent / "kernels"


@functools.cache
def of(name: str) -> str:
    """Return the text of kernels/NAME.cl."""
    return (_FOLDER / f"{name}.cl").read_text()


@functools.cache
def every() -> list[tuple[str, str]]:
    """Return the names and texts of all files, for what depends on any of them."""
    return [(file.name, of(file.stem)) for file in sorted(_FOLDER.glob("*.cl"))]
