"""The kind `xor`: a network of two layers that learns XOR, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scripts.lib.study.kinds.kind import Kind, unknown

if TYPE_CHECKING:
    from scripts.lib.study.config import Configs
    from scripts.lib.study.study import Study


def results(study: Study, name: str) -> list[str]:
    """Return the tables of an experiment."""
    return [f"results/tables/{name}.csv", f"results/tables/{name}_weights.csv"]


def problems(name: str, configs: Configs) -> Iterator[str]:
    """Yield what is wrong with an experiment."""
    where = f"config/experiments/{name}.yaml"
    model = configs.experiments[name].get("model")
    yield from unknown([model] if model else [], configs.models, where, "model")


KIND = Kind(problems, results)
