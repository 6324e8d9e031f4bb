"""Scores in per cent, row by row: MAPE's terms, or hits; and their sums by group.

regression       100 |p - t| / t    lower is better; their mean is the MAPE
classification   100 [p = t]        higher is better; their mean is the accuracy
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scripts.lib.score import intervals


def errors(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return float64 (n,): 100 |p - t| / t for values of any one unit, t > 0."""
    true = np.asarray(true, np.float64)
    return 100 * np.abs(np.asarray(predicted, np.float64) - true) / true


def hits(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return float64 (n,): 100 where the class is right, else 0."""
    return 100.0 * (np.asarray(predicted) == np.asarray(true))


def top_hits(outputs: np.ndarray, true: np.ndarray, top: int) -> np.ndarray:
    """Return bool (n,): whether the true class is among the `top` largest outputs.

    outputs (n, K), true int (n,). Of equal outputs the true one comes last: a network
    that gives all classes the same is right by chance at best.
    """
    own = np.take_along_axis(outputs, true[:, None], axis=1)
    return (outputs >= own).sum(axis=1) <= top


def summed(scores: np.ndarray, groups: Sequence[str]) -> dict[str, Any]:
    """Return what is kept of a part's scores: mean, n, and {group: [sum, n]}.

    The sums by group are what an interval by bootstrap over groups needs.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    totals = np.bincount(place, scores, len(names))
    counts = np.bincount(place, minlength=len(names))
    sums = zip(names.tolist(), totals.tolist(), counts.tolist(), strict=True)
    return {
        # Beyond nine decimals there is only the rounding of sums.
        "score": round(float(np.mean(scores)), 9),
        "n": len(scores),
        "groups": {name: [round(total, 9), count] for name, total, count in sums},
    }


def summary(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return mean and sd over folds x seeds, their n, and a 95 % interval.

    parts: of each fold and seed, as `summed` returns them. ours: the mean of the folds'
    means; low, high: of that mean, by bootstrap over the groups.
    """
    mean, sd = intervals.mean_sd([part["score"] for part in parts])
    rows = [
        (group, total / count, count / part["n"])
        for part in parts
        for group, (total, count) in part["groups"].items()
    ]
    groups, values, weights = zip(*rows, strict=True)
    low, high = intervals.bootstrap_interval(groups, values, weights=weights)
    return {"ours": mean, "sd": sd, "n": len(parts), "low": low, "high": high}
