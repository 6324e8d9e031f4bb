"""What a file of the kind `diagnostics` names must be there: checked before any job."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.errors import nearest

PARTS = ("derivatives", "tuning", "w2", "freezeconnect")


def problems(
    where: str, config: Mapping[str, Any], experiments: Mapping, protocols: Mapping
) -> Iterator[str]:
    """Yield a line for each thing that does not fit; where: the file's name."""
    name = config["experiment"]
    trained = {n: e for n, e in experiments.items() if e["kind"] == "training"}
    if name not in trained:
        yield _one_of(f"{where}: experiment", trained, name)
        return
    experiment = trained[name]
    for scale, changed in config["scales"].items():
        for part in PARTS:
            settings = {**config[part], **changed.get(part, {})}
            key = f"{where}: {part} (scale {scale})"
            for pattern in settings.get("variants", [settings.get("variant")]):
                if not any(matches(name, [pattern]) for name in experiment["variants"]):
                    yield _one_of(f"{key}: variant", experiment["variants"], pattern)
            for protocol in settings.get("protocols", [settings.get("protocol")]):
                if protocol not in experiment["protocols"]:
                    yield _one_of(f"{key}: protocol", experiment["protocols"], protocol)
                    continue
                most = protocols[protocol]["folds"][scale]
                if settings.get("folds", 1) > most:
                    yield (
                        f"{key}: folds: expected at most the {most} of {protocol}, "
                        f"received {settings['folds']}"
                    )
    raised, ranges = config["w2"]["raised"], config["w2"]["ranges"]
    if raised not in ranges:
        yield _one_of(f"{where}: w2.raised", ranges, raised)


def matches(variant: str, patterns: Iterable[str]) -> bool:
    """Return whether a variant is meant by one of the patterns such as depth2-*."""
    return any(fnmatch.fnmatchcase(variant, pattern) for pattern in patterns)


def _one_of(where: str, known: Iterable[str], name: str) -> str:
    known = list(known)
    return (
        f"{where}: expected one of {', '.join(known)}, received {name!r}"
        f"{nearest(name, known)}"
    )
