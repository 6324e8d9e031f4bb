r"""Losses: what is minimised, one number per sample, and its mean over the batch.

z (n, ...) is the network's output, K numbers of each sample, t the target of the same
shape. Of classes z is (n, K), and t (n,) holds their numbers or t (n, K) probabilities
(soft targets, Mixup).

squared_error           ½ Σ_k (z_k − t_k)²                   ∂/∂z_k = z_k − t_k
mean_squared_error      1/K Σ_k (z_k − t_k)²                 ∂/∂z_k = 2/K (z_k − t_k)
mean_absolute_error     1/K Σ_k |z_k − t_k|                  ∂/∂z_k = sign(z_k − t_k)/K
binary_cross_entropy    1/K Σ_k −t_k ln s_k − (1 − t_k) ln (1 − s_k)
                        = 1/K Σ_k max(z_k, 0) − z_k t_k + ln(1 + e^{−|z_k|})
                        (no overflow), s_k = 1 / (1 + e^{−z_k}), t_k in [0, 1]
                                                             ∂/∂z_k = (s_k − t_k)/K
softmax_cross_entropy   Σ_k t_k (ln Σ_j e^{z_j} − z_k)       ∂/∂z_k = s_k Σ_j t_j − t_k,
                        s_k = e^{z_k − m} / Σ_j e^{z_j − m}, m = max_j z_j (no overflow)

The two cross-entropies hold the softmax and the sigmoid: z are logits. A network that
ends in a softmax or sigmoid of its own is refused with them: applied twice, softmax
keeps the loss of K classes above ln(1 + (K − 1)/e), sigmoid above ln(1 + 1/e).

The batch's loss is the mean over the samples; `squared_error: {reduction: sum}` takes
their sum instead (S2's XOR net). S3's first cost, Σ (y_k − t_k)² of sigmoids y over all
images and outputs, is twice that behind {activation: sigmoid}: its step k is a learning
rate of 2 k here.
Source: S2 Eqs. 10, 11a; S0 sections 4 and 5 (MSE, MAE, cross-entropy); S3 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.errors import InputError
from engine.settings import Setting, chosen, one_of, read

_REDUCTION = {"reduction": Setting(one_of("mean", "sum"), "mean")}

LOSSES = (
    "squared_error",
    "mean_squared_error",
    "mean_absolute_error",
    "binary_cross_entropy",
    "softmax_cross_entropy",
)


@dataclass(frozen=True)
class Loss:
    """A checked `loss:` setting."""

    name: str
    reduction: str = "mean"

    def takes_classes(self) -> bool:
        """Return whether integer class targets are allowed."""
        return self.name == "softmax_cross_entropy"

    def wants_logits(self) -> bool:
        """Return whether the loss applies a softmax or sigmoid to the outputs."""
        return self.name in ("softmax_cross_entropy", "binary_cross_entropy")

    def scale(self, n: int) -> float:
        """Return the factor that turns the sum over n samples into the batch's loss."""
        return 1.0 if self.reduction == "sum" else 1.0 / n

    def check_targets(self, t: Any, n: int, outputs: tuple[int, ...]) -> np.ndarray:
        """Return targets as int (n, 1) of classes or float (n, *outputs).

        Raises: InputError if length, shape, type or range do not fit.
        """
        t = np.asarray(t)
        if t.shape[:1] != (n,):
            raise InputError(
                f"targets: expected as many as inputs (={n}), received shape {t.shape}"
            )
        if t.dtype.kind in "iu" and self.takes_classes():
            return _checked_classes(t, n, *outputs)
        if t.dtype.kind not in "fiu":
            raise InputError(f"targets: expected numbers, received dtype {t.dtype}")
        if t.ndim == 1 and outputs == (1,):
            t = t[:, None]
        if t.shape != (n, *outputs):
            raise InputError(
                f"targets of {self.name}: expected shape {(n, *outputs)}"
                f"{' or int classes (n,)' if self.takes_classes() else ''}, "
                f"received {t.shape} of dtype {t.dtype}"
            )
        if not np.isfinite(t).all():
            row = int(np.argwhere(~np.isfinite(t))[0][0])
            raise InputError(f"targets: NaN or infinity in row {row}")
        if self.name == "binary_cross_entropy" and ((t < 0) | (t > 1)).any():
            place = tuple(np.argwhere((t < 0) | (t > 1))[0])
            raise InputError(
                f"targets of {self.name}: expected numbers in [0, 1], received "
                f"{t[place]} in row {int(place[0])}"
            )
        return t.astype(np.float64)


def _checked_classes(t: np.ndarray, n: int, outputs: int) -> np.ndarray:
    if t.shape not in ((n,), (n, 1)):
        raise InputError(f"classes: expected shape ({n},), received {t.shape}")
    t = t.reshape(n, 1)
    wrong = np.argwhere((t < 0) | (t >= outputs))
    if len(wrong):
        row = int(wrong[0][0])
        raise InputError(
            f"classes: expected numbers 0 ... {outputs - 1} (the network has {outputs} "
            f"outputs), received {int(t[row, 0])} in row {row}"
        )
    return t


def parse(value: Any, place: str = "loss") -> Loss:
    """Return the loss of a spec's `loss:`: NAME or {NAME: settings}.

    Raises: SpecError for an unknown name or setting.
    """
    name, settings = chosen(value, "loss", LOSSES, place)
    return Loss(name, **read(settings, _REDUCTION, f"{place}: {name}"))
