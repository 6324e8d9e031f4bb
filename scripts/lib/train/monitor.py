"""What an experiment's `record` asks to be looked at while a network learns.

Each thing that can be looked at is one class in MEASURES. What they find stands in one
table, records.csv, whatever is asked for: after which pass or step (0 before the
first), which record, of which layer, by what name, and its value. After steps there is
also `training_loss`, the mean since the look before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import engine
from engine.random import stream
from scripts.lib.io.files import write_csv
from scripts.lib.split.samples import Part
from scripts.lib.train.recipes import accuracy

COLUMNS = ("pass", "step", "record", "layer", "name", "value")
# What one record finds: (layer from 1, or None; its name, or None; value).
Found = Iterator[tuple[int | None, str | None, float]]


class TrainingScore:
    """Accuracy in [0, 1] on `images` of the training part, in evaluation mode.

    The images are as they are scored, unchanged by augmentation.
    """

    # DEVIATION: S4's training accuracy is summed while it learns; ours is of 2 500
    # images (as many as its validation part has) after each pass, so that both curves
    # are of the same network, and neither of erased images.

    def __init__(self, network: engine.Network, x, t, images: int):
        self.network, self.x, self.t = network, x[:images], t[:images]

    def __call__(self) -> Found:
        _, outputs = self.network.evaluate(self.x, self.t)
        yield None, None, float(accuracy(outputs, self.t))


class Gradients:
    """The sd of ∂loss/∂w of each layer's weights on one batch, in training mode."""

    def __init__(self, network: engine.Network, x, t, images: int):
        self.network, self.x, self.t = network, x[:images], t[:images]

    def __call__(self) -> Found:
        found = self.network.gradients(self.x, self.t, of_input=False)
        for layer, (name, gradient) in enumerate(_weights(found), start=1):
            yield layer, name, float(f"{gradient.std(dtype='float64'):.6g}")


class Weights:
    """`number` weights of each layer, the same ones all the time, drawn by the seed."""

    def __init__(self, network: engine.Network, x, t, number: int):
        self.network, self.places = network, {}
        for name, w in _weights(network.parameters()):
            drawn = stream(network.seed, "split", "record", name).permutation(w.size)
            self.places[name] = np.sort(drawn[:number])

    def __call__(self) -> Found:
        found = _weights(self.network.parameters())
        for layer, (name, w) in enumerate(found, start=1):
            for place in self.places[name].tolist():
                yield layer, f"{name}[{place}]", float(w.reshape(-1)[place])


MEASURES = {
    "training_score": TrainingScore,
    "gradients": Gradients,
    "weights": Weights,
}


class Monitor:
    """Looks at a network that is being trained, as `record` says.

    record: {NAME of MEASURES: its settings, "steps": look after so many steps too};
    network: as it is before the first step; part: its training part; told: makes of its
    targets what the loss takes.
    """

    def __init__(
        self,
        network: engine.Network,
        record: Mapping[str, Any],
        part: Part,
        told: Callable[[np.ndarray], np.ndarray],
    ):
        order = stream(network.seed, "split", "watch").permutation(len(part.ids))
        asked = {name: record[name] for name in MEASURES if name in record}
        images = max((s.get("images", 0) for s in asked.values()), default=0)
        chosen = order[:images]
        x, t = part.x[chosen], told(part.t[chosen])
        self.measures = {
            name: MEASURES[name](network, x, t, **settings)
            for name, settings in asked.items()
        }
        self.every = record.get("steps")
        self.before = self.look()

    def look(self) -> list[list[Any]]:
        """Return [record, layer, name, value] of all that is found now."""
        return [
            [record, layer, name, value]
            for record, measure in self.measures.items()
            for layer, name, value in measure()
        ]

    def settings(self) -> dict[str, Any]:
        """Return what of the arguments of `Trainer.fit` makes it look."""

        def measure(number: int) -> dict[str, Any]:
            return {"records": self.look()}

        return {
            "measure": measure,
            "step_measure": measure,
            "measure_steps": self.every,
        }

    def write(self, path: Path, history: engine.History) -> None:
        """Write records.csv: before the first step, after each pass, after steps."""
        looks = [(0, 0, self.before)]
        looks += [(row["pass"], None, row["records"]) for row in history.rows]
        for row in history.step_rows:
            loss = ["training_loss", None, None, row["training_loss"]]
            looks.append((None, row["step"], [loss, *row["records"]]))
        rows = [
            dict(zip(COLUMNS, (number, step, *entry), strict=True))
            for number, step, found in looks
            for entry in found
        ]
        write_csv(path, COLUMNS, rows)


def _weights(values: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Return (layer's name, weights) of all layers that have some, in their order."""
    ending = ".weight"
    return [
        (k.removesuffix(ending), v) for k, v in values.items() if k.endswith(ending)
    ]
