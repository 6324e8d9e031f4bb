"""The kind `diagnostics`: looks into networks of another experiment, in four parts."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from engine.errors import nearest
from scripts.lib.study.kinds.kind import Kind

if TYPE_CHECKING:
    from scripts.lib.study.config import Configs
    from scripts.lib.study.study import Study

PARTS = ("derivatives", "tuning", "w2", "freezeconnect")
# Parts that are also drawn.
DRAWN = ("derivatives", "w2", "freezeconnect")


def all_of(study: Study) -> list[str]:
    """Return the diagnostics of experiments that are chosen."""
    found = study.configs.of_kind("diagnostics")
    return [n for n in found if experiment_of(study, n) in study.choices]


def of_experiment(study: Study, experiment: str) -> list[str]:
    """Return the diagnostics that look into an experiment."""
    return [n for n in all_of(study) if experiment_of(study, n) == experiment]


def results(study: Study, experiment: str) -> list[str]:
    """Return tables and figures of all that looks into an experiment."""
    return [
        file
        for name in of_experiment(study, experiment)
        for part in PARTS
        if variants_of(study, name, part)
        for file in files_of(study, name, part)
    ]


def files_of(study: Study, name: str, part: str) -> list[str]:
    """Return the table of a part, and its figure if it has one."""
    table = study.configs.experiments[name]["tables"][part]
    figure = [f"results/figures/{table}.png"] if part in DRAWN else []
    return [f"results/tables/{table}.csv", *figure]


def settings_of(study: Study, name: str, part: str) -> dict[str, Any]:
    """Return one part of the file at the scale."""
    config = study.configs.experiments[name]
    return {**config[part], **config["scales"][study.scale].get(part, {})}


def experiment_of(study: Study, name: str) -> str:
    """Return the id of the training experiment that is looked into."""
    return study.configs.experiments[name]["experiment"]


def variants_of(study: Study, name: str, part: str) -> list[str]:
    """Return a part's variants whose target the data set records.

    What the scale leaves out of the experiment is not left out here.
    """
    experiment = experiment_of(study, name)
    settings = settings_of(study, name, part)
    patterns = settings.get("variants") or [settings["variant"]]
    recorded = set(study.datasets[study.dataset_of(experiment)]["factors"])
    return [
        variant
        for variant, config in study.experiments[experiment]["variants"].items()
        if set(config["target"]) <= recorded and _matches(variant, patterns)
    ]


def protocols_of(study: Study, name: str, part: str) -> list[str]:
    """Return a part's protocols."""
    settings = settings_of(study, name, part)
    return settings.get("protocols") or [settings["protocol"]]


def asked(study: Study, name: str, part: str) -> str:
    """Return what one part is to do: all that its numbers depend on but the data."""
    config, experiment = study.configs.experiments[name], experiment_of(study, name)
    return json.dumps(
        {
            "title": config["title"],
            "source": config["source"],
            "experiment": experiment,
            "dataset": study.dataset_of(experiment),
            "scale": study.scale,
            "seeds": study.seeds,
            "settings": settings_of(study, name, part),
            "variants": [
                {
                    "id": variant,
                    "model": study.model_of(experiment, variant),
                    "tasks": {
                        protocol: json.loads(study.task(experiment, variant, protocol))
                        for protocol in protocols_of(study, name, part)
                    },
                }
                for variant in variants_of(study, name, part)
            ],
        },
        sort_keys=True,
    )


def models_digest(study: Study, name: str, part: str) -> str:
    """Return a hash of the models that a part builds."""
    experiment = experiment_of(study, name)
    names = {study.model_of(experiment, v) for v in variants_of(study, name, part)}
    return study.digest(study.part("models", model) for model in sorted(names))


def problems(name: str, configs: Configs) -> Iterator[str]:
    """Yield a line for each thing that does not fit."""
    config, where = configs.experiments[name], f"config/experiments/{name}.yaml"
    trained = {n: configs.experiments[n] for n in configs.of_kind("training")}
    if config["experiment"] not in trained:
        yield _one_of(f"{where}: experiment", trained, config["experiment"])
        return
    experiment = trained[config["experiment"]]
    for scale, changed in config["scales"].items():
        for part in PARTS:
            settings = {**config[part], **changed.get(part, {})}
            key = f"{where}: {part} (scale {scale})"
            for pattern in settings.get("variants", [settings.get("variant")]):
                if not any(_matches(v, [pattern]) for v in experiment["variants"]):
                    yield _one_of(f"{key}: variant", experiment["variants"], pattern)
            for protocol in settings.get("protocols", [settings.get("protocol")]):
                if protocol not in experiment["protocols"]:
                    yield _one_of(f"{key}: protocol", experiment["protocols"], protocol)
                    continue
                most = configs.protocols[protocol]["folds"][scale]
                if settings.get("folds", 1) > most:
                    yield (
                        f"{key}: folds: expected at most the {most} of {protocol}, "
                        f"received {settings['folds']}"
                    )
    raised, ranges = config["w2"]["raised"], config["w2"]["ranges"]
    if raised not in ranges:
        yield _one_of(f"{where}: w2.raised", ranges, raised)


def _matches(variant: str, patterns: Iterable[str]) -> bool:
    """Return whether a variant is meant by one of the patterns such as depth2-*."""
    return any(fnmatch.fnmatchcase(variant, pattern) for pattern in patterns)


def _one_of(where: str, known: Iterable[str], name: str) -> str:
    known = list(known)
    return (
        f"{where}: expected one of {', '.join(known)}, received {name!r}"
        f"{nearest(name, known)}"
    )


KIND = Kind(
    problems, lambda study, name: results(study, experiment_of(study, name)),
    looks_into=True,
)  # fmt: skip
