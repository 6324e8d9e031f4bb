"""Options of a model spec: one spec for networks that differ in a few places.

options: {portion: 0.5, more: 0}
layers:
  - dropout: $portion              # the value of an option
  - when: more                     # there only if the option's value says so
    repeat: {times: $more, layers: [...]}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import SpecError, nearest


def fill(
    spec: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the spec without `options`, their values in its layers.

    options: what differs from the values that the spec itself gives. In `layers` a text
    `$NAME` stands for an option's value; an entry with `when: NAME` is left out if that
    value is 0, false, null or empty.
    Raises: SpecError for an option that the spec does not have.
    """
    values = spec.get("options") or {}
    if not isinstance(values, Mapping):
        raise SpecError(f"options: expected names and values, received {values!r}")
    for name in options or {}:
        if name not in values:
            raise SpecError(f"options: {_unknown(name, values)}")
    values = {**values, **(options or {})}
    filled = {key: value for key, value in spec.items() if key != "options"}
    if "layers" in filled:
        filled["layers"] = _filled(filled["layers"], values)
    return filled


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(part, Mapping):
        return {k: _filled(v, values) for k, v in part.items() if k != "when"}
    if isinstance(part, list | tuple):
        return [_filled(entry, values) for entry in part if _is_there(entry, values)]
    if isinstance(part, str) and part.startswith("$"):
        return _value(part[1:], values)
    return part


def _is_there(entry: Any, values: Mapping[str, Any]) -> bool:
    if not isinstance(entry, Mapping) or "when" not in entry:
        return True
    return bool(_value(entry["when"], values))


def _value(name: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(name, str) or name not in values:
        raise SpecError(f"layers: {_unknown(name, values)}")
    return values[name]


def _unknown(name: Any, values: Mapping[str, Any]) -> str:
    known = ", ".join(values) or "none"
    return f"unknown option {name!r}{nearest(str(name), values)}; known: {known}"
