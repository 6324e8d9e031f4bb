"""Which figures an experiment has, and what each of them must know, as JSON."""

from __future__ import annotations

import fnmatch
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import nearest

if TYPE_CHECKING:
    from scripts.lib.study.study import Study

# With more variants than these the learning profiles stand on several sheets.
_MANY = 8


def files_of(study: Study, experiment: str) -> list[str]:
    """Return the figures of one experiment."""
    shown = _shown(study, experiment)
    names = [f"{experiment}-profiles{sheet}" for sheet in sheets_of(study, experiment)]
    names.append(f"{experiment}-augmentation")
    names += [f"{experiment}-{key}" for key in ("depths", "noise") if key in shown]
    if samples_of(study, experiment):
        names.append(f"{experiment}-samples")
    return [f"results/figures/{name}.png" for name in names]


def having(study: Study, key: str) -> list[str]:
    """Return the trained experiments with one kind of figure."""
    return [name for name in study.trained if key in _shown(study, name)]


def sheets_of(study: Study, experiment: str) -> dict[str, list[str]]:
    """Return {sheet: variants} of the learning profiles.

    A sheet for all that begin alike (`-depth2`), or one, called by the empty text.
    """
    run = list(dict.fromkeys(variant for variant, _ in study.runs_of(experiment)))
    if not profile_protocols(study, experiment):
        return {}
    if len(study.experiments[experiment]["variants"]) <= _MANY:
        return {"": run}
    found: dict[str, list[str]] = {}
    for variant in run:
        found.setdefault(f"-{variant.partition('-')[0]}", []).append(variant)
    return found


def profile_protocols(study: Study, experiment: str) -> list[str]:
    """Return the protocols whose learning profiles are drawn, by default all."""
    run = study.protocols_of(experiment)
    wanted = _shown(study, experiment).get("profiles", run)
    return [protocol for protocol in run if protocol in wanted]


def profiles_json(study: Study, experiment: str, sheet: str) -> str:
    """Return what a sheet of learning profiles must know."""
    return _json(
        {
            **_about(study, experiment),
            "protocols": _protocols(study, profile_protocols(study, experiment)),
            "variants": [
                {
                    "id": variant,
                    "task": study.variant(experiment, variant)["task"],
                    "passes": study.recipe(experiment, variant)["passes"],
                }
                for variant in sheets_of(study, experiment)[sheet]
            ],
        }
    )


def augmentation_json(study: Study, experiment: str) -> str:
    """Return what a sheet of drawings and copies must know."""
    name = study.experiments[experiment]["augmentation"]
    return _json({**_about(study, experiment), "augmentation": name})


def leak_json(study: Study) -> str:
    """Return what the figure of the leak must know of each experiment in it."""
    found = []
    for experiment in having(study, "leak"):
        shown, run = _shown(study, experiment)["leak"], study.protocols_of(experiment)
        protocols = [name for name in shown["protocols"] if name in run]
        found.append(
            {
                **_about(study, experiment),
                "variants": _fitting(study, experiment, shown["variants"]),
                "protocols": _protocols(study, protocols),
            }
        )
    return _json(found)


def depths_json(study: Study, experiment: str) -> str:
    """Return what a figure of scores over the levels of a factor must know.

    panels: {levels of the other factors: {level: variant}}.
    """
    config = study.experiments[experiment]
    factor, grid = _shown(study, experiment)["depths"], config["grid"]
    panels: dict[str, dict[str, str]] = {}
    for levels in itertools.product(*grid.values()):
        named = dict(zip(grid, levels, strict=True))
        level = named.pop(factor)
        panels.setdefault("-".join(named.values()), {})[level] = "-".join(levels)
    return _json(
        {
            **_about(study, experiment),
            "levels": list(grid[factor]),
            "panels": panels,
            "protocols": _protocols(study, study.protocols_of(experiment)),
        }
    )


def noise_json(study: Study, experiment: str) -> str:
    """Return what a map of noise must know: {variant: [level, portion]}."""
    found = {}
    for variant in _fitting(study, experiment, _shown(study, experiment)["noise"]):
        name = study.variant(experiment, variant)["augmentation"]
        for step in study.augmentations[name]["steps"]:
            if "noise" in step:
                found[variant] = [step["noise"]["level"], step["noise"]["portion"]]
    return _json({**_about(study, experiment), "noise": found})


def samples_of(study: Study, experiment: str) -> tuple[str, str] | None:
    """Return the variant and protocol whose drawings are shown, if they are run."""
    shown = _shown(study, experiment).get("samples")
    run = (shown["variant"], shown["protocol"]) if shown else None
    return run if run in study.runs_of(experiment) else None


def samples_json(study: Study, experiment: str) -> str:
    """Return what a sheet of drawings and ages must know."""
    variant, protocol = samples_of(study, experiment) or ("", "")
    folds = study.folds_of(protocol)
    about = _about(study, experiment)
    return _json({**about, "variant": variant, "protocol": protocol, "k": folds})


def problems(where: str, config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each name in an experiment's `figures` that it does not have."""
    shown, variants = config.get("figures", {}), config["variants"]
    protocols, grid = config["protocols"], config.get("grid", {})
    leak, samples = shown.get("leak", {}), shown.get("samples", {})
    for key, names, known in (
        ("leak.protocols", leak.get("protocols", ()), protocols),
        ("profiles", shown.get("profiles", ()), protocols),
        ("samples.protocol", filter(None, [samples.get("protocol")]), protocols),
        ("samples.variant", filter(None, [samples.get("variant")]), variants),
        ("depths", filter(None, [shown.get("depths")]), grid),
    ):
        for name in names:
            if name not in known:
                yield (
                    f"{where}: figures.{key}: expected one of {', '.join(known)}, "
                    f"received {name!r}{nearest(name, list(known))}"
                )
    for key, patterns in (
        ("leak.variants", leak.get("variants", ())),
        ("noise", shown.get("noise", ())),
    ):
        for pattern in patterns:
            if not fnmatch.filter(variants, pattern):
                yield f"{where}: figures.{key}: {pattern!r} fits none of its variants"
    if samples and variants.get(samples["variant"], {}).get("task") == "classification":
        yield (
            f"{where}: figures.samples.variant: expected a regression, whose ages can "
            f"be shown, received {samples['variant']!r}"
        )


def _shown(study: Study, experiment: str) -> Mapping[str, Any]:
    return study.configs.experiments[experiment].get("figures", {})


def _fitting(study: Study, experiment: str, patterns: list[str]) -> list[str]:
    return [
        variant
        for variant in study.experiments[experiment]["variants"]
        if any(fnmatch.fnmatchcase(variant, pattern) for pattern in patterns)
    ]


def _about(study: Study, experiment: str) -> dict[str, Any]:
    return {
        "experiment": experiment,
        "title": study.experiments[experiment]["title"],
        "scale": study.scale,
        "seeds": study.seeds,
    }


def _protocols(study: Study, names: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "id": name,
            "k": study.folds_of(name),
            **{key: study.protocols[name][key] for key in ("leaks", "labels")},
        }
        for name in names
    ]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
