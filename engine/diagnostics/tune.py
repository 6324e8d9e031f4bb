"""Restarts with other ranges of the initial weights, until derivatives are in the band.

S0 5.4.2 restarts by hand with a wider W^n. With identity activations der_w(n) of Eq.
(1a) is proportional to the product of all W^ν but W^n, so factors a_ν that bring every
der_w(n) to one target solve

    Σ_{ν≠n} ln a_ν = r_n = ln(target / der_w(n)),
    ln a_n = Σ r / (L − 1) − r_n          for L layers

at once. Where activations bend or the loss's derivative depends on its outputs, the
same step is taken again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.diagnostics.mav import mav, range_of, weighted
from engine.diagnostics.table import BAND, Row, Table
from engine.errors import InputError, NumericsError
from engine.network import Network
from engine.settings import is_integer

# A step in the dark is not to leave float32: e^±7 is about 10^±3.
_LARGEST_STEP = 7.0


@dataclass(frozen=True)
class Tuning:
    """What `tune` reached.

    factors: of the initial weights, by layer; W: their range in Eq. 3, |w| ≤ W / (v h);
    table: the MAV of the last start; starts: how many there were; outside: the layers
    that are not in the band.
    """

    factors: dict[str, float]
    W: dict[str, float]
    table: Table
    starts: int
    outside: list[str]

    def text(self) -> str:
        """Return the table, what W^n to take, and which layers stayed outside."""
        lines = [self.table.text(), ""]
        lines += [f"{name}: W = {value:.6g}" for name, value in self.W.items()]
        low, high = BAND
        if self.outside:
            lines.append(
                f"not in the band {low}-{high} after {self.starts} starts: "
                + ", ".join(self.outside)
            )
        return "\n".join(lines)


def tune(network: Network, x: Any, t: Any, *, restarts: int = 20) -> Tuning:
    """Start anew with rescaled initial weights until every der_w is in the band.

    x, t: a batch, as for `Network.gradients`. The network then holds the weights of the
    last start. A uniform law that is rescaled is the same law with another W^n.
    Raises: InputError for a network of one layer (its derivatives do not depend on its
    weights) or restarts below 0; as `mav`.
    """
    layers = weighted(network)
    if len(layers) < 2:
        raise InputError(
            "tune: expected two layers with weights or more, found 1: its derivatives "
            "do not depend on the range of its own weights"
        )
    if not is_integer(restarts) or restarts < 0:
        raise InputError(
            f"tune: restarts: expected an integer of at least 0, received {restarts!r}"
        )
    initial = {
        layer.name: layer.parameters[0].initial(network.seed, layer.index)
        for layer in layers
    }
    factors = dict.fromkeys(initial, 1.0)
    for start in range(1, restarts + 2):
        network.set_parameters(
            {f"{name}.weight": initial[name] * factors[name] for name in initial}
        )
        table = mav(network, x, t)
        outside = [row.layer for row in table.rows if row.verdict != "good"]
        if not outside or start > restarts:
            break
        steps = _steps(table.rows)
        factors = {name: factors[name] * steps[name] for name in factors}
    ranges = {
        layer.name: range_of(layer, initial[layer.name]) * factors[layer.name]
        for layer in layers
    }
    return Tuning(factors, ranges, table, start, outside)


def _steps(rows: list[Row]) -> dict[str, float]:
    """Return the factors that would bring every der_w to the middle of the band."""
    target = math.sqrt(BAND[0] * BAND[1])
    dead = [row.layer for row in rows if row.der_w == 0.0]
    if dead:
        raise NumericsError(
            f"tune: no derivative reaches the weights of {', '.join(dead)}: no range "
            "of initial weights changes that; look at the activations and the input"
        )
    r = np.array([math.log(target / row.der_w) for row in rows])
    steps = np.clip(r.sum() / (len(rows) - 1) - r, -_LARGEST_STEP, _LARGEST_STEP)
    return {row.layer: math.exp(s) for row, s in zip(rows, steps, strict=True)}
