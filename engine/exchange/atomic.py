"""Files that are whole or not there: written beside their place, flushed, renamed."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, which neither renames nor removes an open file
    fcntl = None


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Give a binary file that takes the place of `path` if the block ends well.

    Folders on the way are made. After an error `path` is what it was before. What a
    killed process had written so far stays as `.NAME-part`; the next that writes NAME
    takes it over, so that there is never more than one.

    Raises: OSError that names `path` where the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _temporary(path)
        with os.fdopen(handle, "wb") as file:
            # Closed last: until then it is locked, and nobody else takes it over.
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.chmod(temporary, 0o644)
                if fcntl is None:
                    file.close()
                os.replace(temporary, path)
            except BaseException:
                if fcntl is None:
                    file.close()
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        if error.errno is None or not _of(path, error.filename):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _of(path: Path, name: str | None) -> bool:
    """Return whether an error that names this file, or none, is about `path`."""
    return name is None or Path(name).name.startswith(f".{path.name}-")


def _temporary(path: Path) -> tuple[int, Path]:
    """Open the file that is to become `path`; return its descriptor and its name."""
    part = path.with_name(f".{path.name}-part")
    handle = None if fcntl is None else _locked(part)
    if handle is not None:
        return handle, part
    # Another process writes the same file at this moment, or nothing can be locked
    # here: then each writes a file of its own, and the last one stays.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    return handle, Path(name)


def _locked(part: Path) -> int | None:
    """Return a descriptor of `part`, empty and ours alone; None if that cannot be."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(part, flags, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # By now it may have been renamed by whoever held the lock: then it is a result.
        if os.path.samestat(os.fstat(handle), os.lstat(part)):
            os.ftruncate(handle, 0)
            return handle
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            part.unlink(missing_ok=True)
    os.close(handle)
    return None
