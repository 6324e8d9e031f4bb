"""What a backend must do: the one list of primitives.

Two kinds of arrays live on a device:
  batch arrays   (n, *shape), one row per sample; made by `empty`. How they lie in
                 memory is the backend's own business; `put` and `get` translate.
  flat arrays    plain numbers in C order: parameters, their gradients, optimiser state.
                 One flat array holds them all; `part` gives a named piece of it.

Every primitive that computes takes its arrays once and returns a stage, a function
without arguments that runs it. So arguments are bound once per batch size, and a step
is a walk along a list. What changes from step to step (`step`, `learning_rate`) is read
from `self.state` when the stage runs. A stage may return before its work is done; `get`
and `finish` wait.

NaN and infinity are never hidden: where a function would map an infinity to a finite
number (ReLU, sigmoid, maximum, softmax), the primitive gives NaN instead, so that the
loss shows whatever went wrong before it. `guard` keeps such a fault on the device,
where it stops every later update, so that the host may learn of it late. See
`Plan.check_finite`.

Sameness: a backend cuts its work into chunks that do not depend on the number of
threads and adds partial sums in a fixed order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.backends.fused import FusedPrimitives, in_order
from engine.backends.geometry import ConvGeometry, PadGeometry, PoolGeometry
from engine.backends.norm import Norm
from engine.backends.response_norm import ResponseNorm
from engine.backends.update import UpdateRule

Array = Any
Stage = Callable[[], None]

__all__ = ["Array", "Backend", "Drawn", "Stage", "State", "in_order"]


@dataclass(frozen=True)
class Drawn:
    """A batch that the device draws: these rows of a source, see `Backend.source`."""

    source: Any
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


@dataclass
class State:
    """What stages read at run time. seed and step key the random numbers."""

    seed: int = 0
    step: int = 0
    learning_rate: float = 0.0


class Backend(FusedPrimitives, ABC):
    """A device that computes. `id`, `name`, `kind`, `compute_units` describe it.

    fault: a flat array (1,), NaN once `guard` has found one, until it is set to 0.
    """

    id: str
    name: str
    kind: str
    compute_units: int
    dtype: np.dtype
    fault: Array

    # --- memory -----------------------------------------------------------------

    @abstractmethod
    def empty(self, n: int, shape: tuple[int, ...]) -> Array:
        """Return a batch array (n, *shape); rows and padding of it start as 0."""

    @abstractmethod
    def empty_like(self, array: Array) -> Array:
        """Return a batch array of the same batch and shape, for the backend's use."""

    @abstractmethod
    def reshape(self, array: Array, shape: tuple[int, ...]) -> Array:
        """Return the same numbers of a batch array as (n, *shape), in C order."""

    @abstractmethod
    def put(self, array: Array, values: np.ndarray | Drawn) -> None:
        """Copy the host's (n, *shape), or what is to be drawn, into a batch array."""

    def source(self, values: np.ndarray) -> Any:
        """Return what the device can draw rows of (N, *shape) from; None: it cannot.

        The values must stay as they are as long as the source is used.
        """
        return None

    @abstractmethod
    def get(self, array: Array) -> np.ndarray:
        """Return a batch array as the host's (n, *shape), of the backend's dtype."""

    def getting(self, array: Array) -> Callable[[], np.ndarray]:
        """Return a function that gives what `get` would give now, when it is needed.

        In the meantime other stages may run, and overwrite the array.
        """
        values = self.get(array)
        return lambda: values

    @abstractmethod
    def flat(self, size: int) -> Array:
        """Return a flat array of `size` zeros."""

    @abstractmethod
    def part(self, array: Array, offset: int, shape: tuple[int, ...]) -> Array:
        """Return the piece of a flat array at `offset` (a multiple of `alignment`)."""

    @abstractmethod
    def put_flat(self, array: Array, values: np.ndarray) -> None:
        """Copy the host's numbers into a flat array or a part of one."""

    @abstractmethod
    def get_flat(self, array: Array) -> np.ndarray:
        """Return a flat array or a part of one as the host's array of its shape."""

    @property
    @abstractmethod
    def alignment(self) -> int:
        """The number of elements that the offset of a part must be a multiple of."""

    @abstractmethod
    def finish(self) -> None:
        """Wait until every stage that was run is done."""

    @abstractmethod
    def close(self) -> None:
        """Give the device's threads and memory back; the backend is unusable then."""

    # --- layers; formulas stand in engine/layers ---------------------------------

    @abstractmethod
    def conv_forward(
        self, x: Array, w: Array, b: Array | None, y: Array, g: ConvGeometry
    ) -> Stage:
        """y = conv(x, w) + b; x (n,C,H,W), w (F,C/groups,kh,kw), y (n,F,H',W')."""

    @abstractmethod
    def conv_backward_data(
        self, dy: Array, w: Array, dx: Array, g: ConvGeometry
    ) -> Stage:
        """dx = ∂loss/∂x, overwritten."""

    @abstractmethod
    def conv_backward_weights(
        self, x: Array, dy: Array, dw: Array, db: Array | None, g: ConvGeometry
    ) -> Stage:
        """dw = ∂loss/∂w and, unless None, db = ∂loss/∂b, overwritten."""

    @abstractmethod
    def dense_forward(self, x: Array, w: Array, b: Array | None, y: Array) -> Stage:
        """y = x wᵀ + b; x read as (n, K), w (O, K), y (n, O)."""

    @abstractmethod
    def dense_backward_data(self, dy: Array, w: Array, dx: Array) -> Stage:
        """dx = dy w, overwritten, in dx's own shape."""

    @abstractmethod
    def dense_backward_weights(
        self, x: Array, dy: Array, dw: Array, db: Array | None
    ) -> Stage:
        """dw = dyᵀ x and, unless None, db = Σ_n dy, overwritten."""

    @abstractmethod
    def max_pool_forward(
        self, x: Array, y: Array, place: Array, g: PoolGeometry
    ) -> Stage:
        """y = the windows' maxima; place = where in the window the first one stands."""

    @abstractmethod
    def max_pool_backward(
        self, dy: Array, place: Array, dx: Array, g: PoolGeometry
    ) -> Stage:
        """dx = dy, sent to the places that forward kept, overwritten."""

    @abstractmethod
    def average_pool_forward(self, x: Array, y: Array, g: PoolGeometry) -> Stage:
        """y = the windows' sums over g.divisors(); places outside the map are 0."""

    @abstractmethod
    def average_pool_backward(self, dy: Array, dx: Array, g: PoolGeometry) -> Stage:
        """dx = dy / g.divisors(), summed over each place's windows, overwritten."""

    @abstractmethod
    def pad_forward(self, x: Array, y: Array, g: PadGeometry) -> Stage:
        """y = x (n,C,H,W) with g.sources() around it, or g.value; y (n,C,H',W')."""

    @abstractmethod
    def pad_backward(self, dy: Array, dx: Array, g: PadGeometry) -> Stage:
        """dx = dy, summed over the places that are copies of each, overwritten."""

    # Channels are the first axis after the batch: of x (n,F) each feature is one.

    @abstractmethod
    def moments(self, x: Array, mean: Array, variance: Array) -> Stage:
        """Mean and (biased) variance of each channel of x; both flat (C,)."""

    @abstractmethod
    def normalize(self, x: Array, y: Array, by: Norm) -> Stage:
        """y = γ (x − mean) / √(variance + ε) + β, channel by channel."""

    @abstractmethod
    def normalize_backward(
        self,
        x: Array,
        dy: Array,
        dx: Array | None,
        dgamma: Array | None,
        dbeta: Array | None,
        by: Norm,
    ) -> Stage:
        """dx, dγ, dβ, each unless None, overwritten; by's moments are those of x."""

    @abstractmethod
    def blend(self, kept: Array, new: Array, portion: float, factor: float) -> Stage:
        """kept ← (1 − portion) · kept + portion · factor · new; flat arrays.

        With a fault nothing changes.
        """

    @abstractmethod
    def softmax_forward(self, x: Array, y: Array) -> Stage:
        """y = e^x / Σ e^x, the sum over the channels."""

    @abstractmethod
    def softmax_backward(self, y: Array, dy: Array, dx: Array) -> Stage:
        """dx = y (dy − Σ y dy), the sum over the channels, overwritten."""

    @abstractmethod
    def activation_forward(
        self, x: Array, y: Array, function: str, slope: float
    ) -> Stage:
        """y = f(x); see engine/layers/activation.py for the functions."""

    @abstractmethod
    def activation_backward(
        self, y: Array, dy: Array, dx: Array, function: str, slope: float
    ) -> Stage:
        """dx = f'(x) dy, with f' from y, overwritten."""

    @abstractmethod
    def clip_forward(self, x: Array, y: Array, low: float, high: float) -> Stage:
        """y = min(max(x, low), high); low or high may be infinite."""

    @abstractmethod
    def clip_backward(
        self, y: Array, dy: Array, dx: Array, low: float, high: float
    ) -> Stage:
        """dx = dy where low < y < high, else 0; overwritten."""

    @abstractmethod
    def scale(self, x: Array, w: Array, b: Array | None, y: Array) -> Stage:
        """y = w x + b; of w's and b's K numbers each serves features / K in a row."""

    @abstractmethod
    def scale_backward_weights(
        self, x: Array, dy: Array, dw: Array | None, db: Array | None
    ) -> Stage:
        """dw = Σ dy x and db = Σ dy over what each served, unless None; overwritten."""

    @abstractmethod
    def local_response_norm(
        self, x: Array, y: Array, s: Array, norm: ResponseNorm
    ) -> Stage:
        """s = bias + α/size Σ x² over neighbouring channels, y = x s^−β; all (n,C,H,W).

        Backward needs s.
        """

    @abstractmethod
    def local_response_norm_backward(
        self, x: Array, y: Array, s: Array, dy: Array, dx: Array, norm: ResponseNorm
    ) -> Stage:
        """dx = ∂loss/∂x, overwritten."""

    @abstractmethod
    def dropout(self, x: Array, y: Array, portion: float, layer: int) -> Stage:
        """y = x · mask / (1 − portion); the mask of (state.seed, state.step, layer)."""

    @abstractmethod
    def dropconnect(self, w: Array, y: Array, portion: float, layer: int) -> Stage:
        """y = w · mask / (1 − portion), flat arrays of w's shape; y may be w itself."""

    @abstractmethod
    def freezeconnect(
        self, w: Array, portion: float, layer: int
    ) -> tuple[Stage, Stage]:
        """Return (keep, put_back): between the two w may change, but for `portion`."""

    @abstractmethod
    def add(self, xs: list[Array], y: Array) -> Stage:
        """y = Σ xs, in the list's order; all of one shape."""

    @abstractmethod
    def multiply(self, a: Array, b: Array, y: Array) -> Stage:
        """y = a b; of K numbers of a or b each serves features / K of y in a row.

        y may be a or b.
        """

    @abstractmethod
    def multiply_sum(self, a: Array, b: Array, y: Array) -> Stage:
        """y = Σ a b over the features in a row that each number of y serves.

        One of a and b has all features; the other these too, or as many as y.
        """

    @abstractmethod
    def copy_features(
        self, x: Array, x_begin: int, y: Array, y_begin: int, count: int
    ) -> Stage:
        """Copy `count` of each sample's numbers, read as one row, from x to y."""

    # --- losses; formulas stand in engine/losses.py ------------------------------

    @abstractmethod
    def loss(
        self,
        kind: str,
        z: Array,
        t: Array,
        dz: Array | None,
        losses: Array,
        scale: float,
    ) -> Stage:
        """losses (n,1) = the loss of each sample; dz (unless None) = scale · ∂loss/∂z.

        z (n, K). t: a batch array (n, K) of values, or for class targets (n, 1) of
        class numbers (`softmax_cross_entropy_classes`).
        """

    @abstractmethod
    def guard(self, gradients: Array, size: int, losses: Array) -> Stage:
        """losses[0] = fault[0] = NaN if a loss, or one of the first `size` gradients,
        is NaN or infinite.
        """

    # --- optimisers; formulas stand in engine/optimizers.py -----------------------

    @abstractmethod
    def update(self, rule: UpdateRule, w: Array, dw: Array, *kept: Array) -> Stage:
        """Change w as `rule` says, by the gradients dw and what the rule keeps.

        All are flat arrays, or parts, of one size. With a fault nothing changes.
        """
