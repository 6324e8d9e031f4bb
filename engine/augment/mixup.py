"""Mixup: each sample of a batch mixed with another, and their targets alike.

Source: H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: beyond empirical risk
minimization", ICLR 2018; announced in S2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.errors import InputError
from engine.random import stream


def mixup(
    x: np.ndarray, t: np.ndarray, *, alpha: float, seed: int, step: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the batch mixed with itself in another order.

    x' = λ x + (1 − λ) x[π],  t' = λ t + (1 − λ) t[π],  λ ~ Beta(α, α), π random;
    one λ for the batch; α = 0 changes nothing.

    x: (n, ...); t: (n, K) portions of classes (of classes c: np.eye(K)[c]), or values;
    step: the batch's number; with the seed it decides λ and π. In training:

        trainer.fit(train, transform=lambda x, t, samples, number: mixup(
            x, np.eye(K)[t[:, 0]], alpha=0.2, seed=0, step=trainer.steps))

    Source: Zhang et al. 2018, Eq. 1 and Fig. 1.
    Raises: InputError if x and t do not agree, or for an impossible α.
    """
    x, t = np.asarray(x), np.asarray(t)
    if t.ndim < 2 or t.dtype.kind != "f" or len(x) != len(t):
        raise InputError(
            f"mixup: expected as many targets as samples (={len(x)}), floating numbers "
            f"(n, K) (of classes c: np.eye(K)[c]), received {t.dtype} of shape "
            f"{t.shape}"
        )
    draws = stream(seed, "mixup", step)
    portion = 1.0 if _checked(alpha) == 0 else draws.beta(alpha, alpha)
    order = draws.permutation(len(x))
    return tuple(portion * a + (1 - portion) * a[order] for a in (x, t))


def _checked(alpha: Any) -> float:
    if not isinstance(alpha, int | float) or not 0 <= alpha < math.inf:
        raise InputError(
            f"mixup: alpha: expected a number of at least 0, received {alpha!r}"
        )
    return alpha
