"""Weights trained by Keras, put into a network of this engine.

Keras keeps maps as (H, W, C) and features before units; here maps are (C, H, W):

    conv        w[f, c, u, v] = kernel[u, v, c, f]        kernel (kh, kw, C/groups, F)
    conv with groups = C, from a DepthwiseConv2D of M maps for each channel
                w[c·M + m, 0, u, v] = kernel[u, v, c, m]  kernel (kh, kw, C, M)
    dense       w[o, k] = kernel[π(k), o]                 kernel (features, units)
    batch_norm  gamma, beta, running_mean, running_variance
                        = gamma, beta, moving_mean, moving_variance, at π(k) too

π(k) is the place that our feature k has in Keras: behind a flattened map, with
k = (c·H + i)·W + j, it is π(k) = (i·W + j)·C + c; behind other layers π(k) = k.

Only numbers are loaded: the spec must describe the same network. Keras's defaults to
keep in mind: batch normalisation has epsilon 0.001 and momentum 0.99 (here 0.01, the
portion that is new), LeakyReLU a slope of 0.3; `same` pads as `padding: same` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import CheckpointError, InputError, nearest
from engine.exchange import keras_files
from engine.exchange.keras_files import StoredLayer

if TYPE_CHECKING:
    from engine.layers import Layer
    from engine.network import Network

_OURS = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "running_mean",
    "moving_variance": "running_variance",
}
# What a BatchNormalization without `scale` or `center` computes with.
_UNIT = {"gamma": 1.0, "beta": 0.0}


def load_weights(
    network: Network,
    path: str | Path,
    names: Mapping[str, str | None] | None = None,
    skip: Iterable[str] = (),
) -> None:
    """Replace the network's parameters by those of a Keras file.

    path: .h5 or .hdf5 (Keras 2, or Keras 3's .weights.h5), .keras, or .npz with keys
    LAYER/kernel, LAYER/bias and so on.
    names: None pairs the layers that have parameters in order (in Keras 3's files,
    which keep no order between classes, in order within each class). A mapping pairs
    them by name: {our layer: the file's layer}; a layer that is not in it goes by its
    own name, and one that is given as None keeps its parameters.
    skip: names of the file's layers that are not wanted.

    Raises: CheckpointError naming all that is missing, left over or of another shape
    (expected and received in this engine's layout), and for a damaged or foreign file;
    InputError for a name that the network does not have; PackageError without h5py;
    then nothing has changed.
    """
    path = Path(path)
    stored = _wanted(keras_files.read(path), set(skip), path)
    layers = [layer for layer in network.layers if layer.parameters]
    if names is None:
        pairs, problems = _by_order(layers, stored)
    else:
        pairs, problems = _by_name(layers, stored, names)
    values: dict[str, np.ndarray] = {}
    for layer, source in pairs:
        found = _parameters(network, layer, source)
        problems += _misfits(layer, source, found)
        values |= {f"{layer.name}.{name}": array for name, array in found.items()}
    if problems:
        raise CheckpointError(
            f"{path}: these weights do not fit the network: {'; '.join(problems)}"
        )
    network.set_parameters(values)


def _wanted(stored: list[StoredLayer], skip: set[str], path: Path) -> list[StoredLayer]:
    known = [layer.name for layer in stored]
    for name in sorted(skip - set(known)):
        raise InputError(
            f"skip: {path} has no layer {name!r}{nearest(name, known)}; it holds "
            f"{', '.join(known)}"
        )
    return [layer for layer in stored if layer.name not in skip]


Pairs = tuple[list[tuple["Layer", StoredLayer]], list[str]]


def _by_order(layers: list[Layer], stored: list[StoredLayer]) -> Pairs:
    """Return (our layer, its stored layer) in order, and what finds no partner."""
    queues: dict[str, list[StoredLayer]] = {}
    for source in stored:
        queues.setdefault(source.kind, []).append(source)
    pairs, problems = [], []
    for layer in layers:
        queue = queues.get(_kind(layer)) or queues.get("")
        if queue:
            pairs.append((layer, queue.pop(0)))
        else:
            problems.append(f"nothing is left for the layer {layer.name}")
    return pairs, problems + _left_over(s for queue in queues.values() for s in queue)


def _by_name(
    layers: list[Layer], stored: list[StoredLayer], names: Mapping[str, str | None]
) -> Pairs:
    """Return (our layer, its stored layer) by name, and what finds no partner."""
    ours = [layer.name for layer in layers]
    for name in names:
        if name not in ours:
            raise InputError(
                f"names: no layer {name!r} with parameters{nearest(name, ours)}; "
                f"known: {', '.join(ours)}"
            )
    sources = {source.name: source for source in stored}
    pairs, problems = [], []
    for layer in layers:
        theirs = names.get(layer.name, layer.name)
        if theirs in sources:
            pairs.append((layer, sources[theirs]))
        elif theirs is not None:
            hint = nearest(theirs, sources)
            problems.append(f"{theirs!r} for the layer {layer.name} is missing{hint}")
    used = {id(source) for _, source in pairs}
    return pairs, problems + _left_over(s for s in stored if id(s) not in used)


def _left_over(stored: Iterable[StoredLayer]) -> list[str]:
    return [f"{s.name!r} ({', '.join(s.arrays)}) is left over" for s in stored]


def _kind(layer: Layer) -> str:
    """Return what Keras calls the class of such a layer."""
    if layer.kind == "conv":
        return "depthwise_conv2d" if _is_depthwise(layer) else "conv2d"
    return {"batch_norm": "batch_normalization"}.get(layer.kind, layer.kind)


def _is_depthwise(layer: Layer) -> bool:
    return layer.settings["groups"] == layer.in_shape[0] > 1


def _parameters(
    network: Network, layer: Layer, source: StoredLayer
) -> dict[str, np.ndarray]:
    """Return the stored variables in our names and layout."""
    found = {_OURS.get(name, name): array for name, array in source.arrays.items()}
    if layer.kind == "batch_norm" and "running_mean" in found:
        for name in {p.name for p in layer.parameters} & set(_UNIT) - set(found):
            found[name] = np.full_like(found["running_mean"], _UNIT[name])
    kernel = found.get("weight")
    if kernel is not None and kernel.ndim == 4:
        kernel = kernel.transpose(3, 2, 0, 1)
        if layer.kind == "conv" and _is_depthwise(layer) and kernel.shape[1] > 1:
            m, c, kh, kw = kernel.shape
            kernel = kernel.transpose(1, 0, 2, 3).reshape(c * m, 1, kh, kw)
        found["weight"] = kernel
    elif kernel is not None and kernel.ndim == 2:
        found["weight"] = kernel.T
    return _reordered(network, layer, found)


def _reordered(
    network: Network, layer: Layer, found: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the parameters with the axis of the features in our order."""
    if layer.kind == "dense":
        axes = {"weight": 1}
    elif layer.kind == "batch_norm" and len(layer.in_shape) == 1:
        axes = dict.fromkeys(found, 0)
    else:
        return found
    order = _keras_places(network, layer.sources[0])
    return {
        name: array.take(order, axes[name])
        if name in axes and array.shape[axes[name] :][:1] == order.shape
        else array
        for name, array in found.items()
    }


def _keras_places(network: Network, index: int) -> np.ndarray:
    """Return π: the places in Keras of our features, of layer `index` (-1: input)."""
    for layer in network.layers[: index + 1]:
        if layer.kind == "reshape":
            raise InputError(
                f"{layer.place}: Keras's order is (height, width, channels), so behind "
                "a reshape its features are others than here; set those layers' "
                "parameters yourself"
            )
    layer = network.layers[index] if index >= 0 else None
    shape = network.input_shape if layer is None else layer.out_shape
    places = np.arange(int(np.prod(shape)))
    if len(shape) == 3:
        c, h, w = shape
        return places.reshape(h, w, c).transpose(2, 0, 1).ravel()
    if layer is None or layer.kind in ("dense", "global_average_pool"):
        return places
    parts, begin = [], 0
    sources = layer.sources if layer.kind == "concat" else layer.sources[:1]
    for source in sources:
        parts.append(begin + _keras_places(network, source))
        begin += len(parts[-1])
    return np.concatenate(parts)


def _misfits(
    layer: Layer, source: StoredLayer, found: Mapping[str, np.ndarray]
) -> Iterator[str]:
    """Yield what is missing, left over, or of another shape or type."""
    expected = {p.name: p.shape for p in layer.parameters}
    for name in sorted(set(expected) | set(found)):
        where = f"{layer.name}.{name} from {source.name!r}"
        if name not in found:
            yield f"{where} is missing (it holds {', '.join(source.arrays)})"
        elif name not in expected:
            yield f"{where} is left over (the layer has {', '.join(expected)})"
        elif found[name].dtype.kind != "f":
            yield f"{where}: expected floating numbers, received {found[name].dtype}"
        elif found[name].shape != expected[name]:
            yield (
                f"{where}: expected shape {expected[name]}, received "
                f"{found[name].shape}"
            )
