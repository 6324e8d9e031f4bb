"""Questions to several experiments at once: checking comparisons and claims."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.errors import nearest
from scripts.lib.claims import ANY


def experiments_of(comparison: Mapping[str, Any], trained: Iterable[str]) -> list[str]:
    """Return those of the trained experiments that a comparison's patterns name."""
    named = {pattern.partition("/")[0] for pattern in _patterns(comparison)}
    return [name for name in trained if name in named]


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
    return sorted({test["table"] for _, test in all_tests(claims)})


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
        if config["kind"] == "training"
        for variant in config["variants"]
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
