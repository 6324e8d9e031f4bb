"""What a step costs on paper: operations and bytes of the plain algorithm."""

from __future__ import annotations

import math

import engine
from scripts.lib.speed.works import Work

_FLOAT = 4
# Numbers of each parameter that an update reads or writes: SGD p, g, p; Adam also reads
# and writes its two means.
_UPDATE = {"sgd": 3, "adam": 7}


def _layers(work: Work) -> list:
    return engine.Network.from_spec(work.spec, device="reference").layers


def flops(work: Work) -> float:
    """Return the operations of the plain algorithm for one step, 2 a multiply-add.

    Of a training step: forward, and the gradients by weights and by data of each layer,
    but by the network's input.
    """
    total = 0
    for layer in _layers(work):
        passes = 1
        if work.trains:
            passes = 2 if -1 in layer.sources else 3
        total += passes * layer.multiply_adds()
    return 2.0 * total * work.batch


def traffic(work: Work) -> float:
    """Return the bytes of one step that does one layer after the other, float32.

    Forward each layer reads its inputs and parameters and writes its output; the
    gradient by the weights reads inputs and output's gradient, that by data reads the
    latter and the weights and writes the inputs' gradient; then comes the update. What
    stays in a cache between two layers is counted all the same.
    """
    total = 0
    for layer in _layers(work):
        inputs = sum(math.prod(shape) for shape in layer.in_shapes)
        maps = work.batch * (inputs + math.prod(layer.out_shape))
        weights = sum(math.prod(p.shape) for p in layer.parameters)
        total += maps + weights
        if work.trains:
            ((optimizer, _),) = work.optimizer.items()
            total += maps + weights * (1 + _UPDATE[optimizer])
            if -1 not in layer.sources:
                total += maps + weights
    return float(_FLOAT * total)
