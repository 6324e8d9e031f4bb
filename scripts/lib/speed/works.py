"""A work to be timed: what config/benchmarks.yaml says, with the networks it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import nearest
from engine.options import fill
from scripts.lib.data.generators.drawings import make_drawings
from scripts.lib.io import inheritance
from scripts.lib.io.schema import problems, read_yaml
from scripts.lib.train.models import fit_head, load_model

_RATE = 1e-6  # so small that a long measurement goes nowhere
AT_MOST = ("memory", "import", "first-cold", "first-warm")  # goals from above


@dataclass(frozen=True)
class Recipe:
    """How one side of `learn` learns: a variant of config/experiments/.

    passes: at most; center: the mean image of the training part is subtracted.
    """

    spec: dict[str, Any]
    optimizer: dict[str, Any]
    batch: int
    passes: int
    center: bool


@dataclass(frozen=True)
class Learning:
    """The two sides of `learn`, what they learn and from what.

    target: age_months (regression, in units of `scale` months) or age_category;
    drawings: as in config/benchmarks.yaml; steps: of its augmentation.
    """

    ours: Recipe
    theirs: Recipe
    target: str
    scale: float
    drawings: dict[str, Any]
    steps: list

    @property
    def regression(self) -> bool:
        """Whether the score is MAPE (lower is better), not accuracy."""
        return self.target == "age_months"


@dataclass(frozen=True)
class Work:
    """One entry of config/benchmarks.yaml, whose head explains what, against, goal.

    spec, batch: None and 0 where no network of one's own takes part; optimizer: None
    where nothing is trained; learning: of `learn`.
    """

    name: str
    what: str
    goal: float | None = None
    spec: dict[str, Any] | None = None
    batch: int = 0
    optimizer: dict[str, Any] | None = None
    device: str = "opencl"
    against: str = "torch"
    learning: Learning | None = None

    @property
    def trains(self) -> bool:
        """Whether its steps are steps of training."""
        return self.optimizer is not None

    def data(self, batches: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return batches (x, t): noise, float32; t int classes or float32 values."""
        generator = np.random.Generator(np.random.PCG64(0))
        n = self.batch * batches
        x = generator.random((n, *self.spec["input"]), np.float32)
        if self.spec["loss"] == "softmax_cross_entropy":
            units = self.spec["layers"][-1]["dense"]["units"]
            return x, generator.integers(0, units, n)
        return x, generator.random((n, 1), np.float32)


def read_benchmarks(config: Path) -> dict[str, Any]:
    """Return config/benchmarks.yaml, checked; config: the folder.

    Raises: ValueError naming file and key for what its schema refuses.
    """
    file = config / "benchmarks.yaml"
    content = read_yaml(file, str(file))
    schema = config.parent / "workflow" / "schemas" / "benchmarks.schema.yaml"
    if found := problems(content, schema, str(file)):
        raise ValueError("\n".join(found))
    return content


def read_works(config: Path) -> dict[str, Work]:
    """Return the works of config/benchmarks.yaml by name; config: the folder.

    Raises: ValueError naming file and key for what its schema refuses, and for a model
    or a variant that is not there.
    """
    content = read_benchmarks(config)
    return {
        name: _work(config, name, entry, content["drawings"])
        for name, entry in content["works"].items()
    }


def choose(works: Mapping[str, Work], names: list[str] | None) -> list[Work]:
    """Return the works of these names, all where there are none.

    Raises: ValueError for a name that is not there.
    """
    for name in names or ():
        if name not in works:
            raise ValueError(
                f"unknown work {name!r}{nearest(name, works)}; known: "
                f"{', '.join(works)}"
            )
    return [works[name] for name in names or works]


def _work(config: Path, name: str, entry: Mapping[str, Any], drawings: Mapping) -> Work:
    optimizer = entry.get("optimizer")
    return Work(
        name=name,
        what=entry["what"],
        goal=entry.get("goal"),
        spec=_spec(config, entry) if "model" in entry else None,
        batch=entry.get("batch", 0),
        optimizer={optimizer: {"learning_rate": _RATE}} if optimizer else None,
        device=entry.get("device", "opencl"),
        against=entry.get("against", "torch"),
        learning=_learning(config, entry, drawings) if "variant" in entry else None,
    )


def _spec(config: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    if entry["model"] == "conv":
        size, kernel = entry["size"], entry.get("kernel", 3)
        layer = {"conv": {"filters": 32, "kernel": kernel, "padding": "same"}}
        return {"input": [32, size, size], "layers": [layer], "loss": "squared_error"}
    model = config / "models" / f"{entry['model']}.yaml"
    spec = fill(inheritance.load(model))
    spec["loss"] = entry.get("loss", spec["loss"])
    return (
        fit_head(spec, entry["outputs"], spec["loss"]) if "outputs" in entry else spec
    )


def _learning(config: Path, entry: Mapping[str, Any], drawings: Mapping) -> Learning:
    names = ("drawings", "children", "seed")
    made = make_drawings(**{key: drawings[key] for key in names})
    classes = len({drawing.child.category for drawing in made})
    file = config / "augmentations" / f"{drawings['augmentation']}.yaml"
    sides, targets, scales = [], set(), set()
    for variant, passes in (("variant", "passes"), ("their_variant", "their_passes")):
        found, recipe = _variant(config, entry[variant])
        outputs = 1 if found["task"] == "regression" else classes
        model = config / "models" / f"{found['model']}.yaml"
        sides.append(
            Recipe(
                load_model(model, outputs, found["loss"], found.get("options")),
                recipe["optimizer"],
                recipe["batch_size"],
                entry[passes],
                recipe.get("center", False),
            )
        )
        targets.add("+".join(found["target"]))
        scales.add(float(recipe["target_scale"]))
    if len(targets) > 1 or len(scales) > 1 or targets - {"age_months", "age_category"}:
        raise ValueError(
            f"{entry['variant']}, {entry['their_variant']}: expected that both learn "
            f"age_months or both age_category, in the same units, received "
            f"{', '.join(sorted(targets))}"
        )
    steps = read_yaml(file, str(file))["steps"]
    return Learning(*sides, targets.pop(), scales.pop(), dict(drawings), steps)


def _variant(config: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (variant, its recipe) of EXPERIMENT/VARIANT."""
    experiment, variant = name.split("/")
    file = config / "experiments" / f"{experiment}.yaml"
    content = read_yaml(file, str(file))
    variants = inheritance.variants(content)
    if variant not in variants:
        close = nearest(variant, variants)
        raise ValueError(f"{file}: unknown variant {variant!r}{close}")
    found = variants[variant]
    return found, content["recipe"] | found.get("recipe", {})
