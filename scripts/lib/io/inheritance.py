"""Configuration written as differences, so that no file repeats another.

A file may name another of its folder by `extends` and say only what differs. An
experiment may span its variants by a `grid`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scripts.lib.io.schema import read_yaml

SCALES = ("smoke", "demo", "short", "paper")
# What a file may say for each scale, by the kind of file.
_SCALED = {
    "augmentations": ("copies",),
    "protocols": ("folds", "images"),
    "experiments": ("scales",),
}
# Of these a file, a variant or a level of the grid says only the keys that differ.
_JOINED = ("recipe", "options")


def load(path: str | Path) -> dict[str, Any]:
    """Return a file of config/ with what it extends.

    Raises: ValueError naming the file if it is no YAML, or extends what is not there.
    """
    path = Path(path)

    def read(name: str) -> Any:
        file = path.with_name(f"{name}.yaml")
        return read_yaml(file, str(file))

    return extended(path.stem, read)


def extended(name: str, read: Callable[[str], Any]) -> dict[str, Any]:
    """Return the file `name`; the keys that it does not say are those it extends.

    Of `recipe` and `options` it may say some keys only.

    read: returns the content of a file by its name, without `.yaml`.
    Raises: ValueError for files that extend each other in a circle.
    """
    chain, names, wanted = [], [], name
    while wanted is not None:
        if wanted in names:
            circle = " -> ".join([*names, wanted])
            raise ValueError(f"extends: expected an end, received the circle {circle}")
        content = read(wanted)
        if not isinstance(content, Mapping):
            return content
        names.append(wanted)
        chain.append({k: v for k, v in content.items() if k != "extends"})
        wanted = content.get("extends")
    joined: dict[str, Any] = {}
    for content in reversed(chain):
        joined = _joined(joined, content)
    return joined


def complete_scales(kind: str, config: dict[str, Any]) -> None:
    """Let a file that says nothing of the scale `short` do as much as at `demo`."""
    for key in _SCALED.get(kind, ()):
        if "demo" in (config.get(key) or ()):
            config[key] = {"short": config[key]["demo"], **config[key]}
            config[key] = {s: config[key][s] for s in SCALES if s in config[key]}


def variants(experiment: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return {id: settings} of all variants of an experiment.

    First those of the grid, {factor: {level: settings}}: each combination of one level
    of every factor, called LEVEL-LEVEL-…, later factors winning. Then those that stand
    under `variants`; one called as a combination says what differs in it.
    """
    found: dict[str, dict[str, Any]] = {}
    factors = [factor.items() for factor in experiment.get("grid", {}).values()]
    for levels in itertools.product(*factors) if factors else ():
        settings: dict[str, Any] = {}
        for _, level in levels:
            settings = _joined(settings, level)
        found["-".join(name for name, _ in levels)] = settings
    for name, settings in experiment.get("variants", {}).items():
        found[name] = _joined(found.get(name, {}), settings)
    return found


def _joined(under: Mapping[str, Any], over: Mapping[str, Any] | None) -> dict[str, Any]:
    over = over or {}
    both = {
        k: {**under[k], **over[k]}
        for k in _JOINED
        # What is none is left for the schema to refuse.
        if isinstance(under.get(k), Mapping) and isinstance(over.get(k), Mapping)
    }
    return {**under, **over, **both}
