"""Questions to several experiments at once: what comparisons and claims ask for."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import nearest
from scripts.lib.score.claims import ANY

if TYPE_CHECKING:
    from scripts.lib.study.study import Study


def compared(study: Study, name: str) -> list[str]:
    """Return the trained experiments that a comparison's patterns name."""
    patterns = _patterns(study.configs.comparisons[name])
    named = {pattern.partition("/")[0] for pattern in patterns}
    return [experiment for experiment in study.trained if experiment in named]


def honest_protocols(study: Study, experiment: str) -> list[str]:
    """Return the protocols at the scale that neither leak nor shuffle labels."""
    return [
        name
        for name in study.protocols_of(experiment)
        if not study.protocols[name]["leaks"]
        and study.protocols[name]["labels"] is True
    ]


def comparison_json(study: Study, name: str) -> str:
    """Return all that a comparison must know, as JSON."""
    experiments = [_compared(study, experiment) for experiment in compared(study, name)]
    asked = {**study.configs.comparisons[name], "experiments": experiments}
    return json.dumps(asked, sort_keys=True)


def _compared(study: Study, experiment: str) -> dict[str, Any]:
    """Return what a comparison must know of one experiment."""
    return {
        "experiment": experiment,
        "dataset": study.dataset_of(experiment),
        "scale": study.scale,
        "seeds": study.seeds,
        "protocols": [
            {
                "id": protocol,
                "k": study.folds_of(protocol),
                "scored_like": study.scored_like(protocol),
                "reported": study.protocols[protocol]["reported"],
            }
            for protocol in honest_protocols(study, experiment)
        ],
        "variants": [
            {"id": name, **{k: variant[k] for k in ("target", "task", "augmentation")}}
            for name, variant in study.experiments[experiment]["variants"].items()
            if not study.why_not(experiment, name)
        ],
    }


def measured_by_baselines(comparison: Mapping[str, Any], experiment: str) -> bool:
    """Return whether an experiment is compared with the trivial baselines."""
    return any(
        pattern.partition("/")[0] == experiment
        for sides in comparison["pairs"].values()
        if "baselines" in sides
        for pattern in sides["a"]
    )


def tables_of(claims: Mapping[str, Any]) -> list[str]:
    """Return the tables that claims are decided by, sorted."""
    tests = [test for _, test in all_tests(claims)]
    others = [test["against"] for test in tests if "against" in test]
    return sorted({t["table"] for t in (*tests, *others) if "table" in t})


def all_tests(claims: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (claim.view, test) of all tests of a claims file."""
    for name, claim in claims["claims"].items():
        for view, tests in claim.get("tests", {}).items():
            for test in [tests] if isinstance(tests, Mapping) else tests:
                yield f"{name}.tests.{view}", test


def comparison_problems(
    name: str, comparison: Mapping[str, Any], experiments: Mapping[str, Mapping]
) -> Iterator[str]:
    """Yield a line for each pattern of a comparison that fits no variant."""
    known = [
        f"{experiment}/{variant}"
        for experiment, config in experiments.items()
        for variant in config.get("variants", ())
    ]
    for pattern in dict.fromkeys(_patterns(comparison)):
        if not fnmatch.filter(known, pattern):
            yield (
                f"config/comparisons/{name}.yaml: pairs: {pattern!r} fits no "
                f"EXPERIMENT/VARIANT{nearest(pattern, known)}"
            )


def claims_problems(name: str, claims: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each view that is not known, and each value that cannot fit."""
    views = [ANY, *claims["views"]]
    for where, test in all_tests(claims):
        place, view = f"config/claims/{name}.yaml: claims.{where}", where.split(".")[-1]
        if view not in views:
            yield (
                f"{place}: expected one of {', '.join(views)}, received "
                f"{view!r}{nearest(view, views)}"
            )
        if (test["relation"] == "between") != isinstance(test["value"], list):
            yield (
                f"{place}: value: expected {_value_of(test['relation'])} for the "
                f"relation {test['relation']!r}, received {test['value']!r}"
            )
        if isinstance(test["value"], str):
            numeric = test.get("over") in ("least", "greatest", "spread")
            numeric |= bool({"against", "tolerance"} & set(test))
            if numeric or test["relation"] not in ("=", "!="):
                yield (
                    f"{place}: value: expected a number, which its other settings "
                    f"need, received {test['value']!r}"
                )


def _value_of(relation: str) -> str:
    return "two numbers" if relation == "between" else "one value"


def _patterns(comparison: Mapping[str, Any]) -> Iterator[str]:
    for sides in comparison["pairs"].values():
        yield from sides["a"]
        yield from sides.get("b", ())
