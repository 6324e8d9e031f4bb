"""Primitives over flat arrays: of every size, and nothing beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from engine.backends.update import UpdateRule
from engine.optimizers import OPTIMIZERS
from engine.regularizers import WeightDecay
from tests.engine.cases import FLOAT32_FORWARD, relative

SIZES = [1, 7, 8, 9, 31, 2047, 2048, 2049, 2048 * 2 + 37]
BEYOND = 5  # numbers behind the array that no primitive may look at or change
NUMBERS = {
    "sgd": (0.1,),
    "momentum": (0.8, 1.0, 0.1),
    "nesterov": (0.8, 1.0, 0.1),
    "adagrad": (0.1, 0.0, 1e-3),
    "adadelta": (0.1, 0.9, 0.1, 1e-3),
    "adam": (0.1, 1.5, 0.9, 0.1, 0.99, 0.01, 0.0, 1e-3),
}


def flat(device, values):
    """Return a flat array of the host's numbers."""
    array = device.flat(len(values))
    device.put_flat(array, values)
    return array


def updated(device, rule: UpdateRule, size: int) -> list[np.ndarray]:
    """Return w and what is kept after the update of the first `size` numbers."""
    draw = np.random.Generator(np.random.PCG64(size)).random
    kept = OPTIMIZERS[rule.name].keeps
    arrays = [flat(device, draw(size + BEYOND) - 0.5 * (k < 2)) for k in range(4)]
    arrays = arrays[: 2 + len(kept)]
    device.update(rule, *(device.part(array, 0, (size,)) for array in arrays))()
    device.finish()
    return [device.get_flat(array) for array in (arrays[0], *arrays[2:])]


@pytest.mark.parametrize("decay", [{}, {"l1": 0.01, "l2": 0.02}], ids=["", "decay"])
@pytest.mark.parametrize("name", NUMBERS)
def test_update_of_every_size(name, decay, device, reference):
    rule = UpdateRule(name, lambda rate, t: NUMBERS[name], 1.0, WeightDecay(**decay))
    for size in SIZES:
        expected = updated(reference, rule, size)
        for ours, definition in zip(updated(device, rule, size), expected, strict=True):
            assert relative(ours, definition) <= FLOAT32_FORWARD, size


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_guard_looks_at_every_gradient_and_no_further(value, device):
    for size in SIZES:
        for at in {0, size // 2, size - 1, size}:
            values = np.full(size + BEYOND, 3e38, np.float32)
            values[at] = value
            losses = device.empty(3, (1,))
            device.guard(flat(device, values), size, losses)()
            found = np.isnan(device.get(losses)[:, 0])
            fault = np.isnan(device.get_flat(device.fault))
            device.put_flat(device.fault, np.zeros(1))  # or nothing is learned any more
            assert list(found) == [at < size, False, False], (size, at)
            assert list(fault) == [at < size], (size, at)
