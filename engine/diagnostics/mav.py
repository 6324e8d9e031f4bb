"""Mean absolute values (MAV) of what the weights' derivatives are made of: S0 Fig. 4.

Layer n is a convolution or a dense layer, with the activation behind it. In Eq. (1) the
derivative by a weight is a sum over the neurons β that the weight takes part in, of

    In_α(β) · δ_β,    δ_β = N'_β ∂Loss/∂N_β = ∂Loss/∂b_β        (Eq. 2; 2a for n < last)

(b_β: a bias of that neuron alone). The table holds, for the loss of one sample:

    biases     |b|                        in_map   |In|
    weights    |w|                        der      |N'|
    der_b      |δ_β|                      der_w    |In_α(β) δ_β|, one term of Eq. (1)
    metric     der(n) · weights(n+1) · der_b(n+1): Eq. (2a) in mean values
    gradient   |∂Loss/∂w|, the whole sum of Eq. (1), of the batch's loss

each a mean over samples, neurons and weights; `der_w_mean` is the mean of the same
terms with their signs.
"""

# DEVIATION: S0 gives no formula for "der_w MAV". Its printed numbers (der_w = in_map ·
# der_b to 0.4 % in layer 1, to all digits in layer 2) are those of the terms of Eq.
# (1), not of their sum, so the terms are averaged here; the sum stands beside it.

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from engine.backends.reference import Reference
from engine.diagnostics.table import Row, Table
from engine.errors import InputError
from engine.layers import Activation, Bound, Conv, Dense, Layer
from engine.network import Network


def mav(network: Network, x: Any, t: Any) -> Table:
    """Return the table for the network as it is, at the start or at any step.

    x, t: a batch, as for `Network.gradients`; nothing is updated.
    Raises: InputError for x or t that do not fit, or a network without weights;
    NumericsError if the loss is not finite.
    """
    gradients = network.gradients(x, t)
    layers = weighted(network)
    plan = network.plan(len(x), training=True, input_gradient=True)
    each = 1.0 / network.loss_function.scale(len(x))  # from the batch's loss to one's
    rows: list[Row] = []
    for layer in reversed(layers):
        io = plan.bounds[layer.index]
        own = network.parameters_of(layer)
        weights = _mean(own[f"{layer.name}.weight"])
        biases = own.get(f"{layer.name}.bias")
        in_map = np.float64(network.backend.get(io.scratch.get("padded", io.x)))
        delta = np.float64(network.backend.get(io.dy)) * each
        der, der_b = _derivative(network, layer, plan.bounds), _mean(delta)
        behind = rows[0] if rows else None
        rows.insert(
            0,
            Row(
                layer=layer.name,
                biases=None if biases is None else _mean(biases),
                der_w=_terms(layer, abs(in_map), abs(delta)),
                in_map=_mean(in_map),
                der=der,
                weights=weights,
                der_b=der_b,
                metric=behind and der * behind.weights * behind.der_b,
                der_w_mean=_terms(layer, in_map, delta),
                gradient=_mean(gradients[f"{layer.name}.weight"]),
                W=range_of(layer, own[f"{layer.name}.weight"]),
            ),
        )
    return Table(rows)


def weighted(network: Network) -> list[Layer]:
    """Return the convolutions and dense layers.  Raises: InputError without any."""
    layers = [layer for layer in network.layers if isinstance(layer, Conv | Dense)]
    if not layers:
        raise InputError("expected a network with a conv or dense layer, found none")
    return layers


def range_of(layer: Layer, weights: np.ndarray) -> float:
    """Return W of Eq. (3), the range that a layer's weights have: max |w| · v h."""
    return float(abs(weights).max()) * layer.parameters[0].fan.extent


def _mean(values: np.ndarray) -> float:
    return float(np.abs(np.float64(values)).mean())


def _terms(layer: Layer, x: np.ndarray, delta: np.ndarray) -> float:
    """Return the mean of x_α(β) · δ_β over samples, neurons and weights.

    The sum of these over samples and places is what backward computes; there are as
    many of them to a weight as samples × places. It is linear in x and in δ, so the
    maps that one weight each joins are summed first: one map in, one out.
    """
    weights = layer.parameters[0].shape
    host, n = Reference(), len(x)
    if isinstance(layer, Conv):
        g, groups = layer.geometry, layer.geometry.groups
        x = x.reshape(n, groups, -1, g.height, g.width).sum(axis=2)
        delta = delta.reshape(n, groups, -1, *delta.shape[2:]).sum(axis=2)
        dw = np.empty((groups, 1, *g.kernel))
        one = replace(g, channels=groups, filters=groups)
        host.conv_backward_weights(x, delta, dw, None, one)()
        places = delta[0, 0].size
    else:
        dw, places = x.reshape(n, -1).sum(axis=1) @ delta.reshape(n, -1).sum(axis=1), 1
    return float(np.sum(dw)) / (math.prod(weights) * n * places)


def _derivative(network: Network, layer: Layer, bounds: list[Bound]) -> float:
    """Return the mean |N'| of the activation behind a layer; 1 if there is none."""
    for behind in network.layers:
        if isinstance(behind, Activation) and behind.sources == [layer.index]:
            y = np.float64(network.backend.get(bounds[behind.index].y))
            slopes = np.empty_like(y)
            s = behind.settings
            if s["function"] == "softmax":
                return _mean(y * (1.0 - y))  # ∂s_i/∂N_i, S0 5.4.2's footnote 2
            Reference().activation_backward(
                y, np.ones_like(y), slopes, s["function"], s["slope"]
            )()
            return _mean(slopes)
    return 1.0
