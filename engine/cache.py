"""The user's cache folder: what was measured or compiled once and may be lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def folder() -> Path:
    """Return our part of the user's cache folder, as the XDG base directories say."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ignetlab"


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Keep other processes that ask for the same name waiting while the block runs.

    Where no file can be made or locked, nobody waits.
    """
    path, handle = folder() / f"{name}.lock", None
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            pass  # a folder that is read-only, a file system without locks
        yield
    finally:
        if handle is not None:
            os.close(handle)
