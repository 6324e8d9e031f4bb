"""What every layer is: shapes, parameters, forward, backward.

A layer knows the mathematics and no device. It is built once for its input's shape;
`forward` and `backward` then name the backend's primitives to run, once for each batch
size. A stage is such a primitive with its arrays bound: a function without arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from engine import settings
from engine.backends.base import Array, Backend
from engine.errors import SpecError
from engine.initializers import Fan, Initializer

Stage = Callable[[], None]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Parameter:
    """One array of numbers of a layer. `learned` ones are updated by the optimiser.

    rate: its own factor on the learning rate; frozen: the portion that each step leaves
    as it is (freezeconnect).
    """

    name: str
    shape: Shape
    initializer: Initializer
    fan: Fan
    learned: bool = True
    is_bias: bool = False
    rate: float = 1.0
    frozen: float = 0.0

    @property
    def is_weight(self) -> bool:
        """Whether weight decay means it: two axes or more, so neither bias nor γ, β."""
        return len(self.shape) > 1 and not self.is_bias

    def initial(self, seed: int, layer: int) -> np.ndarray:
        """Return the initial values, float64 `shape`."""
        if self.is_bias:
            return self.initializer.biases(seed, layer, self.shape)
        return self.initializer.weights(seed, layer, self.shape, self.fan)


@dataclass
class Bound:
    """The arrays of one layer in one plan.

    xs, dxs: inputs and their gradients (None where nobody needs one); y, dy: output and
    its gradient; n: samples of a batch; p, g: parameters and their gradients by name;
    scratch: what forward keeps for backward; dy is None in a plan that only predicts;
    adds: the first of dxs holds another consumer's gradient, to be added to.
    through: name and slope of the function f whose output x is, if dx is to be the
    gradient of f's input; dz: for the gradient of an activation's input, where the
    layer is computed with it and dy is not that already.
    """

    xs: list[Array]
    y: Array
    p: dict[str, Array]
    training: bool
    n: int
    dxs: list[Array | None] = field(default_factory=list)
    dy: Array | None = None
    g: dict[str, Array] = field(default_factory=dict)
    scratch: dict[str, Array] = field(default_factory=dict)
    adds: bool = False
    through: tuple[str, float] | None = None
    dz: Array | None = None

    @property
    def x(self) -> Array:
        """The first, mostly the only, input."""
        return self.xs[0]

    @property
    def dx(self) -> Array | None:
        """The gradient of the first input."""
        return self.dxs[0]


class Layer:
    """Base of all layers; the subclasses' docstrings hold the formulas."""

    kind: ClassVar[str]
    table: ClassVar[dict[str, settings.Setting]] = {}

    merges: ClassVar[bool] = False  # whether it takes several inputs
    # Whether the last of the wanted input gradients may be the output's own array.
    overwrites_gradient: ClassVar[bool] = False

    def __init__(self, name: str, value: Any, in_shapes: list[Shape], place: str):
        self.name = name
        self.place = place
        self.in_shapes = in_shapes
        self.in_shape = in_shapes[0]
        if (len(in_shapes) > 1) != self.merges:
            wanted = "two inputs or more" if self.merges else "one input"
            raise self.fail(f"{self.kind} takes {wanted}, received {len(in_shapes)}")
        self.settings = self.parse(value, place)
        self.parameters: list[Parameter] = []
        self.index = 0  # the layer's number in its network: part of the random counter
        self.sources = [
            -1
        ]  # the numbers of the layers it takes, -1: the network's input
        self.out_shape = self.build()

    @classmethod
    def parse(cls, value: Any, place: str) -> dict[str, Any]:
        """Return the checked settings of the spec's value."""
        return settings.read(value, cls.table, place)

    def build(self) -> Shape:
        """Fill `parameters`; return the output's shape without the batch."""
        raise SpecError(f"{self.place}: the layer {self.kind!r} cannot be built")

    def passes_through(self, training: bool) -> bool:
        """Return whether the output is the input itself, only shaped otherwise."""
        return False

    def spreads_gradient(self) -> bool:
        """Return whether each input's gradient is the output's itself (as in a sum)."""
        return False

    def adds_gradient(self, backend: Backend) -> bool:
        """Return whether backward can add to dx, as `io.adds` says (one input)."""
        return False

    def goes_through(self) -> bool:
        """Return whether backward goes through an activation, as `io.through` says."""
        return False

    def forward(self, backend: Backend, io: Bound) -> list[Stage]:
        """Return the stages that compute io.y from io.x."""
        return []

    def backward(self, backend: Backend, io: Bound) -> list[Stage]:
        """Return the stages that compute io.dxs (if wanted) and io.g from io.dy."""
        return []

    def track(self, backend: Backend, io: Bound) -> list[Stage]:
        """Return the stages that keep what training saw; only a Trainer's step runs
        them, after forward.
        """
        return []

    def multiply_adds(self) -> int:
        """Return the multiply-adds of one sample's forward pass."""
        return 0

    def fail(self, text: str) -> SpecError:
        """Return a SpecError that names the layer and its place."""
        return SpecError(f"{self.place}: {text}")

    def image_shape(self) -> tuple[int, int, int]:
        """Return (channels, height, width) of the input.

        Raises: SpecError if the input is not an image.
        """
        if len(self.in_shape) != 3:
            raise self.fail(
                f"{self.kind} expects an input (channels, height, width), received "
                f"{self.in_shape}; it must stand before any dense or flatten layer"
            )
        return self.in_shape

    def weight_and_bias(self, shape: Shape, fan: Fan) -> list[Parameter]:
        """Return `weight` of the shape, and `bias` of its first axis unless it is none.

        As the settings init, bias, bias_rate and freezeconnect say.
        Raises: SpecError for a bias_rate where no bias is learned.
        """
        s, init = self.settings, self.settings["init"]
        if s["bias"] != "learned" and s["bias_rate"] != 1.0:
            raise self.fail(
                f"bias_rate (={s['bias_rate']}) expects bias: learned, received bias: "
                f"{s['bias']}"
            )
        weight = Parameter("weight", shape, init, fan, frozen=s["freezeconnect"])
        if s["bias"] == "none":
            return [weight]
        learned, rate = s["bias"] == "learned", s["bias_rate"]
        bias = Parameter("bias", shape[:1], init, fan, learned, is_bias=True, rate=rate)
        return [weight, bias]
