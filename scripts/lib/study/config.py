"""Reading and checking all of config/ before the first job.

Each file is checked against its schema in workflow/schemas/, models, losses and
optimisers by the engine that will build them, then the files against each other. Every
problem found is told at once, each with file and key, what was expected, what came, and
the nearest known name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import nearest
from scripts.lib.data import kinds as data_kinds
from scripts.lib.io import inheritance
from scripts.lib.io.schema import problems, read_yaml
from scripts.lib.study import claims_plan, kinds
from scripts.lib.study.kinds.kind import unknown
from scripts.lib.study.kinds.learning import model_problems

KINDS = (
    "datasets",
    "augmentations",
    "protocols",
    "models",
    "experiments",
    "comparisons",
    "claims",
    "studies",
)
# Of a folder of config/, its schema.
_SCHEMAS = {"studies": "study"}
SETTINGS = "config/config.yaml"
_ID = r"[A-Za-z0-9_-]+"
_DEFAULTS = {
    "studies": [],
    "experiments": None,
    "data_dir": None,
    "download": False,
    "dataset": "auto",
    "apart": [],
    "gpus_per_training": 0,
    "share_gpu": False,
}
# Beyond these a reader has seen enough.
_SHOWN = 20


class ConfigError(ValueError):
    """A configuration that cannot be run; the text names file and key."""


@dataclass(frozen=True)
class Configs:
    """All of config/: the settings, and the files of each kind by their ids."""

    settings: dict[str, Any]
    datasets: dict[str, dict]
    augmentations: dict[str, dict]
    protocols: dict[str, dict]
    models: dict[str, dict]
    experiments: dict[str, dict]
    comparisons: dict[str, dict]
    claims: dict[str, dict]
    studies: dict[str, dict]

    def of_kind(self, kind: str) -> list[str]:
        """Return the experiments of a kind, chosen or not."""
        return [n for n, e in self.experiments.items() if e["kind"] == kind]


def load_configs(
    base: Path, settings: Mapping[str, Any], given: Iterable[str] = ()
) -> Configs:
    """Return the checked configuration.

    base: the project's folder; settings: config/config.yaml with what the command line
    replaced; given: the keys that the command line gave, for the errors' texts.
    Raises: ConfigError with one line for each problem.
    """
    settings = {**_DEFAULTS, **_typed(settings, given)}
    schemas = base / "workflow" / "schemas"
    found = problems(settings, schemas / "config.schema.yaml", SETTINGS)
    files = {kind: _read_kind(base, kind, found) for kind in KINDS}
    configs = Configs(settings, **files)
    # What refers to other files is looked at only where all files are well formed.
    _raise(found, given)
    if settings["experiments"] is None:
        chosen = [files["studies"].get(name, {}) for name in settings["studies"]]
        settings["experiments"] = list(
            dict.fromkeys(e for study in chosen for e in study.get("experiments", ()))
        )
    for kind in KINDS:
        for config in files[kind].values():
            inheritance.complete_scales(kind, config)
    for experiment in configs.experiments.values():
        kinds.of(experiment).complete(experiment)
    _raise(list(_all_problems(configs)), given)
    return configs


def _typed(settings: Mapping[str, Any], given: Iterable[str]) -> dict[str, Any]:
    """Return the settings with those of the command line as they are meant.

    Snakemake takes `seeds=[0,1]` for a list of texts, `data_dir=2024` for a number, and
    `download=true` for a text.
    """
    typed = dict(settings)
    for key in {"seeds", "studies", "experiments", "apart"} & set(given):
        value = typed[key]
        entries = value if isinstance(value, list) else str(value).split(",")
        typed[key] = [_number(entry) if key == "seeds" else entry for entry in entries]
    if "data_dir" in given and isinstance(typed["data_dir"], int | float):
        typed["data_dir"] = str(typed["data_dir"])
    words = {"true": True, "false": False}
    for key in {"download", "share_gpu", "tune"} & set(given):
        typed[key] = words.get(str(typed[key]).lower(), typed[key])
    return typed


def _number(text: Any) -> Any:
    return int(text) if re.fullmatch(r"[-+]?\d+", str(text)) else text


def _read_kind(base: Path, kind: str, found: list[str]) -> dict[str, dict]:
    """Return the files of one kind by their ids; add to `found` what is wrong."""
    schema = (
        base
        / "workflow"
        / "schemas"
        / f"{_SCHEMAS.get(kind, kind.removesuffix('s'))}.schema.yaml"
    )
    folder = base / "config" / kind
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    raw: dict[str, Any] = {}
    files: dict[str, dict] = {}
    wrong: dict[str, list[str]] = {}

    def read(name: Any) -> Any:
        if name not in known:
            raise ValueError(
                f"extends: expected one of {', '.join(known)}, received "
                f"{name!r}{nearest(str(name), known)}"
            )
        if name not in raw:
            raw[name] = read_yaml(folder / f"{name}.yaml", f"config/{kind}/{name}.yaml")
        return raw[name]

    for name in known:
        try:
            files[name] = inheritance.extended(name, read)
        except ValueError as error:
            wrong[name] = [str(error)]
        else:
            wrong[name] = problems(files[name], schema, "")
    for name, lines in wrong.items():
        where = f"config/{kind}/{name}.yaml"
        if not re.fullmatch(_ID, name):
            found.append(
                f"{where}: expected a file name of letters, digits, _ and -, received "
                f"{name!r}; the name is the id by which other files call it"
            )
        # What a file has from the one it extends is told of that one.
        above = raw[name].get("extends") if isinstance(raw.get(name), Mapping) else None
        for line in lines:
            if not isinstance(above, str) or line not in wrong.get(above, ()):
                text = line.removeprefix(": ")
                named = text.startswith("config/")
                found.append(text if named else f"{where}: {text}")
    return files


def _raise(found: list[str], given: Iterable[str]) -> None:
    if not found:
        return
    for key in given:
        found = [
            line.replace(f"{SETTINGS}: {key}", f"--config {key}", 1)
            if re.match(rf"{re.escape(SETTINGS)}: {re.escape(key)}\b", line)
            else line.replace(
                f"{SETTINGS}: unknown key {key!r}", f"--config: unknown key {key!r}", 1
            )
            for line in found
        ]
    more = len(found) - _SHOWN
    if more > 0:
        found = [*found[:_SHOWN], f"and {more} more"]
    raise ConfigError("\n".join(found))


def _all_problems(configs: Configs) -> Iterator[str]:
    settings = configs.settings
    names = [("studies", name, configs.studies) for name in settings["studies"]]
    names += [
        ("experiments", name, configs.experiments) for name in settings["experiments"]
    ]
    if settings["dataset"] != "auto":
        names.append(("dataset", settings["dataset"], ["auto", *configs.datasets]))
    separate = {
        experiment.get("group", name)
        for name, experiment in configs.experiments.items()
        if kinds.of(experiment).apart
    }
    names += [("apart", name, separate) for name in settings["apart"]]
    for key, name, known in names:
        yield from unknown([name], known, SETTINGS, key)
    for name, study in configs.studies.items():
        for key in ("experiments", "comparisons", "claims"):
            where = f"config/studies/{name}.yaml"
            yield from unknown(study.get(key, ()), getattr(configs, key), where, key)
    for name in configs.datasets:
        yield from _dataset_problems(name, configs)
    for name in configs.protocols:
        yield from _protocol_problems(name, configs)
    for name, model in configs.models.items():
        yield from model_problems(model, {}, f"config/models/{name}.yaml")
    for name, experiment in configs.experiments.items():
        kind = kinds.of(experiment)
        yield from kind.problems(name, configs)
        if kind.looks_into and name in settings["experiments"]:
            yield (
                f"{SETTINGS}: experiments: {name} looks into "
                f"{experiment['experiment']} and is made with it; name that instead"
            )
    for name, comparison in configs.comparisons.items():
        yield from claims_plan.comparison_problems(
            name, comparison, configs.experiments
        )
    for name, claims in configs.claims.items():
        yield from claims_plan.claims_problems(name, claims)


def _dataset_problems(name: str, configs: Configs) -> Iterator[str]:
    config, where = configs.datasets[name], f"config/datasets/{name}.yaml"
    for key in {"stratify", "coarser"} & set(config):
        yield from unknown([config[key]], config["factors"], where, key)
    if "stand_in" in config:
        generated = [
            n for n, c in configs.datasets.items() if data_kinds.of(c).generated
        ]
        yield from unknown([config["stand_in"]], generated, where, "stand_in")
    for told in data_kinds.of(config).problems(config):
        yield f"{where}: {told}"


def _protocol_problems(name: str, configs: Configs) -> Iterator[str]:
    config, where = configs.protocols[name], f"config/protocols/{name}.yaml"
    wanted, unit = config["augmentation"], config["unit"]
    if wanted is not None:
        yield from unknown([wanted], configs.augmentations, where, "augmentation")
    if (unit == "row") != (wanted is not None):
        expected = "the one whose copies are dealt" if unit == "row" else "null"
        yield (
            f"{where}: augmentation: expected {expected} for the unit {unit!r}, "
            f"received {wanted!r}"
        )
    if unit != "official" and config["leaks"] != (unit == "row"):
        yield (
            f"{where}: leaks: expected {str(unit == 'row').lower()} for the unit "
            f"{unit!r} (copies of one drawing stand on two sides only if rows are "
            f"dealt), received {str(config['leaks']).lower()}"
        )
