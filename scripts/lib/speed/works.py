"""A work to be timed: one network, one batch, one thing to do again and again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.schema import problems, read_yaml

_RATES = {"sgd": 1e-6, "adam": 1e-6}  # so small that a long measurement goes nowhere


@dataclass(frozen=True)
class Work:
    """One entry of config/benchmarks.yaml, with its model's spec.

    what: train, forward, data, weights; optimizer: sgd or adam, for train.
    """

    name: str
    spec: dict[str, Any]
    batch: int
    what: str
    optimizer: str | None
    goal: float

    @property
    def rate(self) -> float:
        """The learning rate of the optimiser."""
        return _RATES[self.optimizer]

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return one batch (x, t): noise, float32; t int classes or float32 values."""
        generator = np.random.Generator(np.random.PCG64(0))
        x = generator.random((self.batch, *self.spec["input"]), np.float32)
        if self.spec["loss"] == "softmax_cross_entropy":
            units = self.spec["layers"][-1]["dense"]["units"]
            return x, generator.integers(0, units, self.batch)
        return x, generator.random((self.batch, 1), np.float32)


def read_works(config: Path) -> dict[str, Work]:
    """Return the works of config/benchmarks.yaml by name; config: the folder.

    Raises: ValueError naming file and key for what its schema refuses.
    """
    file = config / "benchmarks.yaml"
    content = read_yaml(file, str(file))
    schema = config.parent / "workflow" / "schemas" / "benchmarks.schema.yaml"
    if found := problems(content, schema, str(file)):
        raise ValueError("\n".join(found))
    entries = content["works"]
    return {
        name: Work(
            name,
            _spec(config, entry),
            entry["batch"],
            entry["what"],
            entry.get("optimizer"),
            float(entry["goal"]),
        )
        for name, entry in entries.items()
    }


def _spec(config: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    if entry["model"] == "conv":
        size = entry["size"]
        layer = {"conv": {"filters": 32, "kernel": 3, "padding": 1}}
        return {"input": [32, size, size], "layers": [layer], "loss": "squared_error"}
    model = config / "models" / f"{entry['model']}.yaml"
    spec = read_yaml(model, str(model))
    spec["loss"] = entry.get("loss", spec["loss"])
    if "outputs" in entry:
        spec["layers"][-1]["dense"]["units"] = entry["outputs"]
    return spec
