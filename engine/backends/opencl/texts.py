"""The kernels' texts: the files of kernels/."""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

_FOLDER = Path(__file__).parent / "kernels"


@functools.cache
def of(name: str) -> str:
    """Return the text of kernels/NAME.cl."""
    return (_FOLDER / f"{name}.cl").read_text()


@functools.cache
def digest() -> str:
    """Return a digest of all files, for what depends on any of them."""
    found = hashlib.sha256()
    for name in sorted(os.listdir(_FOLDER)):
        found.update(f"{name}\0".encode() + (_FOLDER / name).read_bytes())
    return found.hexdigest()
