"""Means and their spread, intervals, and the comparison of two models.

What each interval covers, and what it does not, stands in its docstring: an interval
over children says nothing about another initialisation, one over seeds nothing about
other children.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from engine.random import stream

# The ends of a 95 % interval then move from one seed to another with a standard
# deviation of 1.5 % of its length (measured: 113 groups of two normal scores).
RESAMPLES = 2000
# Numbers drawn at once: a block of counts stays below 32 MB.
_DRAWN = 4_000_000


class Interval(NamedTuple):
    """The two ends of an interval, in the unit of the values."""

    low: float
    high: float


class TTest(NamedTuple):
    """t statistic, two-sided p, and the interval of the mean difference."""

    t: float
    p: float
    interval: Interval


class PowerLaw(NamedTuple):
    """y ≈ c x^p: the exponent p, its interval, c, and R² of the logarithms."""

    exponent: float
    interval: Interval
    factor: float
    r2: float


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the standard deviation (divisor n − 1; None for one value).

    Raises: ValueError for no values, NaN or infinity.
    """
    _check_finite(values, "mean")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None
    spread = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return mean, math.sqrt(spread)


def bootstrap_interval(
    groups: Sequence[Hashable],
    values: Sequence[float],
    *,
    weights: Sequence[float] | None = None,
    seed: int = 0,
    level: float = 0.95,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the percentile bootstrap interval of a mean, whole groups redrawn.

        θ*_b = Σ_g m_bg S_g / Σ_g m_bg N_g,   m_b ~ multinomial(G; 1/G, ..., 1/G)

    with S_g = Σ w_i v_i and N_g = Σ w_i over the samples of group g; the ends are the
    (1 ± level) / 2 quantiles of θ*.

    groups: n, the child that each sample is of; values: n scores (a relative error in
    %, 0 or 1 for a hit), also several for one sample (folds, seeds); weights: n, above
    0, by default all 1; with 1 / (samples of the fold) the mean is that of the folds'
    scores. The same groups and seed give the same resamples: for the interval of a
    difference of two models give the differences as values.

    Covered: that other children of this kind would have been asked, each with all of
    their drawings. Not covered: another initialisation, order or dealing to folds (see
    `t_interval` over seeds), and that folds share their training data. With few
    children percentile intervals are too short: of normal scores they held the mean in
    91 % of 1500 trials with 10 children, in 93 % with 20.
    Source: A. C. Davison, D. V. Hinkley, "Bootstrap Methods and their Application",
    1997, 3.8 (groups redrawn, not what is in them) and 5.3.1 (percentiles).
    Raises: ValueError for lengths that differ, fewer than two groups, a value that is
    not finite or a weight that is not above 0.
    """
    _check_level(level)
    _check_finite(values, "bootstrap")
    v = np.asarray(values, float)
    w = np.ones(len(v)) if weights is None else np.asarray(weights, float)
    if not len(v) == len(groups) == len(w):
        raise ValueError(
            f"bootstrap: expected as many groups and weights as values ({len(v)}), "
            f"received {len(groups)} and {len(w)}"
        )
    if not (np.isfinite(w).all() and (w > 0).all()):
        raise ValueError("bootstrap: expected finite weights above 0")
    code = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    if len(code) < 2:
        raise ValueError(
            f"bootstrap: expected at least 2 groups to redraw, received {len(code)}"
        )
    codes = np.array([code[group] for group in groups])
    means = _redrawn_means(
        np.bincount(codes, w * v), np.bincount(codes, w), seed, resamples
    )
    ends = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(*ends.tolist())


def _redrawn_means(
    sums: np.ndarray, counts: np.ndarray, seed: int, resamples: int
) -> np.ndarray:
    """Return θ* of every resample; sums, counts: S_g and N_g of the G groups."""
    size = len(sums)
    draws = stream(seed, "bootstrap", "groups")
    means = []
    step = max(1, _DRAWN // size)
    for begin in range(0, resamples, step):
        rows = min(step, resamples - begin)
        drawn = draws.integers(0, size, (rows, size))
        drawn += size * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
        # Sums by numpy, not by BLAS: the same order on any number of threads.
        means.append((times * sums).sum(axis=1) / (times * counts).sum(axis=1))
    return np.concatenate(means)


def corrected_resampled_t(
    differences: Sequence[float],
    *,
    n_test: float,
    n_train: float,
    level: float = 0.95,
) -> TTest:
    """Return the corrected resampled t-test of two models scored on the same folds.

        t = d̄ / √((1/n + n_test / n_train) s²),   n − 1 degrees of freedom

    with d̄ and s² (divisor n − 1) of the n differences. The plain test's 1/n is too
    small, as folds share most of their training data.

    differences: n, one model's score less the other's, one for each fold (of each
    repetition); n_test, n_train: samples that a fold tests and learns, means if folds
    differ. All differences 0: t = 0, p = 1. All equal, but not 0: t = ±infinity, p = 0.

    Made for random splits whose folds are learned anew; under a protocol that carries
    weights from fold to fold the folds are no repetitions, and its p means nothing.
    Source: C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine
    Learning 52 (2003); for k folds repeated: R. Bouckaert, E. Frank, PAKDD 2004.
    Raises: ValueError for fewer than two differences, one that is not finite, or sizes
    that are not above 0.
    """
    _check_level(level)
    if len(differences) < 2:
        raise ValueError(
            f"t-test: expected at least 2 differences, received {len(differences)}"
        )
    for name, size in (("n_test", n_test), ("n_train", n_train)):
        if not (math.isfinite(size) and size > 0):
            raise ValueError(f"t-test: {name}: expected above 0, received {size}")
    mean, sd = mean_sd(differences)
    n = len(differences)
    error = sd * math.sqrt(1 / n + n_test / n_train)
    half = _t_quantile(n - 1, level) * error
    interval = Interval(mean - half, mean + half)
    if error == 0:
        if mean == 0:
            return TTest(0.0, 1.0, interval)
        return TTest(math.copysign(math.inf, mean), 0.0, interval)
    t = mean / error
    return TTest(t, 2 * float(special.stdtr(n - 1, -abs(t))), interval)


def holm(ps: Sequence[float]) -> list[float]:
    """Return p-values corrected for being one of several, in the given order.

        p'_(i) = max_{j ≤ i} min(1, (m + 1 - j) p_(j)),   p_(1) ≤ ... ≤ p_(m)

    p' < α for all that may be called different, with at most α the chance that even one
    of them is not; nothing is asked of how the tests depend on each other.
    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979).
    Raises: ValueError for a value outside [0, 1].
    """
    for p in ps:
        if not 0 <= p <= 1:
            raise ValueError(f"Holm: expected p in [0, 1], received {p}")
    corrected, largest = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[place]))
        corrected[place] = largest
    return corrected


def mcnemar(only_a: int, only_b: int) -> float:
    """Return the two-sided p of McNemar's exact test of two models on the same images.

        p = min(1, 2 P(X ≤ min(b, c))),   X ~ binomial(b + c, 1/2)

    only_a, only_b: b and c, images that only one of them has right; those that both or
    neither have right say nothing of which is better. b + c = 0: p = 1.

    Covered: that other images of this kind had been asked. Not covered: another
    initialisation or order; it compares two trained networks, not two recipes.
    Source: Q. McNemar, Psychometrika 12 (1947); exact, not by χ²: A. Agresti,
    "Categorical Data Analysis", 2002, 10.1.
    Raises: ValueError for counts below 0.
    """
    _check_counts("McNemar's test", only_a=only_a, only_b=only_b)
    if only_a == only_b:
        return 1.0
    return min(1.0, 2 * float(special.bdtr(min(only_a, only_b), only_a + only_b, 0.5)))


def difference_interval(
    hits_a: int, n_a: int, hits_b: int, n_b: int, *, level: float = 0.95
) -> Interval:
    """Return Newcombe's interval of the difference of two independent portions.

        d − √((p_a − l_a)² + (u_b − p_b)²),   d + √((u_a − p_a)² + (p_b − l_b)²)

    with d = p_a − p_b and l, u the ends of either one's Wilson interval. For portions
    of the same images see `paired_interval`.
    Source: R. G. Newcombe, Statistics in Medicine 17 (1998), 873–890, method 10.
    Raises: ValueError unless 0 ≤ hits ≤ n and n ≥ 1 for both.
    """
    (low_a, high_a), (low_b, high_b) = (
        wilson_interval(hits, n, level=level)
        for hits, n in ((hits_a, n_a), (hits_b, n_b))
    )
    a, b = hits_a / n_a, hits_b / n_b
    return Interval(
        a - b - math.hypot(a - low_a, high_b - b),
        a - b + math.hypot(high_a - a, b - low_b),
    )


def paired_interval(
    only_a: int, only_b: int, n: int, *, level: float = 0.95
) -> Interval:
    """Return the interval of the difference of two portions on the same n images.

        d ± z √((p_b + p_c − d²) / (n + 2)),   d = p_b − p_c,
        p_b = (b + 1) / (n + 2),   p_c = (c + 1) / (n + 2)

    only_a, only_b: b and c as for `mcnemar`. Covered and not covered: as there.
    Source: D. G. Bonett, R. M. Price, Journal of Educational and Behavioral Statistics
    37 (2012), the adjusted Wald interval.
    Raises: ValueError for counts below 0, or more than n.
    """
    _check_level(level)
    _check_counts("paired interval", only_a=only_a, only_b=only_b)
    if n < max(1, only_a + only_b):
        raise ValueError(
            f"paired interval: expected n of at least 1 and of at least only_a + only_b"
            f" = {only_a + only_b}, received {n}"
        )
    z = float(special.ndtri((1 + level) / 2))
    b, c = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    half = z * math.sqrt((b + c - (b - c) ** 2) / (n + 2))
    return Interval(max(-1.0, b - c - half), min(1.0, b - c + half))


def t_interval(values: Sequence[float], *, level: float = 0.95) -> Interval | None:
    """Return mean ± t_{n−1} s / √n; None for one value, whose spread is not known.

    values: n independent results, such as one per seed.

    Covered: what the seed decides (initial weights, order, masks). Not covered: other
    data. Folds of one dealing are not independent: for them see
    `corrected_resampled_t`.
    Raises: ValueError for no values, NaN or infinity.
    """
    _check_level(level)
    mean, sd = mean_sd(values)
    if sd is None:
        return None
    half = _t_quantile(len(values) - 1, level) * sd / math.sqrt(len(values))
    return Interval(mean - half, mean + half)


def wilson_interval(hits: int, n: int, *, level: float = 0.95) -> Interval:
    """Return Wilson's score interval of a portion of n independent trials.

        (p + z²/2n ± z √(p (1 − p)/n + z²/4n²)) / (1 + z²/n),   p = hits / n

    It stays within [0, 1], and has a length also for 0 or n hits. Several drawings of
    one child are not independent: for them see `bootstrap_interval`.
    Source: E. B. Wilson, JASA 22 (1927); R. G. Newcombe, Statistics in Medicine 17
    (1998), method 3.
    Raises: ValueError unless 0 ≤ hits ≤ n and n ≥ 1.
    """
    _check_level(level)
    if not (n >= 1 and 0 <= hits <= n):
        raise ValueError(
            f"Wilson's interval: expected 0 <= hits <= n and n >= 1, received "
            f"hits={hits}, n={n}"
        )
    z = float(special.ndtri((1 + level) / 2))
    p, shrink = hits / n, 1 + z * z / n
    middle = (p + z * z / (2 * n)) / shrink
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink
    # No hit and all hits end at 0 and 1 exactly, but for rounding.
    low = 0.0 if hits == 0 else middle - half
    return Interval(low, 1.0 if hits == n else middle + half)


def line_through(x: Sequence[float], y: Sequence[float]) -> tuple[float, float]:
    """Return (a, b) of y ≈ a + b·x, the least squares of relative errors; y above 0."""
    b, a = np.polyfit(x, y, 1, w=1.0 / np.asarray(y, float))
    return float(a), float(b)


def power_law(
    x: Sequence[float], y: Sequence[float], *, level: float = 0.95
) -> PowerLaw:
    """Return y ≈ c x^p: least squares of log y = log c + p log x.

        p ± t_{n−2} s_p,   s_p² = Σ r² / ((n − 2) Σ (log x − mean)²)

    with r = log y − log c − p log x. R² is 1 where y is constant, as then
    nothing is left to explain.

    Covered: that the points scatter about one power law, independently and all alike in
    log y. Not covered: that they follow another law, whose bend makes p depend on where
    the points lie.
    Raises: ValueError for lengths that differ, fewer than three different x, or a value
    that is not finite and above 0.
    """
    _check_level(level)
    values = np.asarray(x, float), np.asarray(y, float)
    if len(x) != len(y) or len(set(x)) < 3:
        raise ValueError(
            f"power law: expected as many y as x, and three different x, received "
            f"{len(x)} x, {len(set(x))} different, and {len(y)} y"
        )
    if not all((np.isfinite(v) & (v > 0)).all() for v in values):
        raise ValueError("power law: expected finite numbers above 0")
    log_x, log_y = map(np.log, values)
    off_x, off_y = log_x - log_x.mean(), log_y - log_y.mean()
    spread = float(off_x @ off_x)
    exponent = float(off_x @ off_y) / spread
    rest, total = off_y - exponent * off_x, float(off_y @ off_y)
    left = float(rest @ rest)
    degrees = len(x) - 2
    half = _t_quantile(degrees, level) * math.sqrt(left / (degrees * spread))
    return PowerLaw(
        exponent,
        Interval(exponent - half, exponent + half),
        math.exp(float(log_y.mean() - exponent * log_x.mean())),
        1 - left / total if total else 1.0,
    )


def _t_quantile(degrees: int, level: float) -> float:
    return float(special.stdtrit(degrees, (1 + level) / 2))


def _check_finite(values: Sequence[float], what: str) -> None:
    if len(values) == 0 or not all(math.isfinite(v) for v in values):
        raise ValueError(
            f"{what}: expected at least one finite number, and no other, received "
            f"{values!r}"
        )


def _check_counts(what: str, **counts: int) -> None:
    for name, count in counts.items():
        if count < 0:
            raise ValueError(f"{what}: {name}: expected at least 0, received {count}")


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level: expected between 0 and 1, received {level}")
