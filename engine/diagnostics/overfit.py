"""Whether a network can learn at all: a tiny batch, learned by heart.

Source: S2, "Debugging Tip": "a tiny data subset such as 32 samples (16 samples each of
two classes) ... is used for both training and validation with a batch size also 32. The
model should easily memorize the data and overfit to an accuracy of 100% while the
cross-entropy cost function drops from nearly 1 to 0."
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine import metrics
from engine.errors import InputError
from engine.network import Network
from engine.settings import is_integer
from engine.training.loop import Trainer

_ADAM = {"adam": {"learning_rate": 0.001}}
_STEPS_BETWEEN_LOOKS = 10


@dataclass(frozen=True)
class Overfit:
    """What `overfit` reached.

    classes: the two that were learned; steps: how many were taken; first_loss, loss,
    accuracy (a portion): of the batch, in evaluation mode, before and at the end;
    passed: whether it was learned by heart.
    """

    classes: tuple[int, int]
    steps: int
    first_loss: float
    loss: float
    accuracy: float
    passed: bool

    def text(self) -> str:
        """Return one line that says what was reached."""
        verdict = "learned by heart" if self.passed else "NOT learned by heart"
        return (
            f"classes {self.classes[0]} and {self.classes[1]} {verdict}: after "
            f"{self.steps} steps accuracy {self.accuracy:.0%}, loss {self.loss:.4f} "
            f"(at first {self.first_loss:.4f})"
        )


def overfit(
    network: Network,
    x: Any,
    t: Any,
    *,
    optimizer: Any = None,
    samples: int = 32,
    steps: int = 1000,
    limit: float = 0.01,
    seed: int = 0,
) -> Overfit:
    """Train on one batch until its accuracy is 1 and its loss at most `limit`.

    The batch: of x (N, ...) and t int (N,), the first `samples`/2 of each of the first
    two classes that have as many. optimizer: as for a Trainer; None: Adam at 0.001.
    After `steps` steps it has not passed. The network ends as it began.

    Not passing is a sign of a broken network, rate or data; passing is none that it
    generalises.
    Raises: InputError for a network whose loss is not that of classes, or without
    enough samples of two classes; NumericsError if the training diverges.
    """
    if not network.loss_function.takes_classes():
        raise InputError(
            "overfit: expected a network with a loss of classes "
            f"(softmax_cross_entropy), received {network.loss_function.name}"
        )
    if not is_integer(steps) or steps < 1:
        raise InputError(
            f"overfit: steps: expected an integer of at least 1, received {steps!r}"
        )
    x = network.check_input(x)
    rows, classes = _batch(network.check_targets(t, len(x)), samples)
    x, t = x[rows], np.asarray(t)[rows]
    backend, accuracy, passed = network.backend, 0.0, False
    start = backend.get_flat(network.flat)
    trainer = Trainer(network, optimizer or _ADAM, batch_size=samples, seed=seed)
    try:
        first_loss = network.loss(x, t)
        while trainer.steps < steps and not passed:
            trainer.step(x, t)
            if trainer.steps % _STEPS_BETWEEN_LOOKS and trainer.steps < steps:
                continue
            loss, outputs = network.evaluate(x, t)
            accuracy = metrics.accuracy(outputs, t)
            passed = accuracy == 1.0 and loss <= limit
    finally:
        backend.put_flat(network.flat, start)
    return Overfit(classes, trainer.steps, first_loss, loss, accuracy, passed)


def _batch(t: np.ndarray, samples: Any) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the rows of the batch, and its two classes."""
    if not is_integer(samples) or samples < 2 or samples % 2:
        raise InputError(
            f"overfit: samples: expected an even number of at least 2, received "
            f"{samples!r}"
        )
    if t.dtype.kind not in "iu":
        raise InputError("overfit: expected class numbers (N,), received portions")
    numbers, counts = np.unique(t, return_counts=True)
    chosen = numbers[counts >= samples // 2][:2]
    if len(chosen) < 2:
        found = ", ".join(f"{c}: {n}" for c, n in zip(numbers, counts, strict=True))
        raise InputError(
            f"overfit: expected {samples // 2} samples or more of each of two classes, "
            f"received (class: samples) {found}; lower samples={samples}"
        )
    rows = [np.flatnonzero(t == c)[: samples // 2] for c in chosen]
    return np.concatenate(rows), (int(chosen[0]), int(chosen[1]))
