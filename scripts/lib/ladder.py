"""The kind `ladder`: rungs, each a network and a recipe that differ little from others.

A rung is an experiment file of its own. All rungs of a `group` share data and protocol,
and stand in one table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine import losses, optimizers, schedules, spec
from engine.augment import pipeline
from engine.errors import SpecError, nearest
from engine.options import fill

if TYPE_CHECKING:
    from scripts.lib.config import Configs
    from scripts.lib.study import Study

# A rung has no variants; its runs lie where those of a variant of this name would.
VARIANT = "rung"
_ALIKE = ("datasets", "protocols", "target", "loss", "group")


def rungs(study: Study, group: str) -> list[str]:
    """Return the experiments of a ladder that are to be run, by their rungs."""
    found = [
        name
        for name, config in study.experiments.items()
        if config["kind"] == "ladder" and config["group"] == group
    ]
    return sorted(found, key=lambda name: study.experiments[name]["rung"])


def groups(study: Study, experiments: Iterable[str] | None = None) -> list[str]:
    """Return the ladders of some experiments, by default of all that are chosen."""
    names = study.experiments if experiments is None else experiments
    chosen = [study.experiments[name] for name in names]
    ladders = [config for config in chosen if config["kind"] == "ladder"]
    return list(dict.fromkeys(config["group"] for config in ladders))


def trained_as(study: Study, name: str) -> str:
    """Return the rung whose training a rung's numbers are of: mostly its own."""
    return study.experiments[name].get("trained_as", name)


def trained(study: Study, group: str) -> list[str]:
    """Return the rungs that are trained, each once."""
    return list(dict.fromkeys(trained_as(study, name) for name in rungs(study, group)))


def followed(study: Study, name: str) -> list[str]:
    """Return the rungs that a rung is compared with, image by image.

    Instead of one that is not run those that it follows itself.
    """
    found: list[str] = []
    for other in study.configs.experiments[name]["follows"]:
        found += [other] if other in study.experiments else followed(study, other)
    return list(dict.fromkeys(found))


def dataset_of(study: Study, name: str) -> str:
    """Return the data set of a rung; one that is only trained shares the ladder's."""
    group = study.configs.experiments[name]["group"]
    return study.dataset_of(rungs(study, group)[0])


def protocol_of(study: Study, group: str) -> str:
    """Return the one protocol of a ladder."""
    return study.experiments[rungs(study, group)[0]]["protocols"][0]


def recipe(config: Mapping[str, Any], scale: str) -> dict[str, Any]:
    """Return how a rung is trained at a scale.

    A cosine schedule without a length goes over all passes.
    """
    merged = {**config["recipe"], **config["scales"][scale].get("recipe", {})}
    schedule = merged.get("schedule")
    if isinstance(schedule, Mapping) and "cosine" in schedule:
        settings = schedule["cosine"] or {}
        if not {"passes", "steps"} & set(settings):
            full = {"passes": merged["passes"], **settings}
            merged["schedule"] = {"cosine": full}
    return merged


def task(study: Study, name: str) -> str:
    """Return what one training is to do, as JSON."""
    config = study.configs.experiments[name]
    (protocol,) = config["protocols"]
    return json.dumps(
        {
            "experiment": name,
            "variant": VARIANT,
            "protocol": {
                "id": protocol,
                **{
                    key: study.protocols[protocol][key]
                    for key in ("labels", "unit", "weights")
                },
            },
            "recipe": recipe(config, study.scale),
            "options": config.get("options", {}),
            "target": config["target"],
            "task": "classification",
            "loss": config["loss"],
        },
        sort_keys=True,
    )


def ladder_json(study: Study, group: str) -> str:
    """Return all that tables and figures must know of a ladder, as JSON."""
    names = rungs(study, group)
    return json.dumps(
        {
            "group": group,
            "source": study.experiments[names[0]]["source"],
            "variant": VARIANT,
            "protocol": protocol_of(study, group),
            "scale": study.scale,
            "seeds": study.seeds,
            "rungs": [
                {
                    "id": name,
                    "trained_as": trained_as(study, name),
                    "recipe": recipe(study.experiments[name], study.scale),
                    "follows": followed(study, name),
                    **{
                        key: study.experiments[name][key]
                        for key in ("title", "label", "rung", "published")
                    },
                }
                for name in names
            ],
        },
        sort_keys=True,
    )


def problems(name: str, configs: Configs) -> Iterator[str]:
    """Yield what is wrong with a rung."""
    config, where = configs.experiments[name], f"config/experiments/{name}.yaml"
    ladder = {n: c for n, c in configs.experiments.items() if c["kind"] == "ladder"}
    for key, known in (
        ("datasets", configs.datasets),
        ("protocols", configs.protocols),
        ("model", configs.models),
        ("follows", ladder),
        ("trained_as", ladder),
    ):
        value = config.get(key, [])
        for one in [value] if isinstance(value, str) else value:
            if one not in known:
                yield (
                    f"{where}: {key}: expected one of {', '.join(known)}, received "
                    f"{one!r}{nearest(one, known)}"
                )
                return
    if len(config["protocols"]) != 1:
        yield f"{where}: protocols: expected one, received {config['protocols']}"
    for other, theirs in ladder.items():
        yield from _pair_problems(where, name, config, other, theirs)
    copy = config.get("trained_as")
    if copy and _training(config) != _training(ladder[copy]):
        yield (
            f"{where}: trained_as: {copy} has another model, options or recipe; "
            "expected the same, or no `trained_as`"
        )
    circle = _circle(name, ladder)
    if circle:
        yield (f"{where}: follows: expected no circle, received {' → '.join(circle)}")
    yield from _engine_problems(where, config, configs)


def _circle(name: str, ladder: Mapping[str, Mapping]) -> list[str]:
    """Return how a rung follows itself, if it does."""
    ways = [[name]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for other in ladder.get(way[-1], {}).get("follows", ()):
            if other == name:
                return [*way, other]
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])
    return []


def _pair_problems(
    where: str, name: str, config: Mapping, other: str, theirs: Mapping
) -> Iterator[str]:
    """Yield where two rungs of one ladder cannot stand in one table."""
    if theirs["group"] != config["group"] or other >= name:
        return
    if theirs["rung"] == config["rung"]:
        yield f"{where}: rung: {other} is on rung {config['rung']} already"
    for key in _ALIKE:
        if theirs[key] != config[key]:
            yield (
                f"{where}: {key}: expected {theirs[key]!r} as in {other}, the rungs of "
                f"one ladder being compared, received {config[key]!r}"
            )


def _training(config: Mapping[str, Any]) -> list[Any]:
    return [config.get(key) for key in ("model", "options", "recipe", "scales")]


def _engine_problems(where: str, config: Mapping, configs: Configs) -> Iterator[str]:
    """Yield what the engine says of network, loss and recipe at each scale."""
    model = configs.models[config["model"]]
    checks = [
        (f"{where}: options", lambda: fill(model, config.get("options"))),
        (where, lambda: spec.read_spec(fill(model, config.get("options")))),
        (where, lambda: losses.parse(config["loss"])),
    ]
    for scale in config["scales"]:
        settings = recipe(config, scale)
        place = f"{where}: recipe at the scale {scale}"
        missing = [
            key
            for key in ("optimizer", "batch_size", "passes", "tolerance")
            if key not in settings
        ]
        if missing:
            yield f"{place}: the key {missing[0]!r} is missing"
            continue
        checks += [
            (place, lambda s=settings: _parsed(s)),
            (place, lambda s=settings: pipeline.parse_steps(s.get("augment", []))),
        ]
    seen = set()
    for place, check in checks:
        try:
            check()
        except SpecError as error:
            if str(error) not in seen:
                yield f"{place}: {error}"
            seen.add(str(error))


def _parsed(settings: Mapping[str, Any]) -> None:
    optimizer = optimizers.parse(settings["optimizer"])
    rate = optimizer.settings["learning_rate"]
    schedules.parse(settings.get("schedule"), rate)
