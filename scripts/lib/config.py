"""Reading and checking all of config/ before the first job.

Each file is checked against its schema in workflow/schemas/, then the files against each
other. An error names file and key, what was expected, what came, and the nearest known
name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from engine.errors import nearest

KINDS = ("datasets", "augmentations", "protocols", "models", "experiments")
_SCALES = ("smoke", "demo", "paper")
_DEFAULTS = {"data_dir": None, "download": False, "dataset": "auto"}


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


def load_configs(base: Path, settings: Mapping[str, Any]) -> Configs:
    """Return the checked configuration.

    base: the project's folder; settings: config/config.yaml with what the command line
    replaced.  Raises: ConfigError.
    """
    schemas = base / "workflow" / "schemas"
    settings = {**_DEFAULTS, **settings}
    _validate(settings, schemas / "config.schema.yaml", "config/config.yaml")
    read = {kind: _read_kind(base, kind, schemas) for kind in KINDS}
    configs = Configs(settings, **read)
    _known(
        settings["experiments"],
        configs.experiments,
        "config/config.yaml",
        "experiments",
    )
    if settings["dataset"] != "auto":
        _known([settings["dataset"]], configs.datasets, "config/config.yaml", "dataset")
    for name in configs.datasets:
        _check_dataset(name, configs)
    for name in configs.protocols:
        _check_protocol(name, configs)
    for name, experiment in configs.experiments.items():
        if experiment["kind"] == "training":
            _check_experiment(name, experiment, configs)
    return configs


def _read_kind(base: Path, kind: str, schemas: Path) -> dict[str, dict]:
    schema = schemas / f"{kind.removesuffix('s')}.schema.yaml"
    found = {}
    for path in sorted((base / "config" / kind).glob("*.yaml")):
        where = path.relative_to(base).as_posix()
        found[path.stem] = _read_yaml(path, where)
        _validate(found[path.stem], schema, where)
    return found


def _read_yaml(path: Path, where: str) -> Any:
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: expected YAML: {error}") from None


def _validate(value: Any, schema_path: Path, where: str) -> None:
    """Raise ConfigError for the first thing that the schema refuses."""
    schema = _read_yaml(schema_path, schema_path.name)
    validator = jsonschema.Draft202012Validator(schema)
    errors = sorted(validator.iter_errors(value), key=lambda e: list(map(str, e.path)))
    if errors:
        error = _deepest(errors[0])
        key = ".".join(map(str, error.absolute_path))
        raise ConfigError(f"{where}: {f'{key}: ' if key else ''}{_explain(error)}")


def _deepest(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    """Of a choice of schemas, take the complaint that lies deepest in the value."""
    while error.context:
        error = max(error.context, key=lambda e: len(e.absolute_path))
    return error


def _explain(error: jsonschema.ValidationError) -> str:
    """Return what was expected and what came, in words."""
    rule, wanted, value = error.validator, error.validator_value, error.instance
    if rule == "additionalProperties" and isinstance(value, Mapping):
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in value if key not in known]
        return (
            f"unknown key {unknown[0]!r}{nearest(unknown[0], known)}; "
            f"known: {', '.join(known)}"
        )
    if rule == "required":
        missing = [key for key in wanted if key not in value]
        return f"the key {missing[0]!r} is missing"
    if rule == "enum":
        listed = ", ".join(str(w).lower() if w is True else str(w) for w in wanted)
        return f"expected one of {listed}, received {value!r}{nearest(value, map(str, wanted))}"
    texts = {
        "type": f"a value of type {wanted}",
        "minimum": f"a number of at least {wanted}",
        "maximum": f"a number of at most {wanted}",
        "exclusiveMinimum": f"a number above {wanted}",
        "exclusiveMaximum": f"a number below {wanted}",
        "minItems": f"at least {wanted} entries",
        "maxItems": f"at most {wanted} entries",
        "minProperties": f"at least {wanted} keys",
        "maxProperties": f"at most {wanted} keys",
        "minLength": "a text that is not empty",
        "uniqueItems": "entries that differ from each other",
        "pattern": f"a text like {wanted}",
        "const": f"{wanted!r}",
    }
    return f"expected {texts.get(rule, error.message)}, received {value!r}"


def _known(names: Iterable[str], known: Mapping, where: str, key: str) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(
                f"{where}: {key}: unknown {name!r}{nearest(name, known)}; "
                f"known: {', '.join(known)}"
            )


def _check_dataset(name: str, configs: Configs) -> None:
    config, where = configs.datasets[name], f"config/datasets/{name}.yaml"
    _known([config["stratify"]], dict.fromkeys(config["factors"]), where, "stratify")
    if "stand_in" in config:
        _known([config["stand_in"]], configs.datasets, where, "stand_in")
        stand_in = configs.datasets[config["stand_in"]]
        if stand_in["kind"] != "embedded":
            raise ConfigError(
                f"{where}: stand_in: expected an embedded data set, received "
                f"{config['stand_in']!r} of kind {stand_in['kind']!r}"
            )
    if config["kind"] == "embedded":
        drawings, children = (config["embedded"][k] for k in ("drawings", "children"))
        if not children <= drawings <= 3 * children:
            raise ConfigError(
                f"{where}: embedded.drawings: expected {children} ... {3 * children} "
                f"for {children} children, received {drawings}"
            )


def _check_protocol(name: str, configs: Configs) -> None:
    config, where = configs.protocols[name], f"config/protocols/{name}.yaml"
    if config["augmentation"] is not None:
        _known([config["augmentation"]], configs.augmentations, where, "augmentation")
    if (config["unit"] == "row") != (config["augmentation"] is not None):
        raise ConfigError(
            f"{where}: augmentation: expected one if and only if the unit is row, "
            f"received {config['augmentation']!r} with the unit {config['unit']!r}"
        )
    if config["leaks"] != (config["unit"] == "row"):
        raise ConfigError(
            f"{where}: leaks: expected {config['unit'] == 'row'} for the unit "
            f"{config['unit']!r} (copies of one drawing stand on two sides only if rows "
            f"are dealt), received {config['leaks']}"
        )


def _check_experiment(name: str, config: Mapping, configs: Configs) -> None:
    where = f"config/experiments/{name}.yaml"
    _known(config["datasets"], configs.datasets, where, "datasets")
    _known([config["augmentation"]], configs.augmentations, where, "augmentation")
    _known(config["protocols"], configs.protocols, where, "protocols")
    for protocol in config["protocols"]:
        wanted = configs.protocols[protocol]["augmentation"]
        if wanted not in (None, config["augmentation"]):
            raise ConfigError(
                f"{where}: protocols: {protocol} deals the copies of {wanted!r}, but the "
                f"experiment's augmentation is {config['augmentation']!r}"
            )
    recorded = {f for d in config["datasets"] for f in configs.datasets[d]["factors"]}
    for variant, settings in config["variants"].items():
        key = f"variants.{variant}"
        _known([settings["model"]], configs.models, where, f"{key}.model")
        _known(
            settings["target"], dict.fromkeys(sorted(recorded)), where, f"{key}.target"
        )
        if settings["task"] == "regression" and settings["target"] != ["age_months"]:
            raise ConfigError(
                f"{where}: {key}.target: expected [age_months] for a regression, "
                f"received {settings['target']}"
            )
        for scale in _SCALES:
            recipe = {
                **config["recipe"],
                **config["scales"][scale].get("recipe", {}),
                **settings.get("recipe", {}),
            }
            needed = ["optimizer", "batch_size", "passes", "tolerance"]
            needed += ["target_scale"] if settings["task"] == "regression" else []
            for setting in needed:
                if setting not in recipe:
                    raise ConfigError(
                        f"{where}: {key}: the recipe has no {setting!r} at scale {scale}"
                    )
