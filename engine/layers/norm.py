"""Batch normalisation."""

from __future__ import annotations

import math
from typing import Any

from engine.backends.base import Array, Backend
from engine.backends.norm import Norm
from engine.errors import InputError
from engine.initializers import ONES, ZEROS, Fan
from engine.layers.base import Bound, Layer, Parameter, Shape, Stage
from engine.settings import Setting, number


def _affine(value: Any) -> bool | str:
    """Whether γ and β are learned, or which of them."""
    if isinstance(value, bool) or value in ("gamma", "beta"):
        return value
    raise ValueError(f"expected true, false, gamma or beta, received {value!r}")


class BatchNorm(Layer):
    r"""y = γ x̂ + β,  x̂ = (x − μ) / √(σ² + ε)

    for each channel of x (n, C, H, W), or feature of x (n, C), by itself.

    Training: μ = 1/M Σ x and σ² = 1/M Σ (x − μ)² are the batch's own, summed over the
    channel's M = n H W values. Each step of a Trainer then moves the running statistics
        mean ← (1 − a) mean + a μ,   variance ← (1 − a) variance + a σ² M / (M − 1)
    with a = momentum. Evaluation: μ and σ² are the running ones.

    Backward (training), sums over the channel's M values:
        dγ = Σ dy x̂,   dβ = Σ dy,
        dx = γ / (M √(σ² + ε)) · (M dy − Σ dy − x̂ Σ dy x̂)

    Parameters, each (C,): gamma (1 at first), beta (0) are learned; running_mean (0),
    running_variance (1) are not. `affine: false` has neither γ nor β (S3's variant,
    with `epsilon: 0`); with `affine: gamma` only γ is learned and β stays 0, with
    `affine: beta` only β and γ stays 1 (Keras's center=False, scale=False).
    Source: S4 Algorithm 1; S2 Eqs. 16-19 (its α is γ); S3 5.3.
    """

    kind = "batch_norm"
    table = {
        "affine": Setting(_affine, True),
        "momentum": Setting(number(0.0, 1.0), 0.1),
        "epsilon": Setting(number(0.0, 1.0), 1e-5),
    }

    def build(self) -> Shape:
        shape, fan = self.in_shape[:1], Fan(1, 1, 1)
        if self.settings["affine"]:
            learned = self.settings["affine"]
            self.parameters = [
                Parameter("gamma", shape, ONES, fan, learned != "beta"),
                Parameter("beta", shape, ZEROS, fan, learned != "gamma", is_bias=True),
            ]
        self.parameters += [
            Parameter("running_mean", shape, ZEROS, fan, learned=False),
            Parameter("running_variance", shape, ONES, fan, learned=False),
        ]
        return self.in_shape

    def _count(self, n: int) -> int:
        """Return M.  Raises: InputError if it is 1: there is no deviation then."""
        count = n * math.prod(self.in_shape[1:])
        if count == 1:
            raise InputError(
                f"{self.place}: training takes the mean and variance of each channel "
                "over the batch and needs at least two values, received a batch of 1; "
                "choose a batch_size that leaves no single sample for the last batch"
            )
        return count

    def forward(self, backend, io: Bound) -> list[Stage]:
        before, by = self.statistics(backend, io)
        return [*before, backend.normalize(io.x, io.y, by)]

    def statistics(self, backend, io: Bound) -> tuple[list[Stage], Norm]:
        """Return by what to normalise, and the stages that compute it first."""
        if not io.training:
            return [], self._by(io, *_running(io))
        self._count(io.n)
        mean, variance = (backend.flat(self.in_shape[0]) for _ in range(2))
        io.scratch |= {"mean": mean, "variance": variance}
        return [backend.moments(io.x, mean, variance)], self.seen(io)

    def backward(self, backend, io: Bound) -> list[Stage]:
        dgamma, dbeta = self.learned(backend, io)
        if io.dx is None and dgamma is None:
            return []
        by = self.seen(io)
        return [backend.normalize_backward(io.x, io.dy, io.dx, dgamma, dbeta, by)]

    def learned(
        self, backend: Backend, io: Bound
    ) -> tuple[Array, Array] | tuple[None, None]:
        """Return where dγ and dβ go: None if neither is learned."""
        if not io.g:
            return None, None
        gamma, beta = (
            io.g[name] if name in io.g else backend.flat(self.in_shape[0])
            for name in ("gamma", "beta")
        )
        return gamma, beta

    def seen(self, io: Bound) -> Norm:
        """Return what forward normalised by in training."""
        return self._by(io, *_seen(io))

    def track(self, backend, io: Bound) -> list[Stage]:
        a, count = self.settings["momentum"], self._count(io.n)
        factors = 1.0, count / (count - 1)
        return [
            backend.blend(kept, new, a, factor)
            for kept, new, factor in zip(_running(io), _seen(io), factors, strict=True)
        ]

    def _by(self, io: Bound, mean: Array, variance: Array) -> Norm:
        gamma, beta = io.p.get("gamma"), io.p.get("beta")
        return Norm(mean, variance, gamma, beta, self.settings["epsilon"])


def _running(io: Bound) -> tuple[Array, Array]:
    """Return the running mean and variance."""
    return io.p["running_mean"], io.p["running_variance"]


def _seen(io: Bound) -> tuple[Array, Array]:
    """Return the mean and variance of the batch that forward saw."""
    return io.scratch["mean"], io.scratch["variance"]
