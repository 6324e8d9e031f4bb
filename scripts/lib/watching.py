"""What is looked at after each pass of a training, beside loss and validation score.

training_score: accuracy on a part of the training images, unchanged by augmentation, in
evaluation mode. gradients: the standard deviation of ∂loss/∂w of each layer's weights
on one batch of them, in training mode; pass 0 is before the first step.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import engine
from engine import metrics
from engine.random import stream
from scripts.lib.files import write_csv
from scripts.lib.samples import Part

WATCHED_COLUMNS = ("training_score", "drawing")
GRADIENT_COLUMNS = ("pass", "layer", "name", "sd")
# DEVIATION: S4's training accuracy is summed while it learns; ours is of 2 500 images
# (as many as its validation part has) after each pass, so that both curves are of the
# same network, and neither of erased images.
IMAGES = 2500
_PROBE = 100


class Watch:
    """Looks at a network that is being trained.

    network: as it is before the first step; learned: its training part.
    """

    def __init__(self, network: engine.Network, task: Mapping[str, Any], learned: Part):
        self.network = network
        seed = network.seed
        order = stream(seed, "split", "watch").permutation(len(learned.ids))
        chosen = order[:IMAGES]
        self.x, self.t = learned.x[chosen], learned.t[chosen]
        self.before = self._gradients()

    def measure(self, number: int) -> dict[str, Any]:
        """Return the columns that join the row of pass `number`."""
        _, outputs = self.network.evaluate(self.x, self.t)
        return {
            "training_score": float(metrics.accuracy(outputs, self.t)),
            "gradients": self._gradients(),
        }

    def write(self, folder: Path, history: engine.History) -> None:
        """Write gradients.csv and last.npz, the network after the last pass."""
        passes = [(0, self.before)]
        passes += [(row["pass"], row["gradients"]) for row in history.rows]
        rows = [
            {"pass": number, "layer": layer, "name": name, "sd": f"{sd:.6g}"}
            for number, found in passes
            for layer, (name, sd) in enumerate(found.items(), start=1)
        ]
        write_csv(folder / "gradients.csv", GRADIENT_COLUMNS, rows)
        best = self.network.parameters()
        self.network.set_parameters(history.last)
        self.network.save(folder / "last.npz")
        self.network.set_parameters(best)

    def _gradients(self) -> dict[str, float]:
        """Return {layer: sd of ∂loss/∂w} of all layers with weights, in their order."""
        found = self.network.gradients(self.x[:_PROBE], self.t[:_PROBE], of_input=False)
        return {
            name.removesuffix(".weight"): float(gradient.std(dtype="float64"))
            for name, gradient in found.items()
            if name.endswith(".weight")
        }


def peak_bytes() -> int:
    """Return the most memory that this process has had at once (resident)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
