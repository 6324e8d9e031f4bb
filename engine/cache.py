"""The user's cache folder: what was measured or compiled once and may be lost."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def folder() -> Path:
    """Return our part of the user's cache folder, as the XDG base directories say.

    Where that cannot be written (a home that is read-only, or nobody's) a folder below
    the temporary ones takes its place, for this process, what it starts, and libraries
    with caches of their own (PoCL, Matplotlib); it is said on stderr.
    """
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home; below this there is no folder
        base = Path(os.devnull)
    if not all(_writable(base / name) for name in ("ignetlab", "pocl")):
        instead = Path(tempfile.gettempdir()) / f"ignetlab-cache-{os.getuid()}"
        if instead != base and _is_ours(instead):
            print(
                f"engine: {base} cannot be written; compiled and measured is kept in "
                f"{instead}",
                file=sys.stderr,
                flush=True,
            )
            os.environ["XDG_CACHE_HOME"] = str(instead)
            os.environ.setdefault("MPLCONFIGDIR", str(instead / "matplotlib"))
            base = instead
    return base / "ignetlab"


def _writable(path: Path) -> bool:
    """Return whether a folder is there, or can be made, and files in it."""
    while not os.path.lexists(path):
        path = path.parent
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


def _is_ours(path: Path) -> bool:
    """Make a folder that nobody else may enter; return whether it is one."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError:
        return False
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return ours and not status.st_mode & 0o077


def settle() -> None:
    """Where the user's cache folder cannot be written, take one of temporary files.

    For this process and those that it starts, and said on stderr. Drivers and pyopencl
    keep what they compile beside it: with no such place PoCL has no device and pyopencl
    fails.
    """
    try:
        folder().mkdir(parents=True, exist_ok=True)
        if not os.access(folder(), os.W_OK):
            tempfile.TemporaryFile(dir=folder()).close()  # fails, and says why
        return
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows the home
        reason = error
    other = Path(tempfile.gettempdir(), f"ignetlab-{os.getuid()}")
    kept = "nothing"
    with suppress(OSError):
        other.mkdir(mode=0o700, exist_ok=True)
        status = other.lstat()
        # Another user may have made it before, to have us run what lies there.
        if (status.st_uid, status.st_mode) == (os.getuid(), stat.S_IFDIR | 0o700):
            os.environ["XDG_CACHE_HOME"] = kept = str(other)
    print(
        f"engine: the user's cache folder cannot be written ({reason}); in place of it "
        f"{kept} is used, and XDG_CACHE_HOME can name another",
        file=sys.stderr,
        flush=True,
    )


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Keep other processes that ask for the same name waiting while the block runs.

    Where no file can be made or locked, nobody waits.
    """
    path, handle = folder() / f"{name}.lock", None
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            if fcntl is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            pass  # a folder that is read-only, a file system without locks
        yield
    finally:
        if handle is not None:
            os.close(handle)
