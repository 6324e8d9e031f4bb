"""NumPy's .npz: one array per parameter, and the spec as JSON text. No pickle.

Read by this module itself. NumPy's own reader takes the room that an array's header
asks for before it looks whether the file holds as much, reads headers as Python, and
raises whatever its parts raise. Here a header is one fixed form, and an array as large
as its member says, so a file of a few kB cannot ask for many GB.

Source: numpy.lib.format, versions 1.0 to 3.0.
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

import numpy as np

from engine.errors import CheckpointError
from engine.exchange.atomic import atomic_write

_SPEC = "engine.spec"
_ENDING = ".npy"
_MAGIC = b"\x93NUMPY"
_HEADER_LIMIT = 1 << 16  # bytes; shape and type of an array need about a hundred
_TEXT = 4  # bytes of a character
_LAST_CHARACTER, _SURROGATES = 0x10FFFF, (0xD800, 0xDFFF)
_CHUNK = 1 << 20
# Deflate packs zeros a thousand to one. More than so many bytes that are packed closer
# than so many to one are no data, but a file made to fill the memory.
_HARMLESS, _RATIO = 1 << 26, 100  # bytes; unpacked for each byte of the file
# Booleans, integers, floats, texts.
_HEADER = re.compile(
    r"\{'descr': '(?P<descr>\|b1|[|<>][iu]1|[<>][iu][248]|[<>]f[248]"
    r"|[<>]U(?P<characters>\d{1,9}))', 'fortran_order': (?P<fortran>True|False), "
    r"'shape': \((?P<shape>|\d{1,19}(?:, \d{1,19})*,?)\),? ?\} *\n"
)
# What zipfile raises for bytes that are no .zip (RuntimeError: an encrypted one).
_UNREADABLE = (
    ValueError, EOFError, OSError, KeyError, RuntimeError, NotImplementedError,
    OverflowError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def save(path: Path, spec: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a network's spec (JSON) and parameters, whole or not at all."""
    write(path, {_SPEC: np.array(spec), **arrays})


def load(path: Path) -> tuple[str | None, dict[str, np.ndarray]]:
    """Return what `save` wrote.  Raises: CheckpointError, FileNotFoundError."""
    arrays = read(path)
    spec = arrays.pop(_SPEC, None)
    return None if spec is None else str(spec), arrays


def write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write named arrays to `path`, whole or not at all."""
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def read(path: Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file: all of them, or those of `names`.

    Numbers, booleans and texts are read, nothing else.
    Raises: CheckpointError if it is truncated, damaged or not such a file, lacks one
    of the names, or unpacks to far more than it holds; FileNotFoundError.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = _members(archive, path)
            wanted = list(members if names is None else names)
            missing = [name for name in wanted if name not in members]
            if missing:
                raise CheckpointError(
                    f"{path}: expected the arrays {', '.join(wanted)}, received "
                    f"{', '.join(members) or 'none'}"
                )
            return {name: _array(archive, members[name]) for name in wanted}
    except (FileNotFoundError, CheckpointError):
        raise
    except MemoryError:
        raise CheckpointError(f"{path}: its arrays do not fit into memory") from None
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{path}: expected an .npz file of arrays, received a truncated, damaged "
            f"or foreign one ({type(error).__name__}: {error})"
        ) from None


def _members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Return the archive's members by the names of their arrays."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.removesuffix(_ENDING)
        if name == member.filename or name in members:
            raise ValueError(f"{member.filename!r}: no array, or one given twice")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name!r} is packed by method {member.compress_type}")
        members[name] = member
    check_unpacked(path, sum(member.file_size for member in members.values()))
    return members


def check_unpacked(path: Path, unpacked: int) -> None:
    """Raise CheckpointError if a file would unpack to far more bytes than it has."""
    packed = path.stat().st_size
    most = max(_HARMLESS, _RATIO * packed)
    if unpacked > most:
        raise CheckpointError(
            f"{path}: expected arrays of at most {most:,} bytes in a file of "
            f"{packed:,}, received {unpacked:,}; if they are meant to be so, save them "
            "without compression"
        )


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Return one array; ValueError for a damaged one."""
    with archive.open(member) as file:
        start, header = _header(file)
        match = _HEADER.fullmatch(header)
        if match is None:
            raise ValueError(f"{member.filename}: no array of numbers: {header[:80]!r}")
        shape = tuple(int(n) for n in re.findall(r"\d+", match["shape"]))
        dtype = np.dtype(match["descr"])
        size = math.prod(shape) * dtype.itemsize
        if start + size != member.file_size:
            raise ValueError(
                f"{member.filename}: {size:,} bytes by its header, "
                f"{member.file_size - start:,} in the file"
            )
        array = np.empty(shape[::-1] if match["fortran"] == "True" else shape, dtype)
        _fill(file, array)
    if match["characters"] and array.size and dtype.itemsize:
        _check_text(array, member.filename)
    return array.T if match["fortran"] == "True" else array


def _header(file: IO[bytes]) -> tuple[int, str]:
    """Return (where the numbers begin, the text that says what they are)."""
    start = file.read(8)
    if start[:6] != _MAGIC or start[6:] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise ValueError(f"no array, it begins with {start!r}")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    if length > _HEADER_LIMIT:
        raise ValueError(f"a header of {length:,} bytes")
    text = file.read(length).decode("utf-8" if start[6] == 3 else "latin-1")
    return len(start) + width + length, text


def _fill(file: IO[bytes], array: np.ndarray) -> None:
    """Read an array's bytes, and the end behind them: there the checksum is looked at.

    Raises: EOFError if there are fewer.
    """
    if not array.nbytes:
        file.read(1)
        return
    room = memoryview(array.reshape(-1).view(np.uint8)).cast("B")
    while len(room):
        content = file.read(min(_CHUNK, len(room)))
        if not content:
            raise EOFError(f"{len(room):,} bytes of an array are missing")
        room[: len(content)] = content
        room = room[len(content) :]
    file.read(1)


def _check_text(array: np.ndarray, name: str) -> None:
    """Raise ValueError for numbers that are no characters."""
    order = array.dtype.byteorder if array.dtype.byteorder in "<>" else "="
    codes = array.reshape(-1).view(np.dtype(f"{order}u{_TEXT}"))
    low, high = _SURROGATES
    if (codes > _LAST_CHARACTER).any() or ((codes >= low) & (codes <= high)).any():
        raise ValueError(f"{name}: a text of characters that are none")
