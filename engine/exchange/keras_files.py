"""The files in which Keras leaves weights, read without Keras and without pickle.

Legacy .h5 (Keras 1.2 and later, `model.save_weights` and, below /model_weights, a whole
`model.save`):
    attribute layer_names            the layers in order
    /LAYER, attribute weight_names   its variables in order, as LAYER/kernel:0
    /LAYER/LAYER/kernel:0            one array each
Keras 3, .weights.h5, and as model.weights.h5 within a .keras archive:
    /layers/CLASS_NUMBER/vars/0, 1, …   a layer's variables in order; newer versions
                                        write its name as the attribute `name` of vars
    /layers/CLASS_NUMBER/layers/…       those of a model within the model
.npz: keys LAYER/kernel, LAYER/bias, …, in order.

What describes the model (config.json in a .keras archive, the attribute model_config of
a legacy file) says in which order the layers stand, and what a BatchNormalization of
three variables lacks. A SeparableConv2D NAME is two layers here, NAME_depthwise and
NAME_pointwise.

A truncated file is noticed; HDF5 keeps no checksums, so a changed number is not.

Source: Keras's documentation of saving, and its modules legacy_h5_format, saving_lib.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
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

    kind: Keras's class in snake_case where the file tells it, else "". line: layers
    with the same line stand in the order of the model; between two lines the file
    tells no order.
    """

    name: str
    arrays: dict[str, np.ndarray]
    kind: str = ""
    line: str = ""


def read(path: Path) -> list[StoredLayer]:
    """Return the layers that have variables, in the file's order.

    Raises: InputError for an unknown ending; CheckpointError for a truncated, damaged
    or foreign file; FileNotFoundError; PackageError where h5py is missing.
    """
    if path.suffix == ".npz":
        return [part for s in _grouped(npz.read(path)) for part in _parts(s)]
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
        with (
            path.open("rb") as file,
            _unpacked(path, file) as (weights, config),
            h5py.File(weights) as root,
        ):
            root.visititems(_Check(path))
            described = _described(config or root.attrs.get("model_config"))
            layers = _layers(root, described)
            return _told_apart([part for s in layers for part in _parts(s)])
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


@contextmanager
def _unpacked(path: Path, file: Any) -> Iterator[tuple[Any, bytes | None]]:
    """Give the HDF5 file, within a .keras archive or itself, and what describes it."""
    if path.suffix != ".keras":
        yield file, None
        return
    with zipfile.ZipFile(file) as archive:
        names = {"model.weights.h5", "config.json"}.intersection(archive.namelist())
        npz.check_unpacked(path, sum(archive.getinfo(n).file_size for n in names))
        config = archive.read("config.json") if "config.json" in names else None
        yield io.BytesIO(archive.read("model.weights.h5")), config


Described = dict[str, dict[str, Any]]


def _described(config: Any) -> Described:
    """Return {place: settings} of a model's layers in order.

    A place is where the layer lies below the first group /layers, or, with a / before
    it, its names: /MODEL/LAYER. Of a model of its author's own class nothing is known.
    """
    try:
        model = json.loads(config)
        return dict(_settings(_inner(model["config"]), "", ""))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}


def _inner(settings: Any) -> Any:
    """Return a model's layers; Keras 2.0 wrote nothing else as its settings."""
    return settings if isinstance(settings, list) else settings.get("layers")


def _settings(layers: list, place: str, names: str) -> Iterator[tuple[str, dict]]:
    counts: Counter[str] = Counter()
    for layer in layers:
        kind, settings = _snake_case(layer["class_name"]), layer["config"]
        here = f"{place}{kind}_{counts[kind]}".removesuffix("_0")
        counts[kind] += 1
        name = layer.get("name") or settings["name"]
        known = f"{names}/{name}"
        inner = _inner(settings)
        settings = {} if inner is settings else settings
        yield here, settings
        yield known, settings
        if isinstance(inner, list):
            yield from _settings(inner, f"{here}/layers/", known)


def _snake_case(name: str) -> str:
    """Return a class's name as Keras 3 writes it in a file."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


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


def _layers(root: Any, described: Described) -> list[StoredLayer]:
    if "layers" in root and "layer_names" not in root.attrs:
        found = dict(_numbered(root["layers"], "", described))
        if described and set(found) <= set(described):
            found = {
                place: replace(found[place], line="")
                for place in described
                if place in found
            }
        return list(found.values())
    group = root.get("model_weights", root)
    names = _texts(group, "layer_names")
    if not names:
        raise ValueError("neither a group /layers nor an attribute layer_names")
    return [s for name in names for s in _listed(name, _within(group, name), described)]


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


def _listed(name: str, group: Any, described: Described) -> list[StoredLayer]:
    """Return the layer of a legacy group; of a model within the model, its layers.

    There Keras lists what is learned before what is frozen, so that the order of the
    layers is that of their names' numbers at best.
    """
    keys = _texts(group, "weight_names")
    arrays = {key: np.asarray(_within(group, key)) for key in keys}
    layers = _grouped({key.removesuffix(":0"): a for key, a in arrays.items()})
    if len(layers) == 1:
        return [StoredLayer(name, layers[0].arrays)]
    layers = [StoredLayer(s.name.rpartition("/")[2], s.arrays) for s in layers]
    inner = {}
    for place in described:
        if place.startswith(f"/{name}/"):
            inner.setdefault(place.rpartition("/")[2], len(inner))
    if {layer.name for layer in layers} <= set(inner):
        return sorted(layers, key=lambda layer: inner[layer.name])
    if _in_order(layers):
        return layers
    return [replace(layer, line=f"{name}/{layer.name}") for layer in layers]


def _in_order(layers: list[StoredLayer]) -> bool:
    """Return whether the names of layers of the same shapes count upwards."""
    last: dict[Any, tuple[str, list[int]]] = {}
    for layer in layers:
        shapes = tuple((name, array.shape) for name, array in layer.arrays.items())
        name = layer.name if re.search(r"_\d+$", layer.name) else f"{layer.name}_0"
        key = re.sub(r"\d+", "#", name), [int(n) for n in re.findall(r"\d+", name)]
        if shapes in last and (last[shapes][0] != key[0] or last[shapes][1] >= key[1]):
            return False
        last[shapes] = key
    return True


def _grouped(arrays: dict[str, np.ndarray]) -> list[StoredLayer]:
    """Return LAYER/VARIABLE, LAYER/VARIABLE, … as layers in order."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        layer, _, variable = key.rpartition("/")
        layers.setdefault(layer, {})[variable] = array
    return [StoredLayer(name, variables) for name, variables in layers.items()]


def _numbered(
    group: Any, place: str, described: Described
) -> Iterator[tuple[str, StoredLayer]]:
    """Yield (place, layer) of a Keras 3 group, and those of the groups within it."""
    variables = group.get("vars", ())
    if len(variables):
        arrays = [np.asarray(_within(variables, str(i))) for i in range(len(variables))]
        settings = described.get(place, {})
        name = variables.attrs.get("name", settings.get("name", place))
        line = re.sub(r"_\d+$", "", place)
        kind = line.rpartition("/")[2]
        yield place, StoredLayer(str(name), _named(arrays, kind, settings), kind, line)
    for key in sorted(group, key=_natural):
        if key not in ("vars", "seed_generator"):  # the latter: a dropout's own state
            within = _within(group, key)
            inner = f"{place}/{key}" if place else key
            yield from _numbered(within, inner, described)


_NAMES = {
    "depthwise_conv2d": ("depthwise_kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
}
GAMMA_OR_BETA = "gamma or beta"


def _named(
    arrays: list[np.ndarray], kind: str, settings: dict
) -> dict[str, np.ndarray]:
    """Return Keras 3's numbered variables by name, as far as that is known.

    Of a class that is not known, an author's own, as the shapes tell.
    """
    names = _NAMES.get(kind, ("kernel", "bias"))
    if kind not in _NAMES and arrays[0].ndim == 1:
        names = ("moving_mean", "moving_variance")
        if len(arrays) == 4:
            names = ("gamma", "beta", *names)
        elif len(arrays) == 3:
            scale, centre = settings.get("scale"), settings.get("center")
            first = GAMMA_OR_BETA if scale is centre else "gamma" if scale else "beta"
            names = (first, *names)
    if len(arrays) > len(names):
        names = tuple(map(str, range(len(arrays))))
    return dict(zip(names, arrays, strict=False))


def _parts(layer: StoredLayer) -> list[StoredLayer]:
    """Return a layer, or the two that a SeparableConv2D is."""
    first = {k: a for k, a in layer.arrays.items() if k == "depthwise_kernel"}
    if "pointwise_kernel" not in layer.arrays or not first:
        return [layer]
    rest = {k: a for k, a in layer.arrays.items() if k != "depthwise_kernel"}
    kinds = ("depthwise_conv2d", "conv2d") if layer.kind else ("", "")
    return [
        replace(layer, name=f"{layer.name}_{part}", arrays=arrays, kind=kind)
        for part, arrays, kind in zip(
            ("depthwise", "pointwise"), (first, rest), kinds, strict=True
        )
    ]


def _told_apart(layers: list[StoredLayer]) -> list[StoredLayer]:
    """Return the layers, of one name NAME, NAME/2, …: two inner models may share it."""
    counts: Counter[str] = Counter()
    told = []
    for layer in layers:
        counts[layer.name] += 1
        number = counts[layer.name]
        name = f"{layer.name}/{number}" if number > 1 else layer.name
        told.append(replace(layer, name=name))
    return told
