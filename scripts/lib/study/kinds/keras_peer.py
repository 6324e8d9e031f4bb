"""The kind `keras_peer`: Keras learns variants of an experiment, on the same folds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scripts.lib.study.kinds.kind import Kind, unknown

if TYPE_CHECKING:
    from scripts.lib.study.config import Configs
    from scripts.lib.study.study import Study


def all_of(study: Study) -> list[str]:
    """Return those that have something to learn."""
    return [n for n in study.configs.of_kind("keras_peer") if runs_of(study, n)]


def experiment_of(study: Study, name: str) -> str:
    """Return the experiment whose variants Keras learns."""
    return study.configs.experiments[name]["experiment"]


def runs_of(study: Study, name: str) -> list[tuple[str, str]]:
    """Return the (variant, protocol) pairs that Keras learns."""
    config = study.configs.experiments[name]
    if config["experiment"] not in study.experiments:
        return []
    return [
        (variant, protocol)
        for variant, protocol in study.runs_of(config["experiment"])
        if variant in config["compared"] and protocol in config["protocols"]
    ]


def results(study: Study, name: str) -> list[str]:
    """Return the table of an experiment."""
    return [f"results/tables/{name}.csv"]


def problems(name: str, configs: Configs) -> Iterator[str]:
    """Yield what is wrong with an experiment."""
    config, where = configs.experiments[name], f"config/experiments/{name}.yaml"
    trained = configs.of_kind("training")
    wrong = list(unknown([config["experiment"]], trained, where, "experiment"))
    if not wrong:
        theirs = configs.experiments[config["experiment"]]
        wrong += unknown(config["compared"], theirs["variants"], where, "compared")
        wrong += unknown(config["protocols"], theirs["protocols"], where, "protocols")
    yield from wrong


KIND = Kind(problems, results, looks_into=True)
