"""Bounds of maps and derivatives from the range of the weights: S0 Eqs. (4), (5), (5a).

For inputs in [0, 1] and identity activations, with W^ν = max |w| · v h and B^ν =
max |b| of layer ν (Eq. 3), S0 prints

    |In_n|           ≤ Π_{ν<n} (B^ν + W^ν)                                        (4)
    |∂Loss/∂w|_last  ≤ max |∂Loss/∂N_last| Π_{ν<last} (B^ν + W^ν)                 (5)
    |∂Loss/∂w|_n     ≤ max W^{n+1} Π_{ν≤n} (B^ν + W^ν),   max W² for n = 1        (5a)
"""

# DEVIATION: as printed, these hold for one input map, one output map and one neuron. A
# neuron of layer ν sums over the C^ν maps of its input, so (4) needs B^ν + C^ν W^ν; a
# derivative comes back from all F^ν maps of every layer behind, so (5a) needs Π_{ν>n}
# F^ν W^ν max |∂Loss/∂N_last|. They bound one term of Eq. (1). Both stand side by side.

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.diagnostics.mav import range_of, weighted
from engine.layers import Layer
from engine.network import Network


@dataclass(frozen=True)
class Bounds:
    """One layer: measured largest |In|, |In δ|, and the bounds printed and corrected.

    W, B: the ranges of Eq. 3 that the layer's parameters have now.
    """

    layer: str
    W: float
    B: float
    in_max: float
    in_printed: float
    in_bound: float
    der_w_max: float
    der_w_printed: float
    der_w_bound: float


def bounds(network: Network, x: Any, t: Any) -> list[Bounds]:
    """Return measured values and bounds of every layer with weights.

    x, t: a batch, as for `Network.gradients`. The bounds hold for x in [0, 1] and
    activations whose slope and |f(x)| / |x| are at most 1; `der_w_max` is max |In| ·
    max |δ|, which no term of Eq. (1) exceeds.
    Raises: as `mav`.
    """
    network.gradients(x, t)
    layers = weighted(network)
    plan = network.plan(len(x), training=True, input_gradient=True)
    ranges = [_range(network, layer) for layer in layers]
    each = 1.0 / network.loss_function.scale(len(x))
    get = network.backend.get
    at_the_end = each * float(abs(get(plan.dz)).max())
    found = []
    for n, layer in enumerate(layers):
        io = plan.bounds[layer.index]
        in_max = float(abs(get(io.x)).max())
        delta_max = each * float(abs(get(io.dy)).max())
        in_bound = float(math.prod(b + maps * w for w, b, maps, _ in ranges[:n]))
        back = math.prod(maps * w for w, _, _, maps in ranges[n + 1 :])
        found.append(
            Bounds(
                layer=layer.name,
                W=ranges[n][0],
                B=ranges[n][1],
                in_max=in_max,
                in_printed=float(math.prod(b + w for w, b, _, _ in ranges[:n])),
                in_bound=in_bound,
                der_w_max=in_max * delta_max,
                der_w_printed=_printed(ranges, n, at_the_end),
                der_w_bound=in_bound * back * at_the_end,
            )
        )
    return found


def _printed(ranges: list[tuple], n: int, at_the_end: float) -> float:
    """Return the right-hand side of Eq. (5) or (5a) as S0 prints it; n from 0."""
    if n == len(ranges) - 1:
        return at_the_end * math.prod(b + w for w, b, _, _ in ranges[:n])
    behind = ranges[n + 1][0]
    if n == 0:
        return behind
    return behind * math.prod(b + w for w, b, _, _ in ranges[: n + 1])


def _range(network: Network, layer: Layer) -> tuple[float, float, int, int]:
    """Return (W, B, maps of the input, maps of the output) of a layer."""
    own = network.parameters_of(layer)
    weight, bias = own[f"{layer.name}.weight"], own.get(f"{layer.name}.bias")
    largest = 0.0 if bias is None else float(abs(bias).max())
    maps = int(np.prod(weight.shape[1:])) // layer.parameters[0].fan.extent
    reached = len(weight) // layer.settings.get("groups", 1)
    return range_of(layer, weight), largest, maps, reached
