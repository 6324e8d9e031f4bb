"""What is wrong with experiments that learn: data, variants, recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine import losses, optimizers, schedules, spec
from engine.augment import pipeline
from engine.errors import SpecError
from engine.options import fill
from scripts.lib.io import inheritance
from scripts.lib.study.kinds.kind import unknown

if TYPE_CHECKING:
    from scripts.lib.study.config import Configs

# What every variant must say, itself or by its levels of the grid.
_NEEDED = ("model", "target", "task", "loss", "published")


def learning_problems(name: str, configs: Configs) -> Iterator[str]:
    """Yield what is wrong with an experiment's data sets, protocols and variants."""
    config, where = configs.experiments[name], f"config/experiments/{name}.yaml"
    yield from unknown(config["datasets"], configs.datasets, where, "datasets")
    yield from unknown(config["protocols"], configs.protocols, where, "protocols")
    for variant in config["variants"]:
        yield from _variant_problems(where, config, variant, configs)


def _variant_problems(
    where: str, config: Mapping, variant: str, configs: Configs
) -> Iterator[str]:
    settings, key = config["variants"][variant], f"variants.{variant}"
    missing = [name for name in _NEEDED if name not in settings]
    if missing:
        yield f"{where}: {key}: the key {missing[0]!r} is missing"
        return
    yield from unknown([settings["model"]], configs.models, where, f"{key}.model")
    if settings["model"] in configs.models and "options" in settings:
        model = configs.models[settings["model"]]
        yield from model_problems(model, settings["options"], f"{where}: {key}")
    yield from _copies_problems(where, key, settings, config, configs)
    sets = [configs.datasets[d] for d in config["datasets"] if d in configs.datasets]
    recorded = dict.fromkeys(factor for d in sets for factor in d["factors"])
    yield from unknown(settings["target"], recorded, where, f"{key}.target")
    regression = settings["task"] == "regression"
    if regression and settings["target"] != ["age_months"]:
        yield (
            f"{where}: {key}.target: expected [age_months] for a regression, received "
            f"{settings['target']}"
        )
    yield from _engine_problems(losses.parse, settings["loss"], f"{where}: {key}")
    known = settings["loss"] in losses.LOSSES
    if known and regression and losses.parse(settings["loss"]).takes_classes():
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
    for scale in inheritance.SCALES:
        yield from _recipe_problems(where, config, variant, scale)


def _copies_problems(
    where: str, key: str, settings: Mapping, config: Mapping, configs: Configs
) -> Iterator[str]:
    """Yield where a protocol deals other rows than a variant's augmentation makes."""
    name = settings["augmentation"]
    if name is None:
        return
    yield from unknown([name], configs.augmentations, where, f"{key}.augmentation")
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

    A cosine schedule without a length goes over all passes.
    """
    merged = {
        **config["recipe"],
        **config["variants"][variant].get("recipe", {}),
        **config["scales"][scale].get("recipe", {}),
    }
    schedule = merged.get("schedule")
    if isinstance(schedule, Mapping) and "cosine" in schedule:
        settings = schedule["cosine"] or {}
        if not {"passes", "steps"} & set(settings) and "passes" in merged:
            over_all = {"passes": merged["passes"], **settings}
            merged["schedule"] = {"cosine": over_all}
    return merged


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
    place = f"{where}: variants.{variant}: recipe"
    if "optimizer" in recipe:
        yield from _engine_problems(_parsed, recipe, place)
    steps = recipe.get("augment", [])
    yield from _engine_problems(pipeline.parse_steps, steps, f"{place}.augment")


def _parsed(recipe: Mapping) -> None:
    """Read optimiser and schedule as the engine will."""
    optimizer = optimizers.parse(recipe["optimizer"])
    rate = optimizer.settings["learning_rate"]
    schedules.parse(recipe.get("schedule"), rate)


def _engine_problems(read: Callable, value: Any, where: str) -> Iterator[str]:
    """Yield what the engine says when it reads a part of the configuration."""
    try:
        read(value)
    except SpecError as error:
        yield f"{where}: {error}"


def model_problems(
    model: Mapping, options: Mapping[str, Any], where: str
) -> Iterator[str]:
    """Yield what is wrong with a model's options, and what the engine says of it."""
    try:
        filled = fill(model, options)
    except SpecError as error:
        yield f"{where}: {error}"
    else:
        yield from _engine_problems(spec.read_spec, filled, where)
