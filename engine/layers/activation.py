"""Activation functions. Every derivative is written in terms of the output y."""

from __future__ import annotations

import math
from typing import Any

from engine.errors import SpecError
from engine.layers.base import Bound, Layer, Shape, Stage
from engine.settings import Setting, chosen, number, optional

# name -> default slope, or None where the function has none
FUNCTIONS = {
    "identity": None,
    "relu": None,
    "leaky_relu": 0.01,
    "sigmoid": None,
    "bipolar_sigmoid": None,
    "tanh": None,
    "softmax": None,
}


class Activation(Layer):
    r"""y = f(x), element by element; dx = f'(x) · dy, with f' from y:

    identity         y = x                          f' = 1
    relu             y = max(x, 0)                  f' = 1 if y > 0 else 0
    leaky_relu: a    y = x if x > 0 else a x        f' = 1 if y > 0 else a
    sigmoid          y = 1 / (1 + e^-x)             f' = y (1 − y)
    bipolar_sigmoid  y = (1 − e^-x) / (1 + e^-x)    f' = (1 − y²) / 2
    tanh             y = tanh x                     f' = 1 − y²

    and, not element by element but over the C features of a vector, or over the
    channels at each place of an image:

    softmax          y_c = e^{x_c − m} / Σ_k e^{x_k − m},  m = max_k x_k (no overflow)
                     dx_c = y_c (dy_c − Σ_k y_k dy_k)

    The loss softmax_cross_entropy has its softmax in it and wants x itself (logits).
    Source: S0 5.5.2 (identity, bipolar sigmoid), S2 (ReLU, leaky ReLU), S3 (sigmoid,
    softmax).
    """

    kind = "activation"

    @classmethod
    def parse(cls, value: Any, place: str) -> dict[str, Any]:
        name, slope = chosen(value, "activation", FUNCTIONS, place)
        if slope is not None and FUNCTIONS[name] is None:
            raise SpecError(f"{place}: {name} has no slope, received {slope!r}")
        slope = FUNCTIONS[name] if slope is None else slope
        if slope is not None:
            try:
                # f' is read off y's sign, which needs a slope above 0.
                slope = number(1e-12, 1e6)(slope)
            except ValueError as error:
                raise SpecError(f"{place}: {name}: {error}") from None
        return {"function": name, "slope": slope or 0.0}

    def build(self) -> Shape:
        return self.in_shape

    @property
    def by_element(self) -> bool:
        """Whether there is a function, and it takes each element by itself."""
        return self.settings["function"] not in ("identity", "softmax")

    def passes_through(self, training: bool) -> bool:
        return self.settings["function"] == "identity"

    def forward(self, backend, io: Bound) -> list[Stage]:
        s = self.settings
        if s["function"] == "softmax":
            return [backend.softmax_forward(io.x, io.y)]
        return [backend.activation_forward(io.x, io.y, s["function"], s["slope"])]

    def backward(self, backend, io: Bound) -> list[Stage]:
        if io.dx is None:
            return []
        s = self.settings
        if s["function"] == "softmax":
            return [backend.softmax_backward(io.y, io.dy, io.dx)]
        return [
            backend.activation_backward(io.y, io.dy, io.dx, s["function"], s["slope"])
        ]


_LARGEST = 3.4028235e38  # of float32
_LIMIT = optional(number(-_LARGEST, _LARGEST))


class Clip(Layer):
    r"""y = min(max(x, minimum), maximum); dx = dy where minimum < y < maximum, else 0.

    A limit that is none does not hold. ReLU6 is {minimum: 0, maximum: 6}.
    Source: ONNX operator Clip.
    """

    kind = "clip"
    table = {"minimum": Setting(_LIMIT, None), "maximum": Setting(_LIMIT, None)}

    def build(self) -> Shape:
        low, high = self.settings["minimum"], self.settings["maximum"]
        self.low = -math.inf if low is None else low
        self.high = math.inf if high is None else high
        if self.low >= self.high:
            raise self.fail(
                f"the minimum must be below the maximum, received minimum={low}, "
                f"maximum={high}"
            )
        return self.in_shape

    def passes_through(self, training: bool) -> bool:
        return math.isinf(self.low) and math.isinf(self.high)

    def forward(self, backend, io: Bound) -> list[Stage]:
        return [backend.clip_forward(io.x, io.y, self.low, self.high)]

    def backward(self, backend, io: Bound) -> list[Stage]:
        if io.dx is None:
            return []
        return [backend.clip_backward(io.y, io.dy, io.dx, self.low, self.high)]
