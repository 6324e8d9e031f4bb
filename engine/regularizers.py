r"""Weight decay: what draws weights to 0; an optimiser's setting `weight_decay`.

Its kinds, which may stand together; w are the weights that the gradient g was taken at,
η the learning rate of the step, d what the optimiser makes of g:

l2 λ           g ← g + λ w             the gradient of λ/2 Σ w²        S2 Eq. 12; S4
l1 λ           g ← g + λ sign(w)       of λ Σ |w|, with sign(0) = 0    S2
decoupled λ    w ← w − η λ w − d       beside the update, not in it    AdamW
s3 ρ           w ← w (1 − ρ |w|) − d   whatever the learning rate      S3 3.1, 4.3

parameters: `weights` (arrays of two axes or more; default) or `all`: then biases and
batch normalisation's γ and β decay too, as in S3's code and with PyTorch's
weight_decay. The loss that a network or a training reports has no penalty in it.
Source: S2, S3, S4 as said; I. Loshchilov and F. Hutter, "Decoupled weight decay
regularization", ICLR 2019.
"""

# DEVIATION: S2 Eq. 12 prints + ηλW, with which the weights would grow; the term is
# taken from them.

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.errors import SpecError
from engine.settings import Setting, number, one_of, read


@dataclass(frozen=True)
class WeightDecay:
    """A checked `weight_decay:`; each kind's coefficient, 0 where it is not wanted."""

    l1: float = 0.0
    l2: float = 0.0
    decoupled: float = 0.0
    s3: float = 0.0
    parameters: str = "weights"

    @property
    def kinds(self) -> tuple[float, float, float, float]:
        """The coefficients (l1, l2, decoupled, s3)."""
        return self.l1, self.l2, self.decoupled, self.s3

    def of(self, *, is_weight: bool) -> WeightDecay:
        """Return what this decay means to a weight, or to another parameter."""
        return self if is_weight or self.parameters == "all" else NONE


NONE = WeightDecay()
_TABLE = {
    **dict.fromkeys(("l1", "l2", "decoupled", "s3"), Setting(number(0.0, 1e6), 0.0)),
    "parameters": Setting(one_of("weights", "all"), "weights"),
}


def parse(value: Any) -> WeightDecay:
    """Return the decay of {KIND: coefficient, ...}; None: none.

    Raises: SpecError for an unknown kind, a wrong coefficient, or no kind at all.
    """
    if value is None:
        return NONE
    decay = WeightDecay(**read(value, _TABLE, "kinds"))
    if not any(kind in value for kind in ("l1", "l2", "decoupled", "s3")):
        raise SpecError(f"expected one of l1, l2, decoupled, s3, received {value!r}")
    return decay
