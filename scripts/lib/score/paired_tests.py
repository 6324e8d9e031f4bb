"""Two models on the same folds: which pairs there are, and what tells them apart."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.lib.score import intervals

LEVEL = 0.05
NO_DIFFERENCE = "no difference shown"
NOT_TESTED = "not tested"
# Points; scores are kept to nine decimals.
_SAME = 1e-6


@dataclass(frozen=True)
class Model:
    """A trained variant, or with `baseline` what it is measured by, on one target.

    experiment, variant: as `questions.comparison_json` gives them.
    """

    experiment: Mapping[str, Any]
    variant: Mapping[str, Any]
    protocol: Mapping[str, Any]
    baseline: str | None = None

    @property
    def name(self) -> str:
        """Its name in a table: EXPERIMENT/VARIANT, or that of the trivial baseline."""
        return self.baseline or self.path

    @property
    def path(self) -> str:
        """EXPERIMENT/VARIANT."""
        return f"{self.experiment['experiment']}/{self.variant['id']}"

    @property
    def told(self) -> tuple[str, str, str, str]:
        """Two models can be compared if this is the same: data, folds, and question."""
        target = "+".join(self.variant["target"])
        data = self.experiment["dataset"]
        return data, self.protocol["id"], self.variant["task"], target


def pairs(
    asked: Mapping[str, Mapping[str, Sequence[str]]],
    experiments: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, Model, Model]]:
    """Yield (question, a, b) of all pairs that a comparison's configuration asks for.

    asked: {question: {a, b or baselines}}, each a list of patterns or names. No model
    is compared with itself, and no pair comes twice in a question.
    """
    models = [
        Model(experiment, variant, protocol)
        for experiment in experiments
        for protocol in experiment["protocols"]
        for variant in experiment["variants"]
    ]
    for question, sides in asked.items():
        seen = set()
        for a in _chosen(models, sides["a"]):
            for b in _against(a, models, sides):
                pair = frozenset((a.name, b.name)), a.told
                if a.name != b.name and pair not in seen:
                    seen.add(pair)
                    yield question, a, b


def _chosen(models: Sequence[Model], patterns: Sequence[str]) -> list[Model]:
    return [
        model
        for model in models
        if any(fnmatch.fnmatchcase(model.path, pattern) for pattern in patterns)
    ]


def _against(
    a: Model, models: Sequence[Model], sides: Mapping[str, Sequence[str]]
) -> list[Model]:
    if "b" in sides:
        return [b for b in _chosen(models, sides["b"]) if b.told == a.told]
    others = {
        "regression": ("median", "nearest neighbour", "ridge"),
        "classification": ("chance", "majority", "nearest neighbour", "logistic"),
    }[a.variant["task"]]
    return [
        Model(a.experiment, a.variant, a.protocol, name)
        for name in sides["baselines"]
        if name in others
    ]


def compare(
    a: Sequence[Mapping[str, Any]],
    b: Sequence[Mapping[str, Any]],
    *,
    lower_is_better: bool,
    n_train: float,
) -> dict[str, Any]:
    """Return the means of two models, and the test of their difference, in points.

    a, b: for each fold what `scores.summed` keeps, `score` being a mean over the seeds:
    seeds repeat the same dealing, so they count as no further folds. difference: above
    0 if a is better. n_train: drawings that a fold learns. Without t and p, and with a
    note, if all folds differ by the same, not 0: their spread is then not known.
    Raises: ValueError if the two were not scored on the same rows.
    """
    for fold, (one, other) in enumerate(zip(a, b, strict=True)):
        if _rows(one) != _rows(other):
            raise ValueError(
                f"comparison: fold {fold}: expected the same rows of both models, "
                f"received {one['n']} and {other['n']} of other children; make the "
                "folds and the scores anew"
            )
    sign = -1 if lower_is_better else 1
    differences = [sign * (x["score"] - y["score"]) for x, y in zip(a, b, strict=True)]
    if max(differences) - min(differences) < _SAME:
        differences = [round(differences[0], 6)] * len(differences)
    n_test = intervals.mean_sd([part["n"] for part in a])[0]
    test = intervals.corrected_resampled_t(differences, n_test=n_test, n_train=n_train)
    found = {
        "a_score": intervals.mean_sd([part["score"] for part in a])[0],
        "b_score": intervals.mean_sd([part["score"] for part in b])[0],
        "difference": intervals.mean_sd(differences)[0],
        "folds": len(a),
        "n_train": n_train,
        "n_test": n_test,
    }
    if math.isinf(test.t):
        # Scores count rows, so a few folds may differ alike by accident.
        return {**found, "note": "not tested: every fold differs by the same"}
    low, high = test.interval
    return {**found, "low": low, "high": high, "t": test.t, "p": test.p}


def _rows(part: Mapping[str, Any]) -> dict[str, int]:
    return {group: count for group, (_, count) in part["groups"].items()}


def over_seeds(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one fold's part with the mean of its scores over the seeds."""
    score = intervals.mean_sd([part["score"] for part in parts])[0]
    return {**parts[0], "score": score}


def with_verdicts(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of `compare` with p corrected over all tests, and the verdict."""
    tested = [i for i, row in enumerate(rows) if "p" in row]
    corrected = intervals.holm([rows[i]["p"] for i in tested])
    found = [{**row, "verdict": NOT_TESTED} for row in rows]
    for i, p in zip(tested, corrected, strict=True):
        found[i] |= {"p_holm": p, "verdict": _verdict(rows[i]["difference"], p)}
    return found


def _verdict(difference: float, p: float) -> str:
    if p >= LEVEL or difference == 0:
        return NO_DIFFERENCE
    return "a better" if difference > 0 else "b better"
