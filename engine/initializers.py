"""Initial weights, each a pure function of (seed, layer, parameter's shape).

`fan_in`, `fan_out` count the connections of one output and of one input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import random
from engine.errors import nearest
from engine.settings import Setting, named, number, read


@dataclass(frozen=True)
class Fan:
    """What an initialiser must know of a weight array.

    extent: v · h, the product of a filter's vertical and horizontal sizes (Eq. 3).
    """

    fan_in: int
    fan_out: int
    extent: int


_POSITIVE = number(0.0, 1e9)

# name -> (settings, half-width of the uniform law or None, sd of the normal law)
_LAWS = {
    "uniform": {"W": Setting(_POSITIVE, 1.0), "B": Setting(_POSITIVE, 0.0)},
    "normal": {"sigma": Setting(_POSITIVE, 0.01)},
    "zeros": {},
    "ones": {},
    "lecun_normal": {},
    "lecun_uniform": {},
    "he_normal": {},
    "he_uniform": {},
    "glorot_normal": {},
    "glorot_uniform": {},
    "torch_uniform": {},
}


@dataclass(frozen=True)
class Initializer:
    """A checked `init:` setting.

    uniform {W, B}: weights in ±W / (v h), biases in ±B          Source: S0 Eq. 3.
    normal {sigma}: N(0, σ²)                                     Source: S3.
    lecun: variance 1 / fan_in                                   Source: S2 (14b).
    he: variance 2 / fan_in                                      Source: S2 (14c).
    glorot: variance 2 / (fan_in + fan_out)                      Source: S2 (14d).
    torch_uniform: variance 1 / (3 fan_in), that is ±1 / √fan_in, PyTorch's default for
    convolutions and dense layers; it lets a signal fade with each layer.
    zeros: 0; ones: 1.
    Biases are 0 but under `uniform`. A uniform law of variance s² lies in ±s √3.
    """

    law: str
    settings: tuple[tuple[str, float], ...] = ()

    def weights(
        self, seed: int, layer: int, shape: tuple[int, ...], fan: Fan
    ) -> np.ndarray:
        """Return float64 `shape`."""
        given = dict(self.settings)
        if self.law == "zeros":
            return np.zeros(shape)
        if self.law == "ones":
            return np.ones(shape)
        if self.law == "uniform":
            return _uniform(seed, layer, shape, given["W"] / fan.extent)
        if self.law == "normal":
            return (
                random.normal(seed, "init", shape=shape, layer=layer) * given["sigma"]
            )
        rule, kind = self.law.split("_")
        variance = {
            "lecun": 1.0 / fan.fan_in,
            "he": 2.0 / fan.fan_in,
            "glorot": 2.0 / (fan.fan_in + fan.fan_out),
            "torch": 1.0 / (3.0 * fan.fan_in),
        }[rule]
        if kind == "normal":
            z = random.normal(seed, "init", shape=shape, layer=layer)
            return z * math.sqrt(variance)
        return _uniform(seed, layer, shape, math.sqrt(3.0 * variance))

    def biases(self, seed: int, layer: int, shape: tuple[int, ...]) -> np.ndarray:
        """Return float64 `shape`."""
        half_width = dict(self.settings).get("B", 0.0)
        # step 1 keeps the biases' numbers apart from the weights' of the same layer.
        return _uniform(seed, layer, shape, half_width, step=1)


ZEROS = Initializer("zeros")
ONES = Initializer("ones")


def parse(value: Any) -> Initializer:
    """Return the initialiser of an `init:` setting: NAME or {NAME: settings}.

    Raises: ValueError for an unknown law, SpecError for unknown settings of it.
    """
    law, settings = named(value, "law of initial weights")
    if law not in _LAWS:
        raise ValueError(
            f"expected one of {', '.join(_LAWS)}, received {law!r}{nearest(law, _LAWS)}"
        )
    checked = read(settings, _LAWS[law], law)
    return Initializer(law, tuple(checked.items()))


def _uniform(
    seed: int, layer: int, shape: tuple[int, ...], half_width: float, step: int = 0
) -> np.ndarray:
    u = random.uniform(seed, "init", shape=shape, layer=layer, step=step)
    return (2.0 * u.astype(np.float64) - 1.0) * half_width
