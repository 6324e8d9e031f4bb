"""The kind `ladder`: rungs, each a network and a recipe that differ little from others.

A rung is an experiment file of its own. All rungs of a `group` share data and protocol,
and stand in one table.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from scripts.lib.study.kinds.kind import Kind, unknown
from scripts.lib.study.kinds.learning import learning_problems

if TYPE_CHECKING:
    from scripts.lib.study.config import Configs
    from scripts.lib.study.study import Study

# A rung has no variants; its runs lie where those of a variant of this name would.
VARIANT = "rung"
_ALIKE = ("datasets", "protocols", "target")


FIGURES = ("curves", "accuracy", "confusion")


def complete(config: dict[str, Any]) -> None:
    """Let a rung be its one variant."""
    settings = {key: config[key] for key in ("model", "target", "loss")}
    config["variants"] = {
        VARIANT: {
            **settings,
            "options": config.get("options", {}),
            "task": "classification",
            "published": None,
            "augmentation": None,
        }
    }


def results(study: Study, name: str) -> list[str]:
    """Return tables and figures of a rung's ladder."""
    group = study.experiments[name]["group"]
    figures = [f"{group}-{figure}" for figure in FIGURES]
    if records(study, group, "gradients"):
        figures.append(f"{group}-gradients")
    return [
        f"results/tables/{group}.csv",
        f"results/tables/{group}_pairs.csv",
        *(f"results/figures/{figure}.png" for figure in figures),
        f"results/figures/{sheet(study, group)}-near-duplicates.png",
    ]


def sheet(study: Study, group: str) -> str:
    """Return what the near-duplicates of a ladder's split are called.

    By its data set, and by its protocol where that is not the plain `official`.
    """
    dataset = study.dataset_of(rungs(study, group)[0])
    protocol = protocol_of(study, group)
    plain = protocol == study.protocols[protocol]["unit"]
    return dataset if plain else f"{dataset}-{protocol}"


def sheets(study: Study) -> dict[str, str]:
    """Return {what near-duplicates are called: a ladder with that split}."""
    return {sheet(study, group): group for group in groups(study)}


def records(study: Study, group: str, name: str) -> bool:
    """Return whether all rungs that are trained record something."""
    return all(name in study.learned[n]["record"] for n in trained(study, group))


def rungs(study: Study, group: str) -> list[str]:
    """Return the experiments of a ladder that are to be run, by their rungs."""
    ladders = study.of_kind("ladder")
    found = [name for name in ladders if study.experiments[name]["group"] == group]
    return sorted(found, key=lambda name: study.experiments[name]["rung"])


def groups(study: Study, experiments: Iterable[str] | None = None) -> list[str]:
    """Return the ladders of some experiments, by default of all that are chosen."""
    names = study.experiments if experiments is None else experiments
    ladders = [name for name in study.of_kind("ladder") if name in names]
    return list(dict.fromkeys(study.experiments[n]["group"] for n in ladders))


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


def protocol_of(study: Study, group: str) -> str:
    """Return the one protocol of a ladder."""
    return study.experiments[rungs(study, group)[0]]["protocols"][0]


def ladder_json(study: Study, group: str) -> str:
    """Return all that tables and figures must know of a ladder, as JSON."""
    names = rungs(study, group)
    return json.dumps(
        {
            "group": group,
            "document": study.document_of(names[0]),
            "samples": study.nouns_of(names[0])["samples"],
            "target": study.variant(names[0], VARIANT)["target"],
            "coarser": study.datasets[study.dataset_of(names[0])].get("coarser"),
            "source": study.experiments[names[0]]["source"],
            "variant": VARIANT,
            "protocol": protocol_of(study, group),
            "scale": study.scale,
            "seeds": study.seeds,
            "rungs": [
                {
                    "id": name,
                    "trained_as": trained_as(study, name),
                    "recipe": study.recipe(name, VARIANT),
                    "follows": followed(study, name),
                    **{
                        key: study.experiments[name][key]
                        for key in ("title", "label", "rung", "published", "record")
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
    ladder = {n: configs.experiments[n] for n in configs.of_kind("ladder")}
    wrong = list(unknown(config["follows"], ladder, where, "follows"))
    copy = config.get("trained_as")
    if copy:
        wrong += unknown([copy], ladder, where, "trained_as")
    if wrong:
        yield from wrong
        return
    yield from learning_problems(name, configs)
    if len(config["protocols"]) != 1:
        yield f"{where}: protocols: expected one, received {config['protocols']}"
    if config["group"] in configs.experiments:
        told = "expected the id of no experiment, whose tables it would overwrite"
        yield f"{where}: group: {told}, received {config['group']!r}"
    if "training_score" not in config["record"]:
        yield f"{where}: record: expected training_score, which a ladder's table shows"
    for protocol in config["protocols"]:
        unit = configs.protocols.get(protocol, {}).get("unit", "official")
        if unit != "official":
            yield (
                f"{where}: protocols: expected one of the unit official, {protocol} "
                f"has {unit}"
            )
    for other, theirs in ladder.items():
        yield from _pair_problems(where, name, config, other, theirs)
    if copy and _training(config) != _training(ladder[copy]):
        yield (
            f"{where}: trained_as: {copy} has another model, options or recipe; "
            "expected the same, or no `trained_as`"
        )
    circle = _circle(name, ladder)
    if circle:
        yield (f"{where}: follows: expected no circle, received {' → '.join(circle)}")


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


KIND = Kind(
    problems, results, complete, table=lambda name, config: config["group"], apart=True
)
