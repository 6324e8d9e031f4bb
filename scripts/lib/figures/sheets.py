"""Sheets of drawings: with their copies, and with what a network tells of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from scripts.lib.figures import style


def augmentation(
    experiment: Mapping[str, Any],
    rows: Sequence[tuple[str, np.ndarray]],
    source: Mapping[str, Any],
) -> plt.Figure:
    """Draw drawings (left) and their copies; images uint8 (copies, h, w).

    Source: S0 Fig. 3.
    """
    columns = max(len(images) for _, images in rows)
    figure, axes = plt.subplots(
        len(rows),
        columns,
        figsize=(1.25 * columns + 0.6, 2.05 * len(rows) + 0.8),
        squeeze=False,
    )
    for line, (name, images) in zip(axes, rows, strict=True):
        for axis in line:
            axis.axis("off")
        for number, (axis, image) in enumerate(zip(line, images, strict=False)):
            axis.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set_title(name if number == 0 else f"copy {number}", fontsize=7)
    figure.suptitle(
        f"Augmentation '{experiment['augmentation']}': drawings and copies", fontsize=11
    )
    figure.text(0.5, 0.01, style.about(experiment, source), ha="center", fontsize=7)
    figure.tight_layout(rect=(0, 0.02, 1, 0.98))
    return figure


@dataclass(frozen=True)
class Told:
    """A drawing, its age and the age that a network tells from it, in months.

    image: uint8 (h, w); error: 100 |told - age| / age; quantile: of the error among all
    drawings.
    """

    image: np.ndarray
    age: float
    told: float
    error: float
    quantile: float


def spread(found: Sequence[tuple[np.ndarray, float, float]], number: int) -> list[Told]:
    """Return so many of the drawings, from the smallest relative error to the largest.

    found: (image, age, told) of all; chosen are those at equal steps of the error's
    quantiles, 0 and 1 included.
    """
    told = sorted(
        (100 * abs(told - age) / age, place)
        for place, (_, age, told) in enumerate(found)
    )
    last = len(told) - 1
    steps = np.linspace(0, last, min(number, len(told))).round().astype(int)
    return [
        Told(*found[place], error=error, quantile=step / max(last, 1))
        for step in steps.tolist()
        for error, place in [told[step]]
    ]


def samples(
    experiment: Mapping[str, Any], told: Sequence[Told], source: Mapping[str, Any]
) -> plt.Figure:
    """Draw drawings with their ages and what a network tells, from good to bad.

    experiment: title, scale, seeds, variant, protocol; told: in the order they are
    drawn.
    """
    columns = min(6, len(told))
    lines = -(-len(told) // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(1.75 * columns, 3.0 * lines + 0.9), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, one in zip(axes.flat, told, strict=False):
        axis.imshow(one.image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(
            f"{_age(one.age)}, told {_age(one.told)}\n"
            f"error {one.error:.1f} %, quantile {one.quantile:.2f}",
            fontsize=7,
        )
    figure.suptitle(
        f"{experiment['title']}: {experiment['variant']}, {experiment['protocol']}",
        fontsize=10,
    )
    figure.text(
        0.5,
        0.012,
        f"{style.about(experiment, source)} (the first is shown) · test parts of all "
        "folds\nyears;months; chosen at equal steps of the error's quantiles, from the "
        "best drawing to the worst",
        ha="center",
        fontsize=7,
    )
    figure.tight_layout(rect=(0, 0.05, 1, 0.98), h_pad=1.6)
    return figure


def _age(months: float) -> str:
    """Return years;months, as ages are written in studies of children."""
    if abs(months) >= 1200 or months < 0:
        return f"{months:.0f} months"
    whole = round(months)
    return f"{whole // 12};{whole % 12}"
