"""Reading a model spec: from plain data (YAML, JSON) to layers that fit each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from engine import losses, settings
from engine.errors import SpecError, nearest
from engine.layers import LAYERS, Layer, Shape

_KEYS = ("input", "layers", "loss")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def read_spec(spec: Any) -> tuple[Shape, list[Layer], losses.Loss]:
    """Return (input shape, layers in order, loss) of a model spec.

    Raises: SpecError naming the layer and its place, for anything unknown, missing or
    impossible.
    """
    if not isinstance(spec, Mapping):
        raise SpecError(f"model: expected keys {', '.join(_KEYS)}, received {spec!r}")
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
    return shape, _layers(spec["layers"], shape), losses.parse(spec["loss"])


def _input_shape(value: Any) -> Shape:
    good = isinstance(value, list | tuple) and len(value) in (1, 3)
    if not good or not all(settings.is_integer(v) and v >= 1 for v in value):
        raise SpecError(
            "input: expected [features] or [channels, height, width], integers of at "
            f"least 1, received {value!r}"
        )
    return tuple(value)


def _layers(entries: Any, shape: Shape) -> list[Layer]:
    if not isinstance(entries, list | tuple) or not entries:
        raise SpecError(f"layers: expected a list of layers, received {entries!r}")
    layers: list[Layer] = []
    counts: dict[str, int] = {}
    taken: dict[str, str] = {}
    for number, entry in enumerate(entries):
        place = f"layers[{number}]"
        kind, value, name = _entry(entry, place)
        counts[kind] = counts.get(kind, 0) + 1
        name = name or f"{kind}{counts[kind]}"
        if name in taken:
            raise SpecError(
                f"{place}: the name {name!r} is already that of {taken[name]}"
            )
        taken[name] = place
        layer = LAYERS[kind](name, value, shape, f"{place} {kind}")
        layer.index = number
        layers.append(layer)
        shape = layer.out_shape
    if len(shape) != 1:
        raise SpecError(
            f"layers[{len(layers) - 1}] ({layers[-1].name}): the last layer must give "
            f"(outputs,), received {shape}; end with a dense or flatten layer"
        )
    return layers


def _entry(entry: Any, place: str) -> tuple[str, Any, str | None]:
    """Return (kind, settings, name or None) of one entry of `layers`."""
    if isinstance(entry, str):
        entry = {entry: None}
    if not isinstance(entry, Mapping):
        raise SpecError(f"{place}: expected a layer such as {{dense: {{units: 1}}}}, "
                        f"received {entry!r}")  # fmt: skip
    kinds = [key for key in entry if key != "name"]
    if len(kinds) != 1:
        raise SpecError(
            f"{place}: expected one kind of layer and at most a name, received the "
            f"keys {list(entry)}"
        )
    kind = kinds[0]
    if kind not in LAYERS:
        raise SpecError(
            f"{place}: unknown layer {kind!r}{nearest(kind, LAYERS)}; "
            f"known: {', '.join(LAYERS)}"
        )
    name = entry.get("name")
    if name is not None and not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise SpecError(
            f"{place}: name: expected letters, digits, _ and -, beginning with a "
            f"letter, received {name!r}"
        )
    return kind, entry[kind], name
