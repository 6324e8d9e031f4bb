"""The files in which Keras leaves weights, read without Keras and without pickle.

Legacy .h5 (Keras 1.2 and later, `model.save_weights` and, below /model_weights, a whole
`model.save`):
    attribute layer_names            the layers in order
    /LAYER, attribute weight_names   its variables in order, as LAYER/kernel:0
    /LAYER/LAYER/kernel:0            one array each
Keras 3, .weights.h5, and as model.weights.h5 within a .keras archive:
    /layers/CLASS_NUMBER/vars/0, 1, …   a layer's variables in order; newer versions
                                        write its name as the attribute `name` of vars
.npz: keys LAYER/kernel, LAYER/bias, …, in order.

A truncated file is noticed; HDF5 keeps no checksums, so a changed number is not.

Source: Keras's documentation of saving, and its modules legacy_h5_format, saving_lib.
"""

from __future__ import annotations

import errno
import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import CheckpointError, InputError, PackageError
from engine.exchange import npz

# What h5py and zipfile raise for bytes that are none of theirs.
_UNREADABLE = (
    OSError, LookupError, ValueError, RuntimeError, TypeError, AttributeError,
    NotImplementedError, MemoryError, EOFError, zipfile.BadZipFile, zlib.error,
    struct.error,
)  # fmt: skip


@dataclass(frozen=True)
class StoredLayer:
    """One layer's variables {kernel, bias, gamma, …}, as Keras shapes them.

    kind: Keras's class in snake_case where the file tells it and keeps an order only
    within a class; else "".
    """

    name: str
    arrays: dict[str, np.ndarray]
    kind: str = ""


def read(path: Path) -> list[StoredLayer]:
    """Return the layers that have variables, in the file's order.

    Raises: InputError for an unknown ending; CheckpointError for a truncated, damaged
    or foreign file; FileNotFoundError; PackageError where h5py is missing.
    """
    if path.suffix == ".npz":
        return _grouped(npz.read(path))
    if path.suffix not in (".h5", ".hdf5", ".keras"):
        raise InputError(
            f"{path}: expected Keras weights in .h5, .hdf5, .keras or .npz, received "
            f"the ending {path.suffix!r}"
        )
    _h5py(path)
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    from engine.exchange import hdf5  # it knows this module

    return hdf5.read(path)


def read_here(path: Path) -> list[StoredLayer]:
    """Return the layers of an HDF5 file, read by this process.

    Raises: CheckpointError for a truncated, damaged or foreign file, where the HDF5
    library notices; it may never end, or crash.
    """
    h5py = _h5py(path)
    try:
        with path.open("rb") as file, h5py.File(_weights_file(path, file)) as root:
            root.visititems(_Check(path))
            return list(_layers(root))
    except (FileNotFoundError, CheckpointError):
        raise
    except _UNREADABLE as error:
        raise CheckpointError(
            f"{path}: expected weights written by Keras, received a truncated, damaged "
            f"or foreign file ({type(error).__name__}: {error})"
        ) from None


def _h5py(path: Path) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise PackageError(
            f"{path}: Keras's .h5 and .keras files need the Python package h5py, which "
            f"cannot be imported ({error}); install it: pip install 'h5py>=3.10'"
        ) from None
    return h5py


def _weights_file(path: Path, file: Any) -> Any:
    """Return the HDF5 file: the file itself, or the one within a .keras archive."""
    if path.suffix != ".keras":
        return file
    with zipfile.ZipFile(file) as archive:
        member = archive.getinfo("model.weights.h5")
        npz.check_unpacked(path, member.file_size)
        return io.BytesIO(archive.read(member))


class _Check:
    """Looks at each array of a file before any of them is read.

    Raises: CheckpointError for more bytes than the file can hold, and for numbers that
    lie in another file, which might be any file.
    """

    def __init__(self, path: Path):
        self.path, self.unpacked = path, 0

    def __call__(self, name: str, item: Any) -> None:
        if not hasattr(item, "nbytes"):
            return
        if item.external or item.is_virtual:
            raise CheckpointError(
                f"{self.path}: {name} is kept in another file, which is not read"
            )
        self.unpacked += item.nbytes
        npz.check_unpacked(self.path, self.unpacked)


def _layers(root: Any) -> Iterator[StoredLayer]:
    if "layers" in root and "layer_names" not in root.attrs:
        yield from _numbered(root["layers"], "")
        return
    group = root.get("model_weights", root)
    names = _texts(group, "layer_names")
    if not names:
        raise ValueError("neither a group /layers nor an attribute layer_names")
    for name in names:
        yield from _listed(name, _within(group, name))


def _within(group: Any, name: str) -> Any:
    """Return what has a name, if it lies in this file and not behind a link."""
    found = group[name]
    if found.file.id != group.file.id or not found.name.startswith(group.name):
        raise ValueError(f"{name!r} leads out of {group.name!r}")
    return found


def _texts(group: Any, key: str) -> list[str]:
    """Return an attribute that is a list of names; a long one lies in KEY0, KEY1, …"""
    chunks = [name for name in group.attrs if re.fullmatch(rf"{key}\d+", name)]
    keys = [key] if key in group.attrs else sorted(chunks, key=_natural)
    texts = [text for part in keys for text in group.attrs[part]]
    return [t.decode() if isinstance(t, bytes) else str(t) for t in texts]


def _natural(name: str) -> tuple[str, int]:
    """Return what puts conv2d, conv2d_2, conv2d_10 in this order."""
    stem = name.rstrip("0123456789")
    return stem.rstrip("_"), int(name[len(stem) :] or 0)


def _listed(name: str, group: Any) -> list[StoredLayer]:
    """Return the layer of a legacy group; of a model within the model, its layers."""
    keys = _texts(group, "weight_names")
    arrays = {key: np.asarray(_within(group, key)) for key in keys}
    layers = _grouped({key.removesuffix(":0"): a for key, a in arrays.items()})
    if len(layers) == 1:
        return [StoredLayer(name, layers[0].arrays)]
    return [StoredLayer(s.name.rpartition("/")[2], s.arrays) for s in layers]


def _grouped(arrays: dict[str, np.ndarray]) -> list[StoredLayer]:
    """Return LAYER/VARIABLE, LAYER/VARIABLE, … as layers in order."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        layer, _, variable = key.rpartition("/")
        layers.setdefault(layer, {})[variable] = array
    return [StoredLayer(name, variables) for name, variables in layers.items()]


def _numbered(group: Any, place: str) -> Iterator[StoredLayer]:
    """Yield the layer of a Keras 3 group, and those of the groups within it."""
    variables = group.get("vars", ())
    if len(variables):
        arrays = [np.asarray(_within(variables, str(i))) for i in range(len(variables))]
        name = str(variables.attrs.get("name", place))
        yield StoredLayer(name, _named(arrays), kind=re.sub(r"_\d+$", "", place))
    for key in sorted(group, key=_natural):
        if key not in ("vars", "seed_generator"):  # the latter: a dropout's own state
            within = _within(group, key)
            yield from _numbered(within, f"{place}/{key}" if place else key)


def _named(arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return Keras 3's numbered variables by name, as far as their shapes tell."""
    names: tuple[str, ...] = ("moving_mean", "moving_variance")
    if arrays[0].ndim > 1:
        names = ("kernel", "bias")
    elif len(arrays) == 4:
        names = ("gamma", "beta", *names)
    if len(arrays) > len(names):
        names = tuple(map(str, range(len(arrays))))
    return dict(zip(names, arrays, strict=False))
