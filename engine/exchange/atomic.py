"""Files that are whole or not there: written beside their place, flushed, renamed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, which neither renames nor removes an open file
    fcntl = None
_BINARY = getattr(os, "O_BINARY", 0)  # Windows
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Give a binary file that takes the place of `path` if the block ends well.

    Folders on the way are made; who may read and write is the umask's affair. After an
    error `path` is what it was before. What a killed process had written so far stays
    as `.NAME-part`; the next that writes NAME removes it, so that there is never more
    than one.

    Raises: OSError that names `path` where the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _temporary(path)
        with os.fdopen(handle, "wb") as file:
            # Closed last: until then it is locked, and nobody else removes it.
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
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


def file_beside(path: Path) -> tuple[int, Path]:
    """Make a file of this process alone beside `path`; return descriptor and name.

    As tempfile.mkstemp, but others may read and write what the umask lets them.
    """
    own = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    return _made(own, os.O_RDWR), own


def _made(path: Path, flags: int) -> int:
    """Return a descriptor of a file that was not there.  Raises: FileExistsError."""
    return os.open(path, flags | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)


def _temporary(path: Path) -> tuple[int, Path]:
    """Open the file that is to become `path`; return its descriptor and its name."""
    part = path.with_name(f".{path.name}-part")
    handle = None if fcntl is None else _locked(part)
    if handle is not None:
        return handle, part
    # Another process writes the same file at this moment, or nothing can be locked
    # here: then each writes a file of its own, and the last one stays.
    return file_beside(path.with_name(f".{path.name}"))


def _locked(part: Path) -> int | None:
    """Return a descriptor of `part`, new and ours alone; None if that cannot be."""
    try:
        with suppress(FileNotFoundError):
            _remove_if_left(part)
        handle = _made(part, os.O_WRONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Before it was locked it could be taken for one that was left.
        if os.path.samestat(os.fstat(handle), os.lstat(part)):
            return handle
    except OSError as error:
        if error.errno in _NO_LOCKS:
            part.unlink(missing_ok=True)
    os.close(handle)
    return None


def _remove_if_left(part: Path) -> None:
    """Remove what a killed process left: its mode and owner are of another run.

    Raises: OSError for one that is in use, or not there.
    """
    handle = os.open(part, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # By now it may have been renamed by whoever held the lock: then it is a result.
        if os.path.samestat(os.fstat(handle), os.lstat(part)):
            part.unlink()
    finally:
        os.close(handle)
