"""What a kind of experiments is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import nearest

if TYPE_CHECKING:
    from scripts.lib.study.config import Configs
    from scripts.lib.study.study import Study


Config = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of experiments, as config/experiments/ID.yaml names it.

    problems(id, configs): yields a line for each thing that does not fit together.
    results(study, id): the tables and figures that are made of an experiment.
    complete(config): adds what the file leaves out, such as the variants of a grid.
    table(id, config): the table that an experiment stands in, by default its own.
    apart: whether a group of it may be left out unless it is named (`apart`).
    looks_into: whether it is about another experiment, and is made with that one or on
    its own target: it is none of config.yaml's `experiments`.
    """

    problems: Callable[[str, Configs], Iterator[str]]
    results: Callable[[Study, str], list[str]]
    complete: Callable[[dict[str, Any]], None] = lambda config: None
    table: Callable[[str, Config], str] = lambda name, config: name
    apart: bool = False
    looks_into: bool = False


def unknown(names, known, where: str, key: str) -> Iterator[str]:
    """Yield a line for each name that is not known, with the nearest that is."""
    known = list(known)
    for name in names:
        if name not in known:
            yield (
                f"{where}: {key}: expected one of {', '.join(known)}, received "
                f"{name!r}{nearest(name, known)}"
            )
