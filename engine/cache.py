"""The user's cache folder: what was measured or compiled once and may be lost."""

from __future__ import annotations

import functools
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def folder() -> Path:
    """Return our part of the user's cache folder, as the XDG base directories say.

    Where that cannot be written (a home that is read-only, or nobody's) a folder below
    the temporary ones takes its place, for this process, what it starts, and libraries
    with caches of their own (PoCL, pyopencl, Matplotlib): with no such place PoCL has
    no device and pyopencl fails. It is said on stderr.
    """
    return _base(os.environ.get("XDG_CACHE_HOME"), os.environ.get("HOME")) / "ignetlab"


@functools.cache
def _base(named: str | None, home: str | None) -> Path:
    """Return the cache folder for these settings; each is looked at and said once."""
    try:
        base = Path(named or Path.home() / ".cache")
        for name in ("ignetlab", "pocl"):
            _try_writing(base / name)
        return base
    except (OSError, RuntimeError) as error:  # RuntimeError: nobody knows the home
        reason = error
    instead = Path(tempfile.gettempdir(), f"ignetlab-cache-{os.getuid()}")
    ours = _is_ours(instead)
    print(
        f"engine: the user's cache folder cannot be written ({reason}); what is "
        f"compiled and measured is kept {f'in {instead}' if ours else 'nowhere'}, and "
        "XDG_CACHE_HOME can name another folder",
        file=sys.stderr,
        flush=True,
    )
    if not ours:  # below this there is no folder
        return Path(named or os.devnull)
    os.environ["XDG_CACHE_HOME"] = str(instead)
    os.environ.setdefault("MPLCONFIGDIR", str(instead / "matplotlib"))
    return instead


def _try_writing(path: Path) -> None:
    """Raises: OSError where the folder cannot be made, or no files in it."""
    path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        tempfile.TemporaryFile(dir=path).close()  # fails, and says why


def _is_ours(path: Path) -> bool:
    """Make a folder that nobody else may enter; return whether it is one.

    Another user may have made it before, to have us run what lies there.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError:
        return False
    return (status.st_uid, status.st_mode) == (os.getuid(), stat.S_IFDIR | 0o700)


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
