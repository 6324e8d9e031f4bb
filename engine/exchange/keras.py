"""Weights trained by Keras, put into a network of this engine.

Keras keeps maps as (H, W, C) and features before units; here maps are (C, H, W):

    conv        w[f, c, u, v] = kernel[u, v, c, f]        kernel (kh, kw, C/groups, F)
    conv with groups = C, from a DepthwiseConv2D of M maps for each channel
                w[c·M + m, 0, u, v] = kernel[u, v, c, m]  kernel (kh, kw, C, M)
    dense       w[o, k] = kernel[π(k), o]                 kernel (features, units)
    batch_norm  gamma, beta, running_mean, running_variance
                        = gamma, beta, moving_mean, moving_variance, at π(k) too
    SeparableConv2D     two layers: such a conv, and a conv with a 1×1 kernel

π(k) is the place that our feature k has in Keras: behind a flattened map, with
k = (c·H + i)·W + j, it is π(k) = (i·W + j)·C + c; behind other layers π(k) = k.

Only numbers are loaded: the spec must describe the same network. Keras's defaults to
keep in mind: batch normalisation has epsilon 0.001 and momentum 0.99 (here 0.01, the
portion that is new), LeakyReLU a slope of 0.3; `same` pads as `padding: same` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import CheckpointError, InputError, nearest
from engine.exchange import keras_files
from engine.exchange.keras_files import GAMMA_OR_BETA, StoredLayer

if TYPE_CHECKING:
    from engine.layers import Layer
    from engine.network import Network

_OURS = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "pointwise_kernel": "weight",
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
    names: None pairs the layers that have parameters by name, where the file has all
    their names, else in order: that of the file as far as it keeps one (.weights.h5
    does only within each class of each inner model), and where it does not, as the
    shapes decide. A mapping pairs them by name: {our layer: the file's layer}; a layer
    that is not in it goes by its own name, and one that is given as None keeps its
    parameters.
    skip: names of the file's layers that are not wanted.

    Raises: CheckpointError naming all that is missing, left over, of another shape
    (expected and received in this engine's layout) or paired by a guess (the same
    shapes, and no order or names that disagree), and for a damaged or foreign file;
    InputError for a name that the network does not have; PackageError without h5py;
    then nothing has changed.
    """
    path = Path(path)
    stored = _wanted(keras_files.read(path), set(skip), path)
    layers = [layer for layer in network.layers if layer.parameters]
    if names is None and {e.name for e in layers} <= {s.name for s in stored}:
        names = {}
    if names is None:
        pairs, problems = _by_order(network, layers, stored)
        problems += _guessed(network, pairs, {s.name for s in stored})
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


def _by_order(
    network: Network, layers: list[Layer], stored: list[StoredLayer]
) -> Pairs:
    """Return (our layer, its stored layer) in order, and what finds no partner."""
    pairs, problems, left = [], [], list(stored)
    for layer in layers:
        next_ones: dict[str, StoredLayer] = {}
        for source in left:
            if _KINDS.get(source.kind, source.kind) in ("", layer.kind):
                next_ones.setdefault(source.line, source)
        heads = list(next_ones.values())
        fitting = [s for s in heads if _fits(network, layer, s)] if heads[1:] else heads
        if not heads:
            problems.append(f"nothing is left for the layer {layer.name}")
            continue
        if len(fitting) > 1:
            several = " or ".join(repr(s.name) for s in fitting)
            problems.append(
                f"the layer {layer.name} could be {several}, of the same shapes, and "
                "the file does not tell their order; say which by names={...}, or load "
                "the .keras file, which tells it"
            )
        source = (fitting or heads)[0]
        pairs.append((layer, source))
        left = [s for s in left if s is not source]
    return pairs, problems + _left_over(left)


def _fits(network: Network, layer: Layer, source: StoredLayer) -> bool:
    return not [*_misfits(layer, source, _parameters(network, layer, source))]


def _guessed(
    network: Network, pairs: Iterable[tuple[Layer, StoredLayer]], names: set[str]
) -> Iterator[str]:
    """Yield the pairs in order that are no more than a guess.

    Names that disagree; and layers of the same shapes of which neither comes before
    the other in the network, so that their order in the file is an accident.
    """
    ours = {layer.name for layer, _ in pairs}
    told = ", ".join(f"{layer.name!r}: {s.name!r}" for layer, s in pairs)
    if any(e.name != s.name and (e.name in names or s.name in ours) for e, s in pairs):
        yield (
            "paired in order the names disagree; say which belong together, and if "
            f"the order is right: names={{{told}}}"
        )
        return
    before: list[set[int]] = []  # by layer: all that its output depends on
    for layer in network.layers:
        sources = [i for i in layer.sources if i >= 0]
        before.append(set(sources).union(*(before[i] for i in sources)))
    last: dict[Any, tuple[Layer, StoredLayer]] = {}
    for layer, source in pairs:
        key = layer.kind, tuple((p.name, p.shape) for p in layer.parameters)
        other, its = last.get(key, (layer, source))
        if other is not layer and other.index not in before[layer.index]:
            yield (
                f"{other.name} and {layer.name} have the same shapes and stand side by "
                f"side, so that their order tells nothing; they would get {its.name!r} "
                f"and {source.name!r}. Say which belong together; if these do: "
                f"names={{{told}}}"
            )
        last[key] = layer, source


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


# Keras's classes that our layers are; of others nothing is loaded.
_KINDS = {
    "conv2d": "conv",
    "depthwise_conv2d": "conv",
    "batch_normalization": "batch_norm",
}


def _is_depthwise(layer: Layer) -> bool:
    return layer.settings["groups"] == layer.in_shape[0] > 1


def _parameters(
    network: Network, layer: Layer, source: StoredLayer
) -> dict[str, np.ndarray]:
    """Return the stored variables in our names and layout."""
    found = {_OURS.get(name, name): array for name, array in source.arrays.items()}
    one = found.get(GAMMA_OR_BETA)
    if one is not None and layer.settings.get("affine") in _UNIT:
        found[layer.settings["affine"]] = found.pop(GAMMA_OR_BETA)
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
        if name == GAMMA_OR_BETA:
            yield (
                f"{source.name!r} has one of gamma and beta, and the file does not say "
                f"which: write `affine: gamma` or `affine: beta` for {layer.name}, or "
                "load the .keras file, which says it"
            )
        elif name not in found:
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
