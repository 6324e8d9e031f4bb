"""Optimisers: how a gradient changes the parameters.

An optimiser works on the whole flat array of learned parameters in one stage. What it
keeps from step to step lies in flat arrays of the same size (`state`), so that a
checkpoint can hold them.
"""

from __future__ import annotations

from typing import Any

from engine.backends.base import AdamConstants, Array, Backend, Stage
from engine.errors import SpecError
from engine.settings import Setting, chosen, number, read


class Optimizer:
    """Base: checked settings, named state arrays, one bound update."""

    table: dict[str, Setting] = {}

    def __init__(self, settings: Any, place: str):
        self.settings = read(settings, self.table, place)
        self.state: dict[str, Array] = {}

    def bind(
        self, backend: Backend, parameters: Array, gradients: Array, size: int
    ) -> Stage:
        """Return the stage that updates the first `size` parameters."""
        raise SpecError(f"the optimiser {type(self).__name__} has no update")


class SGD(Optimizer):
    r"""w ← w − η ∂loss/∂w, with η the learning rate.

    loss is the batch's mean, so η is S2's η/m times m.  Source: S2 Eq. 12 (u = λ = 0);
    S0 5.2.1 ("simple" descent).
    """

    table = {"learning_rate": Setting(number(0.0, 1e6))}

    def bind(self, backend, parameters, gradients, size) -> Stage:
        return backend.sgd(parameters, gradients, size)


class Adam(Optimizer):
    r"""m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  g = ∂loss/∂w

    w ← w − η m̂ / (√v̂ + ε),  m̂ = m / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ),  t = 1, 2, ...

    ε stands outside the root, as in the code of S3 4.3 (its formula has it inside).
    Source: S3 4.3; S4; D. Kingma and J. Ba, "Adam", ICLR 2015.
    """

    table = {
        "learning_rate": Setting(number(0.0, 1e6), 0.001),
        "beta1": Setting(number(0.0, 1.0, open_high=True), 0.9),
        "beta2": Setting(number(0.0, 1.0, open_high=True), 0.999),
        "epsilon": Setting(number(0.0, 1.0), 1e-8),
    }

    def bind(self, backend, parameters, gradients, size) -> Stage:
        self.state = {name: backend.flat(max(size, 1)) for name in ("m", "v")}
        s = self.settings
        constants = AdamConstants(s["beta1"], s["beta2"], s["epsilon"])
        moments = self.state["m"], self.state["v"]
        return backend.adam(parameters, gradients, moments, size, constants)


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "adam": Adam}


def parse(value: Any) -> Optimizer:
    """Return the optimiser of {NAME: settings}.

    Raises: SpecError for an unknown name or setting.
    """
    name, settings = chosen(value, "optimiser", OPTIMIZERS, "optimizer")
    return OPTIMIZERS[name](settings, f"optimizer: {name}")
