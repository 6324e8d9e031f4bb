"""How much of a device's memory is taken, so that asking for more is a clear error.

An operating system that lends more memory than it has ends the process when the memory
is used, without a word. So the bytes are counted before they are asked for.
"""

from __future__ import annotations

import gc
import os
import sys
import weakref
from typing import Any

from engine.errors import DeviceError


class Memory:
    """The arrays of one device against its size in bytes.

    owner: the device's name, for the error.
    """

    def __init__(self, owner: str, size: int):
        self.owner, self.size, self.taken = owner, size, 0

    def ask(self, bytes_: int) -> None:
        """Return if so many bytes are free.

        Raises: DeviceError with the bytes asked for, those taken, and what to do.
        """
        if self.taken + bytes_ > self.size:
            gc.collect()  # networks that nobody holds any more
        if self.taken + bytes_ > self.size:
            raise self.error(bytes_, f"{self.taken:,} of its {self.size:,} are taken")

    def hold(self, array: Any, bytes_: int) -> None:
        """Count the bytes of an array for as long as it lives."""
        self.taken += bytes_
        weakref.finalize(array, self._release, bytes_).atexit = False

    def _release(self, bytes_: int) -> None:
        self.taken -= bytes_

    def error(self, bytes_: int, why: object) -> DeviceError:
        """Return the error of a device that has no room for so many bytes."""
        return DeviceError(
            f"{self.owner}: no memory for an array of {bytes_:,} bytes ({why}); use a "
            "smaller batch_size or a smaller network"
        )


def of_host() -> int:
    """Return the bytes this process may use: the machine's memory, or its group's."""
    if not hasattr(os, "sysconf"):  # not a Unix: the system itself refuses
        return sys.maxsize
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            return min(size, int(file.read()))
    except (OSError, ValueError):  # no such group, or one without a limit ("max")
        return size
