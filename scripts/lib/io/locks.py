"""Locks between processes; they end with the process, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import gethostname
from typing import IO

Say = Callable[[str], None]


def lock(file: IO, say: Say, *, waiting: str, without: str) -> bool:
    """Lock an open file, or return that it cannot be locked.

    say: is told `waiting` if another process holds it, and `without` if this file
    system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(waiting)
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as problem:
        say(f"{without} ({problem.strerror})")
        return False
    return True


def is_still(path: Path, handle: int) -> bool:
    """Return whether a path is the file that was opened there."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def alone_in(folder: Path, say: Say) -> Iterator[None]:
    """Keep every other process that asks for it out of `folder` while the block runs.

    Whoever comes second waits. A job goes on where the Snakemake that started it was
    killed, so that the next Snakemake's job may meet it here.
    """
    path = folder / "in-use.lock"
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        with open(handle, "r+b", buffering=0) as file:
            holder = file.read().decode() or "another process"
            lock(
                file,
                say,
                waiting=f"{folder}: {holder} works here; waiting for its end",
                without=f"{path}: this file system has no locks, so two processes in "
                "one folder would not notice each other",
            )
            # While this one waited, the file may have been removed: then others meet
            # at a new one.
            if not is_still(path, handle):
                continue
            try:
                # Whose it is only helps who waits; a full disk is told of by a result.
                with suppress(OSError):
                    file.truncate(0)
                    file.write(f"process {os.getpid()} on {gethostname()}".encode())
                yield
            finally:
                path.unlink(missing_ok=True)
            return
