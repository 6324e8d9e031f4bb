"""A file that comes in pieces: what has come, its lock, and its checksums."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.exchange.atomic import file_beside
from scripts.lib.io.locks import is_still, lock

CHUNK = 1 << 18  # bytes
_CHECKSUM = re.compile(r"(md5):([0-9a-f]{32})|(sha256):([0-9a-f]{64})")


class PartFile:
    """What has come so far of a file, and its hashes.

    file: open for reading and writing, without a buffer: after a kill it holds whatever
    was added; expected: {algorithm: hexadecimal digits}.
    """

    def __init__(self, file: BinaryIO, expected: Mapping[str, str]):
        self._file, self._expected = file, expected
        self._start()
        while chunk := file.read(CHUNK):
            self._count(chunk)

    def _start(self) -> None:
        self.size = 0
        self._hashes = {
            name: hashlib.new(name, usedforsecurity=False) for name in self._expected
        }

    def _count(self, chunk: bytes) -> None:
        self.size += len(chunk)
        for digest in self._hashes.values():
            digest.update(chunk)

    @property
    def is_right(self) -> bool:
        """Whether this is the whole file."""
        return self._received == self._expected

    @property
    def _received(self) -> dict[str, str]:
        return {name: digest.hexdigest() for name, digest in self._hashes.items()}

    @property
    def difference(self) -> str:
        """What was expected and what came, in words."""
        return (
            f"expected {in_words(self._expected)}, received {self.size} bytes with "
            f"{in_words(self._received)}"
        )

    def add(self, chunk: bytes) -> None:
        """Append bytes."""
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._count(chunk)

    def clear(self) -> None:
        """Begin anew."""
        self._file.seek(0)
        self._file.truncate()
        self._start()


def read_checksums(checksum: str | Sequence[str]) -> dict[str, str]:
    """Return {algorithm: hexadecimal digits} of "md5:..." or "sha256:...", or several.

    Raises: ValueError.
    """
    found = {}
    for text in [checksum] if isinstance(checksum, str) else checksum:
        match = _CHECKSUM.fullmatch(text)
        if match is None:
            raise ValueError(
                "checksum: expected md5: and 32 or sha256: and 64 hexadecimal digits, "
                f"received {text!r}"
            )
        algorithm, digits = filter(None, match.groups())
        found[algorithm] = digits
    if not found:
        raise ValueError(
            "checksum: expected at least one, received none; without one nobody knows "
            "what was downloaded"
        )
    return found


def in_words(checksums: Mapping[str, str]) -> str:
    """Return checksums as `read_checksums` takes them."""
    return " and ".join(f"{name}:{digits}" for name, digits in checksums.items())


def is_right(path: Path, expected: Mapping[str, str]) -> bool:
    """Return whether the file is there and has the expected checksums."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return PartFile(file, expected).is_right


@contextmanager
def part_of(path: Path, say: Callable[[str], None]) -> Iterator[tuple[BinaryIO, Path]]:
    """Give PATH.part and its name, made if it is not there, for this process alone.

    The lock ends with the process, however it ends. On a file system without locks,
    as some clusters have, a part file of this process's own is given, and not kept.
    say: told of having to wait, and of missing locks.
    """
    part = path.with_name(f"{path.name}.part")
    while True:
        handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
        with open(handle, "r+b", buffering=0) as file:
            waiting = f"another process writes {part}; waiting for it"
            without = (
                f"{part}: this file system has no locks, so what comes is not kept for "
                "another run"
            )
            if not lock(file, say, waiting=waiting, without=without):
                break
            # While this one waited, the file may have been renamed or removed.
            if is_still(part, handle):
                yield file, part
                return
    handle, own = file_beside(part)
    try:
        with open(handle, "r+b", buffering=0) as file:
            yield file, own
    finally:
        own.unlink(missing_ok=True)
