r"""Optimisers: how a gradient changes the parameters.

g is ∂loss/∂w of the batch and what `weight_decay` adds to it (engine/regularizers.py);
η is `learning_rate` times the schedule's factor and, for the bias of a layer, times its
`bias_rate`. The loss being the batch's mean, η is that of S2 Eqs. 12 and 13, and
bias_rate their k.

An update is one pass over a stretch of the flat array whose parameters are treated
alike, mostly the whole. What an optimiser keeps from step to step lies in flat arrays
of the same places (`state`, 0 at first but for Adagrad's s), so that a checkpoint can
hold them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine import regularizers
from engine.backends.base import Array, Stage, in_order
from engine.backends.update import UpdateRule
from engine.settings import Setting, chosen, flag, number, read

if TYPE_CHECKING:
    from engine.layers import Parameter
    from engine.network import Network

_RATE = number(0.0, 1e6)
_PORTION = number(0.0, 1.0, open_high=True)
_EPSILON = number(1e-30, 1.0)  # 0 would make 0/0 of a weight without gradients


class Optimizer:
    """Base: checked settings, named state arrays, one bound update.

    keeps: the names of the arrays in `state`.
    """

    name: str
    table: dict[str, Setting] = {}
    keeps: tuple[str, ...] = ()

    def __init__(self, settings: Any, place: str):
        decay = Setting(regularizers.parse, None)
        self.settings = read(settings, self.table | {"weight_decay": decay}, place)
        self.state: dict[str, Array] = {}

    def numbers(self, rate: float, t: int) -> tuple[float, ...]:
        """Return what the rule of this name needs in step t (1, 2, ...) at η = rate."""
        return (rate,)

    def bind(self, network: Network) -> Stage:
        """Return the stage that updates the network's learned parameters."""
        backend, size = network.backend, network.learned_size
        self.state = {name: backend.flat(max(size, 1)) for name in self.keeps}
        arrays = network.flat, network.flat_gradients, *self.state.values()
        updates = []
        for (factor, decay), offset, count in network.runs(self._treatment):
            rule = UpdateRule(self.name, self.numbers, factor, decay)
            parts = (backend.part(array, offset, (count,)) for array in arrays)
            updates.append(backend.update(rule, *parts))
        frozen = [backend.freezeconnect(*each) for each in network.frozen()]
        keep, put_back = zip(*frozen, strict=True) if frozen else ((), ())
        return in_order([*keep, *updates, *put_back])

    def _treatment(
        self, parameter: Parameter
    ) -> tuple[float, regularizers.WeightDecay]:
        """Return (factor on η, decay) of a parameter."""
        decay = self.settings["weight_decay"].of(is_weight=parameter.is_weight)
        return parameter.rate, decay


class SGD(Optimizer):
    r"""w ← w − η g.   Source: S2 Eq. 12 (u = 0); S0 5.2.1 ("simple" descent)."""

    name = "sgd"
    table = {"learning_rate": Setting(_RATE)}


class Momentum(Optimizer):
    r"""v ← u v + η g,  w ← w − v, with u = `momentum`.

    With rate_in_velocity: false, as in PyTorch, v ← u v + g and w ← w − η v. The two
    differ as soon as η changes: only here does a new η change what v was before.
    Source: S2 Eqs. 12, 13 (their v is −v); S0 5.2.1.
    """

    name = "momentum"
    table = {
        "learning_rate": Setting(_RATE),
        "momentum": Setting(_PORTION, 0.9),
        "rate_in_velocity": Setting(flag, True),
    }
    keeps = ("v",)

    def numbers(self, rate, t):
        s = self.settings
        return s["momentum"], *((rate, 1.0) if s["rate_in_velocity"] else (1.0, rate))


class Nesterov(Momentum):
    r"""v ← u v + η g,  w ← w − (u v + η g): the velocity's next step is taken already.

    With rate_in_velocity: false, as in PyTorch, v ← u v + g and w ← w − η (u v + g).
    Source: S0 5.2.1 (NAG); S2; I. Sutskever et al., "On the importance of
    initialization and momentum in deep learning", ICML 2013, with w the point ahead.
    """

    name = "nesterov"


class Adagrad(Optimizer):
    r"""s ← s + g²,  w ← w − η g / (√s + ε);  s is initial_accumulator at first.

    With epsilon_inside the divisor is √(s + ε), as in Keras.
    Source: S2; J. Duchi et al., "Adaptive subgradient methods", JMLR 2011.
    """

    name = "adagrad"
    table = {
        "learning_rate": Setting(_RATE, 0.01),
        "initial_accumulator": Setting(number(0.0, 1e6), 0.0),
        "epsilon": Setting(_EPSILON, 1e-10),
        "epsilon_inside": Setting(flag, False),
    }
    keeps = ("s",)

    def numbers(self, rate, t):
        return rate, *_inside_outside(self.settings)

    def bind(self, network):
        update = super().bind(network)
        s = np.full(max(network.learned_size, 1), self.settings["initial_accumulator"])
        network.backend.put_flat(self.state["s"], s)
        return update


class Adadelta(Optimizer):
    r"""s ← ρ s + (1 − ρ) g²,  d = g √(u + ε) / √(s + ε),  u ← ρ u + (1 − ρ) d²,

    w ← w − η d. ε stands inside both roots.
    Source: S2; M. Zeiler, "ADADELTA: an adaptive learning rate method", 2012 (η = 1).
    """

    name = "adadelta"
    table = {
        "learning_rate": Setting(_RATE, 1.0),
        "rho": Setting(_PORTION, 0.9),
        "epsilon": Setting(_EPSILON, 1e-6),
    }
    keeps = ("s", "u")

    def numbers(self, rate, t):
        rho = self.settings["rho"]
        return rate, rho, 1.0 - rho, self.settings["epsilon"]


class Adam(Optimizer):
    r"""m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,

    w ← w − η m̂ / (√v̂ + ε),  m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ),  t = 1, 2, ...

    ε stands outside the root, as in the code of S3 4.3; with epsilon_inside, as in its
    formula, the divisor is √(v̂ + ε). With weight_decay: {decoupled: λ} it is AdamW.
    Source: S3 4.3; S4; D. Kingma and J. Ba, "Adam", ICLR 2015.
    """

    name = "adam"
    table = {
        "learning_rate": Setting(_RATE, 0.001),
        "beta1": Setting(_PORTION, 0.9),
        "beta2": Setting(_PORTION, 0.999),
        "epsilon": Setting(_EPSILON, 1e-8),
        "epsilon_inside": Setting(flag, False),
    }
    keeps = ("m", "v")

    def numbers(self, rate, t):
        beta1, beta2 = self.settings["beta1"], self.settings["beta2"]
        rate, correction = rate / (1.0 - beta1**t), 1.0 / (1.0 - beta2**t)
        moments = beta1, 1.0 - beta1, beta2, 1.0 - beta2
        return rate, correction, *moments, *_inside_outside(self.settings)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    each.name: each for each in (SGD, Momentum, Nesterov, Adagrad, Adadelta, Adam)
}


def parse(value: Any) -> Optimizer:
    """Return the optimiser of {NAME: settings}.

    Raises: SpecError for an unknown name or setting.
    """
    name, settings = chosen(value, "optimiser", OPTIMIZERS, "optimizer")
    return OPTIMIZERS[name](settings, f"optimizer: {name}")


def _inside_outside(settings: dict[str, Any]) -> tuple[float, float]:
    """Return (ε, 0) or (0, ε): what is added inside the root, and outside."""
    epsilon = settings["epsilon"]
    return (epsilon, 0.0) if settings["epsilon_inside"] else (0.0, epsilon)
