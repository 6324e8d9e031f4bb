"""Reading and checking all of config/ before the first job.

Each file is checked against its schema in workflow/schemas/, models, losses and
optimisers by the engine that will build them, then the files against each other. Every
problem found is told at once, each with file and key, what was expected, what came, and
the nearest known name.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import losses, optimizers, spec
from engine.errors import SpecError, nearest
from engine.options import fill
from scripts.lib import datasets, ladder, overlays, questions, showing
from scripts.lib.convolutions import checked as convolutions
from scripts.lib.diagnosis import checked
from scripts.lib.schema import problems, read_yaml

KINDS = (
    "datasets",
    "augmentations",
    "protocols",
    "models",
    "experiments",
    "comparisons",
    "claims",
)
SETTINGS = "config/config.yaml"
_ID = r"[A-Za-z0-9_-]+"
# What every variant must say, itself or by its levels of the grid.
_NEEDED = ("model", "target", "task", "loss", "published")
_DEFAULTS = {
    "data_dir": None,
    "download": False,
    "dataset": "auto",
    "apart": [],
    "gpus_per_training": 0,
    "share_gpu": False,
}
# Kinds of which a group may stand apart; the others share tables and figures.
_APART = ("ladder", "convolutions")
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
    for kind in KINDS:
        for config in files[kind].values():
            overlays.complete_scales(kind, config)
    for experiment in configs.experiments.values():
        if experiment["kind"] == "training":
            experiment["variants"] = {
                name: {"augmentation": experiment["augmentation"], **variant}
                for name, variant in overlays.variants(experiment).items()
            }
    _raise(list(_all_problems(configs)), given)
    return configs


def _typed(settings: Mapping[str, Any], given: Iterable[str]) -> dict[str, Any]:
    """Return the settings with those of the command line as they are meant.

    Snakemake takes `seeds=[0,1]` for a list of texts, `data_dir=2024` for a number, and
    `download=true` for a text.
    """
    typed = dict(settings)
    for key in {"seeds", "experiments", "apart"} & set(given):
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
    schema = base / "workflow" / "schemas" / f"{kind.removesuffix('s')}.schema.yaml"
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
            files[name] = overlays.extended(name, read)
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
    names = [
        ("experiments", name, configs.experiments) for name in settings["experiments"]
    ]
    if settings["dataset"] != "auto":
        names.append(("dataset", settings["dataset"], ["auto", *configs.datasets]))
    separate = {
        experiment.get("group", name)
        for name, experiment in configs.experiments.items()
        if experiment["kind"] in _APART
    }
    names += [("apart", name, separate) for name in settings["apart"]]
    for key, name, known in names:
        yield from _unknown([name], known, SETTINGS, key)
    for name in configs.datasets:
        yield from _dataset_problems(name, configs)
    for name in configs.protocols:
        yield from _protocol_problems(name, configs)
    for name, model in configs.models.items():
        yield from _model_problems(model, {}, f"config/models/{name}.yaml")
    for name, experiment in configs.experiments.items():
        if experiment["kind"] == "training":
            yield from _experiment_problems(name, experiment, configs)
        elif experiment["kind"] == "ladder":
            yield from _stand_in_problems(name, experiment, configs)
            yield from ladder.problems(name, configs)
        elif experiment["kind"] == "diagnostics":
            where = f"config/experiments/{name}.yaml"
            known = configs.experiments, configs.protocols
            yield from checked.problems(where, experiment, *known)
            if name in settings["experiments"]:
                yield (
                    f"{SETTINGS}: experiments: {name} looks into "
                    f"{experiment['experiment']} and is made with it; name that instead"
                )
        elif experiment["kind"] == convolutions.KIND:
            where = f"config/experiments/{name}.yaml"
            yield from convolutions.problems(where, experiment)
        elif "model" in experiment:
            where = f"config/experiments/{name}.yaml"
            yield from _unknown([experiment["model"]], configs.models, where, "model")
    for name, comparison in configs.comparisons.items():
        yield from questions.comparison_problems(name, comparison, configs.experiments)
    for name, claims in configs.claims.items():
        yield from questions.claims_problems(name, claims)

    compared = [n for n, e in configs.experiments.items() if "keras_peer" in e]
    if len(compared) > 1:
        yield (
            f"config/experiments/{compared[1]}.yaml: keras_peer: expected in one "
            f"experiment alone, for there is one table; {compared[0]} has it, too"
        )


def _engine_problems(read: Callable, value: Any, where: str) -> Iterator[str]:
    """Yield what the engine says when it reads a part of the configuration."""
    try:
        read(value)
    except SpecError as error:
        yield f"{where}: {error}"


def _model_problems(
    model: Mapping, options: Mapping[str, Any], where: str
) -> Iterator[str]:
    """Yield what is wrong with a model's options, and what the engine says of it."""
    try:
        filled = fill(model, options)
    except SpecError as error:
        yield f"{where}: {error}"
    else:
        yield from _engine_problems(spec.read_spec, filled, where)


def _unknown(
    names: Iterable[str], known: Iterable[str], where: str, key: str
) -> Iterator[str]:
    known = list(known)
    for name in names:
        if name not in known:
            yield (
                f"{where}: {key}: expected one of {', '.join(known)}, received "
                f"{name!r}{nearest(name, known)}"
            )


def _dataset_problems(name: str, configs: Configs) -> Iterator[str]:
    config, where = configs.datasets[name], f"config/datasets/{name}.yaml"
    yield from _unknown([config["stratify"]], config["factors"], where, "stratify")
    if "stand_in" in config:
        kinds = {n: c["kind"] for n, c in configs.datasets.items()}
        generated = [n for n, kind in kinds.items() if kind in datasets.GENERATED]
        yield from _unknown([config["stand_in"]], generated, where, "stand_in")
    given = set(config.get("embedded", ()))
    needed = {"embedded": {"drawings", "children"}, "textures": {"train", "test"}}
    if config["kind"] in needed and not given >= needed[config["kind"]]:
        wanted = ", ".join(sorted(needed[config["kind"]]))
        yield f"{where}: embedded: expected {wanted} and seed, received {sorted(given)}"
    elif config["kind"] == "embedded":
        drawings, children = (config["embedded"][k] for k in ("drawings", "children"))
        if not children <= drawings <= 3 * children:
            yield (
                f"{where}: embedded.drawings: expected {children} ... {3 * children} "
                f"for {children} children, received {drawings}"
            )


def _protocol_problems(name: str, configs: Configs) -> Iterator[str]:
    config, where = configs.protocols[name], f"config/protocols/{name}.yaml"
    wanted, unit = config["augmentation"], config["unit"]
    if wanted is not None:
        yield from _unknown([wanted], configs.augmentations, where, "augmentation")
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


def _experiment_problems(name: str, config: Mapping, configs: Configs) -> Iterator[str]:
    where = f"config/experiments/{name}.yaml"
    yield from _unknown(config["datasets"], configs.datasets, where, "datasets")
    yield from _unknown(config["protocols"], configs.protocols, where, "protocols")
    yield from _stand_in_problems(name, config, configs)
    for variant in config["variants"]:
        yield from _variant_problems(where, config, variant, configs)
    yield from showing.problems(where, config)
    for key, names in config.get("keras_peer", {}).items():
        yield from _unknown(names, config[key], where, f"keras_peer.{key}")
    for scale in overlays.SCALES:
        run = config["scales"][scale].get("protocols", ())
        yield from _unknown(
            run, config["protocols"], where, f"scales.{scale}.protocols"
        )
        for pattern in config["scales"][scale].get("variants", ()):
            if not fnmatch.filter(config["variants"], pattern):
                yield (
                    f"{where}: scales.{scale}.variants: {pattern!r} fits none of "
                    f"{', '.join(config['variants'])}"
                )


def _stand_in_problems(name: str, config: Mapping, configs: Configs) -> Iterator[str]:
    first = configs.datasets.get(config["datasets"][0], {})
    if first and first["kind"] not in datasets.GENERATED and "stand_in" not in first:
        yield (
            f"config/experiments/{name}.yaml: datasets: {config['datasets'][0]} comes "
            "first, so its file must name a `stand_in` for runs without data"
        )


def _variant_problems(
    where: str, config: Mapping, variant: str, configs: Configs
) -> Iterator[str]:
    settings, key = config["variants"][variant], f"variants.{variant}"
    missing = [name for name in _NEEDED if name not in settings]
    if missing:
        yield f"{where}: {key}: the key {missing[0]!r} is missing"
        return
    yield from _unknown([settings["model"]], configs.models, where, f"{key}.model")
    if settings["model"] in configs.models and "options" in settings:
        model = configs.models[settings["model"]]
        yield from _model_problems(model, settings["options"], f"{where}: {key}")
    yield from _copies_problems(where, key, settings, config, configs)
    sets = [configs.datasets[d] for d in config["datasets"] if d in configs.datasets]
    recorded = dict.fromkeys(factor for d in sets for factor in d["factors"])
    yield from _unknown(settings["target"], recorded, where, f"{key}.target")
    regression = settings["task"] == "regression"
    if regression and settings["target"] != ["age_months"]:
        yield (
            f"{where}: {key}.target: expected [age_months] for a regression, received "
            f"{settings['target']}"
        )
    yield from _engine_problems(losses.parse, settings["loss"], f"{where}: {key}")
    known = settings["loss"] in losses.LOSSES
    if known and regression == losses.parse(settings["loss"]).takes_classes():
        yield (
            f"{where}: {key}.loss: expected a loss for a {settings['task']}, received "
            f"{settings['loss']!r}"
        )
    published, metric = settings["published"], "mape" if regression else "accuracy"
    if published is not None and published["metric"] != metric:
        yield (
            f"{where}: {key}.published.metric: expected {metric} for a "
            f"{settings['task']}, received {published['metric']!r}"
        )
    for scale in overlays.SCALES:
        yield from _recipe_problems(where, config, variant, scale)


def _copies_problems(
    where: str, key: str, settings: Mapping, config: Mapping, configs: Configs
) -> Iterator[str]:
    """Yield where a protocol deals other rows than a variant's augmentation makes."""
    name = settings["augmentation"]
    yield from _unknown([name], configs.augmentations, where, f"{key}.augmentation")
    made = configs.augmentations.get(name, {}).get("copies")
    for protocol in config["protocols"]:
        dealt = configs.protocols.get(protocol, {}).get("augmentation")
        copies = configs.augmentations.get(dealt, {}).get("copies")
        if made and copies and made != copies:
            yield (
                f"{where}: {key}: the protocol {protocol} deals the rows of {dealt!r}, "
                f"expected as many copies of each drawing from {name!r}: {copies}, "
                f"received {made}"
            )


def merged_recipe(config: Mapping, variant: str, scale: str) -> dict[str, Any]:
    """Return how a variant is trained: the experiment's recipe, then the variant's own,
    then the scale's, which says how much is done rather than what.
    """
    return {
        **config["recipe"],
        **config["variants"][variant].get("recipe", {}),
        **config["scales"][scale].get("recipe", {}),
    }


def _recipe_problems(
    where: str, config: Mapping, variant: str, scale: str
) -> Iterator[str]:
    recipe = merged_recipe(config, variant, scale)
    needed = ["optimizer", "batch_size", "passes", "tolerance"]
    if config["variants"][variant]["task"] == "regression":
        needed.append("target_scale")
    for setting in needed:
        if setting not in recipe:
            yield (
                f"{where}: variants.{variant}: the recipe has no {setting!r} at the "
                f"scale {scale}"
            )
    if "optimizer" in recipe:
        place = f"{where}: variants.{variant}: recipe"
        yield from _engine_problems(optimizers.parse, recipe["optimizer"], place)
