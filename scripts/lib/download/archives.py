"""Named files out of a .tar.gz or .zip, and nothing else.

An archive is somebody else's data: it cannot say where a file is written, what kind of
file it is, or how large. Members are asked for by name and written to names that are
ours; only regular files are taken; and bytes are counted as they come, for what a
header says of its size may be a lie.
"""

from __future__ import annotations

import gzip
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from engine.exchange.atomic import atomic_write

_CHUNK = 1 << 18  # bytes
_SHOWN = 5  # names in an error
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
# What the readers raise over broken archives; RuntimeError: zipfile over a password.
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
)
_COMPRESSED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ArchiveError(ValueError):
    """An archive that is not there, is broken, or does not hold what it should."""


def unpack(
    archive: str | Path,
    members: Mapping[str, str],
    folder: str | Path,
    *,
    size_limit: int,
    member_limit: int | None = None,
) -> None:
    """Write some members of an archive to `folder`: all of them, or none.

    members: {name in the archive: name below `folder`}; size_limit: bytes of all that
    is unpacked, in a .tar.gz also of what is only passed over on the way; member_limit:
    bytes of each member, by default size_limit.

    Raises: ArchiveError; OSError if a file cannot be written.
    """
    archive, folder = Path(archive), Path(folder)
    check_members(members)
    limits = _Limits(archive, size_limit, member_limit or size_limit)
    with ExitStack() as written:
        found = set()
        try:
            for name, source in _members(archive, members, limits):
                if name in found:
                    raise ArchiveError(
                        f"{archive}: {name}: expected once, received twice"
                    )
                found.add(name)
                target = written.enter_context(atomic_write(folder / members[name]))
                _copy(source, target, name, limits)
        except ArchiveError:
            raise
        except _BROKEN as problem:
            raise _broken(archive, problem) from None
        missing = [name for name in members if name not in found]
        if missing:
            raise ArchiveError(
                f"{archive}: expected {', '.join(missing[:_SHOWN])}, received no such "
                f"member, only {limits.names}"
            )


def check_members(members: Mapping[str, str]) -> None:
    """Raise ArchiveError unless all names are plain, and the files' names differ."""
    for name in [*members, *members.values()]:
        path = PurePosixPath(name)
        plain = path.as_posix() == name != "." and not {"\\", "\0"} & set(name)
        if not plain or path.is_absolute() or ".." in path.parts:
            raise ArchiveError(
                "members: expected names such as folder/file, relative and without "
                f".., received {name!r}"
            )
    if len(set(members.values())) < len(members):
        raise ArchiveError(
            f"members: expected names that differ, received {list(members.values())}"
        )


class _Limits:
    """How much may be unpacked, and what was seen on the way."""

    def __init__(self, archive: Path, total: int, member: int):
        self.archive, self._total, self.member = archive, total, member
        self._taken = 0
        self._seen: list[str] = []

    def see(self, name: str) -> None:
        """Remember a member's name, for an error's text."""
        if len(self._seen) <= _SHOWN:
            self._seen.append(name[:80])

    @property
    def names(self) -> str:
        """The first members."""
        more = ", ..." if len(self._seen) > _SHOWN else ""
        return ", ".join(map(repr, self._seen[:_SHOWN])) + more or "none"

    def take(self, size: int) -> None:
        """Count bytes that were unpacked."""
        self._taken += size
        self.check_end(self._taken)

    def check_end(self, position: int) -> None:
        """Refuse to read so far."""
        if position > self._total:
            raise ArchiveError(
                f"{self.archive}: expected at most {self._total} bytes unpacked, "
                "received more; raise the limit if it is meant to be so large"
            )


class _Counted:
    """A stream that is read against a limit."""

    def __init__(self, stream: IO[bytes], limits: _Limits):
        self._stream, self._limits = stream, limits

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes."""
        content = self._stream.read(min(size, _CHUNK))
        self._limits.take(len(content))
        return content


def _members(
    archive: Path, wanted: Mapping[str, str], limits: _Limits
) -> Iterator[tuple[str, IO[bytes] | _Counted]]:
    """Yield (name, content) of the wanted members, in the archive's order."""
    if not archive.is_file():
        raise ArchiveError(f"{archive}: expected an archive, there is none")
    with open(archive, "rb") as file:
        start = file.read(4)
        file.seek(0)
        if start.startswith(_GZIP):
            read = _tar_members
        elif start == _ZIP:
            read = _zip_members
        else:
            raise ArchiveError(
                f"{archive}: expected a .tar.gz or .zip, received a file that begins "
                f"with {start!r}; remove it and get it again"
            )
        try:
            yield from read(file, wanted, limits)
        except OSError as problem:  # a header that leads to nowhere
            raise _broken(archive, problem) from None


def _broken(archive: Path, problem: Exception) -> ArchiveError:
    told = str(problem) or type(problem).__name__
    return ArchiveError(
        f"{archive}: expected a whole .tar.gz or .zip, received: {told}; remove it and "
        "get it again"
    )


def _tar_members(
    file: BinaryIO, wanted: Mapping[str, str], limits: _Limits
) -> Iterator[tuple[str, IO[bytes]]]:
    # As a stream, and all of it: headers too count as bytes, and gzip's own checksum
    # stands at the end. A header's size is believed only where it is too large: tarfile
    # would look for its end for years.
    with gzip.GzipFile(fileobj=file) as unzipped:
        counted = _Counted(unzipped, limits)
        with tarfile.open(fileobj=counted, mode="r|") as tar:
            while (member := tar.next()) is not None:
                tar.members.clear()  # it would keep them all
                if member.size < 0:
                    raise tarfile.ReadError("a size below zero")
                limits.check_end(tar.offset)
                name = member.name.removeprefix("./")
                limits.see(name)
                if name not in wanted:
                    continue
                if not member.isreg() or member.issparse():
                    raise _no_file(limits, name)
                yield name, tar.extractfile(member)
        while counted.read(_CHUNK):
            pass


def _zip_members(
    file: BinaryIO, wanted: Mapping[str, str], limits: _Limits
) -> Iterator[tuple[str, _Counted]]:
    with zipfile.ZipFile(file) as zipped:
        for member in zipped.infolist():
            limits.see(member.filename)
            if member.filename not in wanted:
                continue
            # The upper half holds Unix's mode; 0 where another system made the file.
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG) or member.is_dir():
                raise _no_file(limits, member.filename)
            if member.compress_type not in _COMPRESSED:
                raise ArchiveError(
                    f"{limits.archive}: {member.filename}: expected deflated or stored "
                    f"bytes, received method {member.compress_type}; pack it anew"
                )
            with zipped.open(member) as content:
                yield member.filename, _Counted(content, limits)


def _no_file(limits: _Limits, name: str) -> ArchiveError:
    return ArchiveError(
        f"{limits.archive}: {name}: expected a regular file, received a link, a "
        "folder, a device or a file with holes"
    )


def _copy(
    source: IO[bytes] | _Counted, target: BinaryIO, name: str, limits: _Limits
) -> None:
    left = limits.member
    while content := source.read(_CHUNK):
        left -= len(content)
        if left < 0:
            raise ArchiveError(
                f"{limits.archive}: {name}: expected at most {limits.member} bytes, "
                "received more; raise the limit if it is meant to be so large"
            )
        target.write(content)
