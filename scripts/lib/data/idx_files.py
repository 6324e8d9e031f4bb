"""Reading a file of the IDX format: bytes in one to three dimensions, gzipped or not.

Four bytes 0, 0, 8 (unsigned bytes) and the number of dimensions; the length of each, of
four bytes, the highest first; then the values, the last dimension first.
Source: http://yann.lecun.com/exdb/mnist
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

# EMNIST by class, the largest, has 548 MB of training images.
SIZE_LIMIT = 2_000_000_000


class IdxError(ValueError):
    """A file that is not as the IDX format has it."""


def read(path: Path, dimensions: int) -> np.ndarray:
    """Return the values, uint8 of so many dimensions.

    Raises: IdxError for a file that is missing, truncated, longer than it says, empty,
    or no such file.
    """
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else open(path, "rb") as file:
            return _read(file, dimensions)
    except IdxError as error:
        raise IdxError(f"{path}: {error}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IdxError(f"{path}: truncated or damaged ({error}); fetch it again") from (
            None
        )
    except FileNotFoundError:
        raise IdxError(f"{path}: it is not there") from None


def _read(file, dimensions: int) -> np.ndarray:
    head = file.read(4 + 4 * dimensions)
    wanted = bytes([0, 0, 8, dimensions])
    if head[:4] != wanted or len(head) < 4 + 4 * dimensions:
        raise IdxError(
            f"expected a file of the IDX format that begins with {wanted!r} (unsigned "
            f"bytes, {dimensions} dimensions), received {head[:4]!r}"
        )
    shape = np.frombuffer(head[4:], ">u4").tolist()
    length = math.prod(shape)
    if not 0 < length <= SIZE_LIMIT:
        raise IdxError(
            f"expected 1 to {SIZE_LIMIT:,} values, its head says {length:,} {shape}"
        )
    data = file.read(length + 1)
    if len(data) != length:
        told = "more" if len(data) > length else f"{len(data):,}"
        raise IdxError(
            f"expected {length:,} values {shape} as its head says, received {told}; "
            "fetch it again"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)
