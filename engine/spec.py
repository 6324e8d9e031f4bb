"""Reading a model spec: from plain data (YAML, JSON) to layers that fit each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine import losses, settings
from engine.errors import SpecError, nearest
from engine.layers import LAYERS, Layer, Shape
from engine.options import fill

_KEYS = ("input", "layers", "loss")
# A `repeat` of a few letters could ask for any number.
_MOST = 5000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def read_spec(spec: Any) -> tuple[Shape, list[Layer], losses.Loss]:
    """Return (input shape, layers in order, loss) of a model spec.

    Its `options` are filled in (engine.options). A layer's `inputs` are names of layers
    that stand before it, "input", or -1 for the layer before it, -2 for the next but
    one before.
    Raises: SpecError naming the layer and its place, for anything unknown, missing or
    impossible.
    """
    if not isinstance(spec, Mapping):
        raise SpecError(f"model: expected keys {', '.join(_KEYS)}, received {spec!r}")
    spec = fill(spec)
    for key in spec:
        if key not in _KEYS:
            raise SpecError(
                f"model: unknown key {key!r}{nearest(key, _KEYS)}; "
                f"known: {', '.join(_KEYS)}"
            )
    for key in _KEYS:
        if key not in spec:
            raise SpecError(f"model: the key {key!r} is missing")
    shape = _input_shape(spec["input"])
    layers, loss = _layers(spec["layers"], shape), losses.parse(spec["loss"])
    last = layers[-1]
    if loss.takes_classes() and len(last.out_shape) != 1:
        raise last.fail(
            f"with the loss {loss.name} the last layer must give (classes,), received "
            f"{last.out_shape}; end with a dense, flatten or global_average_pool layer"
        )
    _check_end(layers, loss)
    return shape, layers, loss


def _check_end(layers: list[Layer], loss: losses.Loss) -> None:
    """Raise SpecError where a loss that wants logits would get probabilities."""
    layer = layers[-1]
    while layer.passes_through(training=False) and layer.sources[0] >= 0:
        layer = layers[layer.sources[0]]
    function = layer.settings.get("function")
    if loss.wants_logits() and function in ("softmax", "sigmoid"):
        raise layer.fail(
            f"expected logits before the loss {loss.name}, which applies its own "
            f"{loss.name.partition('_')[0].replace('binary', 'sigmoid')}, received a "
            f"{function}: the loss could never come near 0. Leave this layer out, or "
            "choose another loss; a network from a file can be loaded without this "
            "loss and built again from its spec, less this layer, and its parameters()"
        )


def _input_shape(value: Any) -> Shape:
    good = isinstance(value, list | tuple) and len(value) in (1, 2, 3)
    if not good or not all(settings.is_integer(v) and v >= 1 for v in value):
        raise SpecError(
            "input: expected [features], [rows, columns] or [channels, height, width], "
            f"integers of at least 1, received {value!r}"
        )
    return tuple(value)


class _Builder:
    """The layers so far, and the names that later ones may take as inputs."""

    def __init__(self, shape: Shape):
        self.layers: list[Layer] = []
        self.shapes = {-1: shape}
        self.counts: dict[str, int] = {}
        self.places: dict[str, str] = {}

    def add_all(self, entries: Any, place: str, outer: dict[str, int], suffix: str):
        """Build the entries of one list; `outer` holds the names known outside it.

        The name `input` stands for what enters the list: the network's input, or within
        a `repeat` the output of the round before.
        """
        if not isinstance(entries, list | tuple) or not entries:
            raise SpecError(f"{place}: expected a list of layers, received {entries!r}")
        known = outer | {"input": len(self.layers) - 1}
        for number, entry in enumerate(entries):
            here = f"{place}[{number}]"
            kind, value, name, inputs = _entry(entry, here)
            if kind == "repeat":
                self._repeat(value, here, known, suffix, name or inputs)
                continue
            sources = self._sources(inputs, known, f"{here} {kind}")
            # Inside a repeat a layer is known by its own name, outside by both.
            full = self._name(kind, name, suffix, here)
            shapes = [self.shapes[i] for i in sources]
            if len(self.layers) == _MOST:
                raise SpecError(f"{here}: expected at most {_MOST:,} layers in all")
            layer = LAYERS[kind](full, value, shapes, f"{here} {kind} ({full})")
            layer.sources, layer.index = sources, len(self.layers)
            self.shapes[layer.index] = layer.out_shape
            self.layers.append(layer)
            known[full] = known[name or full] = outer[full] = layer.index

    def _repeat(self, value: Any, place: str, known, suffix: str, refused: Any) -> None:
        if refused:
            raise SpecError(f"{place} repeat: takes no name and no inputs")
        settings_ = settings.read(value, _REPEAT, f"{place} repeat")
        for turn in range(settings_["times"]):
            inner = f"{place} repeat.layers"
            self.add_all(settings_["layers"], inner, known, f"{suffix}-{turn + 1}")

    def _sources(self, inputs: Any, known: dict[str, int], place: str) -> list[int]:
        if inputs is None:
            return [len(self.layers) - 1]
        if not isinstance(inputs, list | tuple) or not inputs:
            raise SpecError(f"{place}: inputs: expected names, received {inputs!r}")
        return [self._source(name, known, place) for name in inputs]

    def _source(self, name: Any, known: dict[str, int], place: str) -> int:
        """Return the index of a layer by its name, or −k: the k-th before this one."""
        if settings.is_integer(name) and -len(self.layers) <= name < 0:
            return len(self.layers) + name
        if not isinstance(name, str) or name not in known:
            raise SpecError(
                f"{place}: inputs: expected names of layers that stand before this "
                f"one, or -1 (the one before), -2, …, received "
                f"{name!r}{nearest(str(name), known)}; known: {', '.join(known)}"
            )
        return known[name]

    def _name(self, kind: str, name: str | None, suffix: str, place: str) -> str:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        full = f"{name}{suffix}" if name else f"{kind}{self.counts[kind]}"
        if full in self.places or full == "input":
            taken = self.places.get(full, "the network's input")
            raise SpecError(f"{place}: the name {full!r} is already that of {taken}")
        self.places[full] = place
        return full


def _layers(entries: Any, shape: Shape) -> list[Layer]:
    builder = _Builder(shape)
    builder.add_all(entries, "layers", {}, "")
    layers = builder.layers
    used = {source for layer in layers for source in layer.sources}
    for layer in layers[:-1]:
        if layer.index not in used:
            raise layer.fail("no layer takes its output")
    return layers


_REPEAT = {
    "times": settings.Setting(settings.count),
    "layers": settings.Setting(lambda value: value),
}


def _entry(entry: Any, place: str) -> tuple[str, Any, str | None, Any]:
    """Return (kind, settings, name or None, inputs or None) of an entry of `layers`."""
    if isinstance(entry, str):
        entry = {entry: None}
    if not isinstance(entry, Mapping):
        raise SpecError(
            f"{place}: expected a layer such as {{dense: {{units: 1}}}}, received "
            f"{entry!r}"
        )
    kinds = [key for key in entry if key not in ("name", "inputs")]
    if len(kinds) != 1:
        raise SpecError(
            f"{place}: expected one kind of layer, and beside it at most `name` and "
            f"`inputs`, received the keys {list(entry)}"
        )
    kind = kinds[0]
    if kind not in LAYERS and kind != "repeat":
        known = [*LAYERS, "repeat"]
        raise SpecError(
            f"{place}: unknown layer {kind!r}{nearest(kind, known)}; "
            f"known: {', '.join(known)}"
        )
    name = entry.get("name")
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise SpecError(
            f"{place}: name: expected letters, digits, _ and -, beginning with a "
            f"letter, received {name!r}"
        )
    return kind, entry[kind], name, entry.get("inputs")
