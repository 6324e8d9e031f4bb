r"""What leaves a random portion out for one step: neurons, weights, or their update.

Dropout is a layer; dropconnect and freezeconnect are settings of conv and dense. The
numbers u are uniform in [0, 1), the counter's (engine/random.py): the same on every
device, for any batch, and never stored.

Dropconnect p, of weights w and not of biases; u is the number of (seed, "dropconnect",
step, layer, row, index), row being the first axis of w:
    training      w' = w · m / (1 − p), with m = 1 where u ≥ p else 0, stands for w in
                  forward and backward; ∂loss/∂w = ∂loss/∂w' · m / (1 − p)
    evaluation    w' = w
A weight that is left out has the gradient 0; momentum and decay may still move it.

Freezeconnect p: the weights with u < p, u of (seed, "freezeconnect", step, layer, row,
index), take part in forward and backward, and the step leaves them as they are to the
last bit, whatever momentum and weight decay would do. The optimiser sees their gradient
all the same, so that what it keeps (its velocity, its moments) goes on.
Source: S0 5.5.1 (both; freezeconnect is its own); L. Wan et al., "Regularization of
neural networks using DropConnect", ICML 2013.
"""

# DEVIATION: S0 does not say whether dropconnect makes the weights it leaves larger.
# They are multiplied by 1 / (1 − p), as neurons by dropout, so that evaluation needs no
# factor. Nor does S0 say how often portions are drawn; they are drawn at every step.

from __future__ import annotations

import math
from typing import Any

from engine.backends.base import Array, Backend
from engine.errors import SpecError
from engine.layers.base import Bound, Layer, Shape, Stage
from engine.settings import Setting, number

_PORTION = number(0.0, 1.0, open_high=True)

# The settings of a layer with weights that may be left out; engine/layers/base.py reads
# bias_rate and freezeconnect (`weight_and_bias`).
CONNECTIONS = {
    "bias_rate": Setting(number(0.0, 1e6), 1.0),
    "dropconnect": Setting(_PORTION, 0.0),
    "freezeconnect": Setting(_PORTION, 0.0),
}


class Dropout(Layer):
    r"""Training: y = x · m / (1 − p), m = 1 where u ≥ p else 0; dx = dy · m / (1 − p).

    u is the number of (seed, "dropout", step, layer, sample, element).
    Evaluation: y = x.
    Source: S0 Fig. 2 (neurons left out), S2.
    """

    kind = "dropout"

    @classmethod
    def parse(cls, value: Any, place: str) -> dict[str, Any]:
        try:
            return {"portion": _PORTION(value)}
        except ValueError as error:
            raise SpecError(f"{place}: {error}") from None

    def build(self) -> Shape:
        return self.in_shape

    def passes_through(self, training: bool) -> bool:
        return not training or self.settings["portion"] == 0.0

    def forward(self, backend, io: Bound) -> list[Stage]:
        return [backend.dropout(io.x, io.y, self.settings["portion"], self.index)]

    def backward(self, backend, io: Bound) -> list[Stage]:
        if io.dx is None:
            return []
        return [backend.dropout(io.dy, io.dx, self.settings["portion"], self.index)]


def weight_in_use(
    layer: Layer, backend: Backend, io: Bound
) -> tuple[list[Stage], Array]:
    """Return (what runs before forward, the weights w' to compute with)."""
    weight, portion = io.p["weight"], layer.settings["dropconnect"]
    if not io.training or portion == 0.0:
        return [], weight
    shape = layer.parameters[0].shape
    dropped = backend.part(backend.flat(math.prod(shape)), 0, shape)
    io.scratch["weight"] = dropped
    return [backend.dropconnect(weight, dropped, portion, layer.index)], dropped


def gradient_in_use(layer: Layer, backend: Backend, io: Bound) -> list[Stage]:
    """Return what turns the gradient of w' into that of w, in place."""
    portion = layer.settings["dropconnect"]
    if portion == 0.0:
        return []
    dw = io.g["weight"]
    return [backend.dropconnect(dw, dw, portion, layer.index)]
