"""Reading and writing the files of CIFAR-100 "for Python": train, test, meta.

They are pickles, and a pickle is a program: reading one may run anything. So they are
read by an unpickler that knows arrays, lists, dicts, bytes, texts and numbers, and
refuses every other name. Source: https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.data.labels import GROUP

FILES = ("meta", "test", "train")
PARTS = ("train", "test")
FACTORS = ("class", "superclass", "part")
SIDE, CHANNELS = 32, 3
_BYTES = CHANNELS * SIDE * SIDE  # of an image: red, green and blue planes, row by row
# The whole of CIFAR-100's training part has 155 MB.
SIZE_LIMIT = 1_000_000_000


class CifarError(ValueError):
    """A file that is no part of CIFAR-100 for Python."""


@dataclass(frozen=True)
class Batch:
    """One file of images.

    images: uint8 (n, 3, 32, 32), red, green, blue; fine, coarse: int64 (n,), classes.
    """

    images: np.ndarray
    fine: np.ndarray
    coarse: np.ndarray


class _Dtype:
    """What stands for a NumPy type in a pickle: its code alone."""

    def __init__(self, code: Any, *_: Any):
        self.code = code

    def __setstate__(self, state: Any) -> None:
        """Ignore what else a type may say of itself."""


class _Array:
    """What stands for a NumPy array: bytes and a shape, of which one is made here.

    NumPy's own classes are not handed to a pickle: they believe what it says of flags
    and pointers.
    """

    def __init__(self, *_: Any):
        self.value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, _, data = state
        self.set(data, dtype, shape)

    def set(self, data: Any, dtype: Any, shape: Any) -> None:
        """Take bytes as an array of uint8; what is none stays None."""
        is_bytes = isinstance(data, bytes | bytearray)
        if is_bytes and isinstance(dtype, _Dtype) and dtype.code in ("u1", b"u1"):
            self.value = np.frombuffer(bytes(data), np.uint8).reshape(shape)


def _from_buffer(data: Any, dtype: Any, shape: Any, _order: Any) -> _Array:
    array = _Array()
    array.set(data, dtype, shape)
    return array


def _encoded(text: str, _encoding: Any) -> bytes:
    return text.encode("latin-1")


# All that a pickled NumPy array of numbers names, and what is built instead. Python 3
# writes bytes so in the protocols that Python 2 knew; NumPy 2 has moved its functions.
_BUILT = {
    f"numpy.{core}.{name}": built
    for core in ("core", "_core")
    for name, built in (
        ("multiarray._reconstruct", _Array),
        ("numeric._frombuffer", _from_buffer),
    )
} | {"numpy.ndarray": _Array, "numpy.dtype": _Dtype, "_codecs.encode": _encoded}


class _Unpickler(pickle.Unpickler):
    """Builds arrays, lists, dicts, bytes, texts and numbers, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _BUILT:
            raise CifarError(
                f"it asks for {module}.{name}; only arrays, lists, dicts, bytes and "
                "texts are read, for another name could run any program"
            )
        return _BUILT[f"{module}.{name}"]


def _check_memo(data: bytes) -> None:
    """Refuse a number in the reader's memory that no pickle of this length needs.

    The reader would take room for all the numbers before it: 32 GB for six bytes.
    """
    for opcode, number, _ in pickletools.genops(data):
        if opcode.name.endswith("PUT") and number > len(data):
            raise CifarError(f"it numbers a value {number:,} in {len(data):,} bytes")


def read_pickle(path: Path) -> dict[str, Any]:
    """Return the dict of a file, its keys as text.

    Raises: CifarError for a missing, truncated, foreign or malicious file.
    """
    try:
        length = path.stat().st_size
        if length > SIZE_LIMIT:
            raise CifarError(f"{length:,} bytes, expected at most {SIZE_LIMIT:,}")
        data = path.read_bytes()
        _check_memo(data)
        content = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        if not isinstance(content, dict):
            raise CifarError(f"it holds a {type(content).__name__}, expected a dict")
        return {
            _text(key): value.value if isinstance(value, _Array) else value
            for key, value in content.items()
        }
    except CifarError as error:
        raise CifarError(f"{path}: no file of CIFAR-100 for Python: {error}") from None
    except FileNotFoundError:
        raise CifarError(
            f"{path}: it is not there; expected the files {', '.join(FILES)} of "
            "cifar-100-python.tar.gz"
        ) from None
    except Exception as error:  # a damaged pickle raises whatever it likes
        raise CifarError(
            f"{path}: truncated or damaged ({type(error).__name__}: {error}); unpack "
            "cifar-100-python.tar.gz again, and compare its md5"
        ) from None


def read_batch(path: Path, classes: int, superclasses: int) -> Batch:
    """Return the images and classes of train or test.

    Raises: CifarError if anything is missing, of another size, or out of range.
    """
    content = read_pickle(path)
    data = _value(content, "data", path)
    if (
        not isinstance(data, np.ndarray)
        or data.dtype != np.uint8
        or data.shape[1:] != (_BYTES,)
        or not len(data)
    ):
        told = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else data
        raise CifarError(
            f"{path}: data: expected uint8 (n, {_BYTES}), received {str(told)[:80]}"
        )
    labels = [
        _labels(content, key, path, len(data), count)
        for key, count in (("fine_labels", classes), ("coarse_labels", superclasses))
    ]
    return Batch(data.reshape(-1, CHANNELS, SIDE, SIDE), *labels)


def read_names(path: Path) -> tuple[list[str], list[str]]:
    """Return the names of the classes and of the superclasses, from meta."""
    content = read_pickle(path)
    found = []
    for key in ("fine_label_names", "coarse_label_names"):
        names = _value(content, key, path)
        good = isinstance(names, list) and names
        if not good or not all(isinstance(n, str | bytes) for n in names):
            raise CifarError(f"{path}: {key}: expected names, received {names!r:.80}")
        texts = [_text(name) for name in names]
        if len(set(texts)) != len(texts):
            raise CifarError(f"{path}: {key}: expected different names, some are twice")
        found.append(texts)
    return found[0], found[1]


def sample_id(part: str, number: int) -> str:
    """Return what image `number`, from 0, of train or test is called."""
    return f"{part}-{number:05d}"


def label_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of labels.csv: first train, then test, in the files' order.

    Each picture stands for itself.  Raises: CifarError.
    """
    fine, coarse = read_names(folder / "meta")
    return [
        {
            "sample": sample_id(part, i),
            "file": part,
            GROUP: sample_id(part, i),
            "class": fine[a],
            "superclass": coarse[b],
            "part": part,
        }
        for part in PARTS
        for batch in [read_batch(folder / part, len(fine), len(coarse))]
        for i, (a, b) in enumerate(zip(batch.fine, batch.coarse, strict=True))
    ]


def read_images(folder: Path) -> tuple[list[str], np.ndarray]:
    """Return (ids, uint8 (n, 3, 32, 32)) in the order of `label_rows`."""
    fine, coarse = read_names(folder / "meta")
    batches = [read_batch(folder / part, len(fine), len(coarse)) for part in PARTS]
    ids = [
        sample_id(part, i)
        for part, batch in zip(PARTS, batches, strict=True)
        for i in range(len(batch.images))
    ]
    return ids, np.concatenate([batch.images for batch in batches])


def encode(batch: Batch) -> bytes:
    """Return a file as the official ones are written."""
    content = {
        b"data": batch.images.reshape(len(batch.images), -1),
        b"fine_labels": batch.fine.tolist(),
        b"coarse_labels": batch.coarse.tolist(),
    }
    return pickle.dumps(content, protocol=2)


def encode_names(fine: Sequence[str], coarse: Sequence[str]) -> bytes:
    """Return the file meta."""
    names = {
        b"fine_label_names": [name.encode() for name in fine],
        b"coarse_label_names": [name.encode() for name in coarse],
    }
    return pickle.dumps(names, protocol=2)


def _value(content: dict[str, Any], key: str, path: Path) -> Any:
    if key not in content:
        raise CifarError(
            f"{path}: expected the key {key!r}, received {', '.join(content) or 'none'}"
        )
    return content[key]


def _labels(
    content: dict[str, Any], key: str, path: Path, n: int, classes: int
) -> np.ndarray:
    labels = _value(content, key, path)
    good = isinstance(labels, list) and len(labels) == n
    if not good or not all(type(v) is int and 0 <= v < classes for v in labels):
        told = f"{len(labels)} entries" if isinstance(labels, list) else f"{labels!r}"
        raise CifarError(
            f"{path}: {key}: expected {n} classes of 0 ... {classes - 1}, received "
            f"{told[:80]}"
        )
    return np.array(labels, np.int64)


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
