"""Trivial predictors: what a network has to beat, and what needs no learning at all.

Source: EXPERIMENTS "Protocols" (chance, majority class, 1-nearest-neighbour on pixels,
ridge and logistic regression on pixels).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from scripts.lib.score import scores
from scripts.lib.split.samples import Part

# Penalties tried, in ascending order of strength; the validation part chooses, as it
# chooses the pass at which a network stops.
RIDGE_PENALTIES = (1.0, 10.0, 100.0, 1000.0)
LOGISTIC_PENALTIES = (1.0, 10.0, 100.0)

Predictor = Callable[[np.ndarray], np.ndarray]


def score_regression(
    train: Part, validation: Part, scored: Part
) -> dict[str, np.ndarray]:
    """Return 100 |p - t| / t of each scored row: median age, nearest neighbour, ridge.

    The median is that of the training rows. Targets in any unit, n rows each.
    """
    x, t = _pixels(train), train.t[:, 0]

    def error(predict: Predictor, part: Part) -> np.ndarray:
        return scores.errors(predict(_pixels(part)), part.t[:, 0])

    linear = min(
        fit_ridge(x, t, RIDGE_PENALTIES),
        key=lambda fitted: error(fitted, validation).mean(),
    )
    median = float(np.median(t))
    return {
        "median": error(lambda asked: np.full(len(asked), median), scored),
        "nearest neighbour": error(lambda asked: t[nearest(x, asked)], scored),
        "ridge": error(linear, scored),
    }


def score_classification(
    train: Part, validation: Part, scored: Part, classes: int
) -> dict[str, np.ndarray]:
    """Return 100 or 0 of each scored row: is the class right?

    chance: 100 / classes everywhere, the classes being all that occur in the labels;
    majority: the most frequent class of the training rows (of equal ones the first);
    ceiling: whether the row's class occurs among the training rows at all, the most
    that anything can reach that learns from them.
    Raises: ValueError if the training rows are all of one class.
    """
    x, t = _pixels(train), train.t

    def right(predict: Predictor, part: Part) -> np.ndarray:
        return scores.hits(predict(_pixels(part)), part.t)

    linear = max(
        fit_logistic(x, t, LOGISTIC_PENALTIES),
        key=lambda fitted: right(fitted, validation).mean(),
    )
    most = int(np.bincount(t).argmax())
    return {
        "chance": np.full(len(scored.t), 100 / classes),
        "majority": right(lambda asked: np.full(len(asked), most), scored),
        "nearest neighbour": right(lambda asked: t[nearest(x, asked)], scored),
        "logistic": right(linear, scored),
        "ceiling": 100.0 * np.isin(scored.t, t),
    }


def nearest(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return int64 (m,): for each row of `asked` (m, d) the nearest row of `known`.

    Euclidean distance on pixels in [0, 1].
    """
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(known)
    return search.kneighbors(asked, return_distance=False)[:, 0]


def fit_ridge(
    x: np.ndarray, t: np.ndarray, penalties: Sequence[float]
) -> list[Predictor]:
    """Return one ridge regression for each penalty λ.

    w = (X'X + λ I)⁻¹ X'(t - mean t),   X = x - mean x;   p(a) = mean t + (a - mean x) w

    x: (n, d), pixels in [0, 1]; t: (n,). X'X is formed once for all penalties.
    """
    middle, level = x.mean(axis=0, dtype=np.float64), float(np.mean(t))
    centred = x - middle
    gram, product = centred.T @ centred, centred.T @ (t - level)

    def fit(penalty: float) -> Predictor:
        w = np.linalg.solve(gram + penalty * np.eye(len(gram)), product)
        return lambda asked: level + (asked - middle) @ w

    return [fit(penalty) for penalty in penalties]


def fit_logistic(
    x: np.ndarray, t: np.ndarray, penalties: Sequence[float]
) -> list[Predictor]:
    """Return one softmax regression for each penalty λ.

    minimises Σ_i -ln softmax(W (x_i - mean x) + b)[t_i] + λ/2 ‖W‖²

    x: (n, d), pixels in [0, 1]; t: int (n,) classes. In float32: half the time, and the
    same accuracies to all digits where both were tried.
    """
    middle = x.mean(axis=0, dtype=np.float32)
    centred = x - middle

    def fit(penalty: float) -> Predictor:
        model = LogisticRegression(C=1 / penalty, max_iter=1000).fit(centred, t)
        return lambda asked: model.predict(asked - middle)

    return [fit(penalty) for penalty in penalties]


def _pixels(part: Part) -> np.ndarray:
    return part.x.reshape(len(part.x), -1)
