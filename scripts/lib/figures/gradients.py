"""The derivatives of the weights from layer to layer: whether they vanish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from scripts.lib.figures import style

# Marks of an sd of 0 stand this factor below the least that is not 0.
_BELOW = 10.0


def layer_gradients(
    about: Mapping[str, Any],
    rungs: Mapping[str, Mapping[int, Sequence[float]]],
    source: Mapping[str, Any],
) -> plt.Figure:
    """Draw the sd of the derivatives over the layers, a panel for each pass shown.

    rungs: {label: {pass: sd of each layer's ∂loss/∂w, from input to output}}. Shown are
    the state before the first step, after the first pass, and after the last; an sd of
    0 is a triangle at the foot of its panel.
    """
    passes = _passes(rungs)
    figure, axes = plt.subplots(
        1, len(passes), figsize=(4.2 * len(passes), 4.4), sharey=True, squeeze=False
    )
    least = min(
        (sd for found in rungs.values() for n in passes for sd in found[n] if sd > 0),
        default=1.0,
    )
    colours = plt.get_cmap("tab10").colors
    for axis, number in zip(axes.flat, passes, strict=True):
        for colour, (label, found) in zip(colours, rungs.items(), strict=False):
            _line(axis, label, found[number], colour, least / _BELOW)
        axis.set_yscale("log")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("layer with weights, from input to output")
        told = f"after epoch {number}" if number else "before the first step"
        axis.set_title(told, fontsize=10)
    axes[0, 0].set_ylabel("sd of ∂loss/∂w (log)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper center", ncols=5, frameon=False, fontsize=8
    )
    style.foot(
        figure,
        f"{style.about(about, source)} · the first seed is shown, on one batch · "
        "triangles at the foot: exactly 0",
    )
    figure.tight_layout(rect=(0, 0.06, 1, 0.93))
    return figure


def _passes(rungs: Mapping[str, Mapping[int, Sequence[float]]]) -> list[int]:
    """Return the passes that are shown: those of all rungs."""
    last = min(max(found) for found in rungs.values())
    return sorted({0, min(1, last), last})


def _line(
    axis: plt.Axes, label: str, sds: Sequence[float], colour: Any, foot: float
) -> None:
    sd = np.array(sds)
    at = np.arange(1, len(sd) + 1)
    nothing = sd == 0
    shown = np.where(nothing, np.nan, sd)
    axis.plot(at, shown, color=colour, marker=".", ms=4, lw=1.2, label=label)
    axis.plot(at[nothing], np.full(nothing.sum(), foot), "v", color=colour, ms=5)
