"""Learning profiles: training loss and validation score over the passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter

from scripts.lib.figures import style

_LOSS, _SCORE = style.PLAIN, style.HONEST


@dataclass(frozen=True)
class Profile:
    """The passes of one variant under one protocol, fold after fold."""

    variant: Mapping[str, Any]
    protocol: Mapping[str, Any]
    folds: Sequence[Sequence[Mapping[str, float]]]


def profiles(
    experiment: Mapping[str, Any],
    panels: Sequence[Profile],
    source: Mapping[str, Any],
) -> plt.Figure:
    """Draw a panel per variant (row) and protocol (column).  Source: S0 Figs. 6, 8."""
    columns = len({p.protocol["id"] for p in panels})
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.6 * columns, 2.7 * rows + 0.9), squeeze=False
    )
    for axis, panel in zip(axes.flat, panels, strict=False):
        _profile(axis, panel)
    figure.suptitle(f"{experiment['title']}: learning profiles", fontsize=12)
    figure.text(
        0.5,
        0.01,
        style.about(experiment, source)
        + " · the first seed is shown; o: the pass that is kept; ×: stopped early",
        ha="center",
        fontsize=8,
    )
    figure.tight_layout(rect=(0, 0.03, 1, 0.98))
    return figure


def _profile(axis, panel: Profile) -> None:
    regression = panel.variant["task"] == "regression"
    factor = 1.0 if regression else 100.0
    right = axis.twinx()
    right.spines["right"].set_visible(True)
    begin = 0
    for number, rows in enumerate(panel.folds):
        at = begin + np.arange(1, len(rows) + 1)
        loss = [row["training_loss"] for row in rows]
        score = [factor * row["validation_score"] for row in rows]
        best = int(np.argmin(score) if regression else np.argmax(score))
        axis.plot(at, loss, color=_LOSS, lw=1.2)
        right.plot(at, score, color=_SCORE, lw=1.6, marker=".", ms=3)
        right.plot(at[best], score[best], "o", mfc="none", color=_SCORE)
        if len(rows) < panel.variant["passes"]:
            right.plot(at[-1], score[-1], "x", color=style.LEAKING)
        if number:
            axis.axvline(begin + 0.5, color="0.85", lw=0.8, zorder=0)
        begin += len(rows)
    axis.set_yscale("log")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("pass (folds one after another)")
    axis.set_ylabel("training loss (grey, log)")
    if regression:
        right.set_yscale("log")
        right.yaxis.set_major_formatter("{x:g}")
        right.yaxis.set_minor_formatter(NullFormatter())
        low, high = right.get_ylim()
        ticks = style.MAPE_TICKS if high < 8 * low else style.MAPE_TICKS_WIDE
        right.set_yticks([t for t in ticks if low <= t <= high])
    else:
        right.set_ylim(0, 103)
    right.set_ylabel("validation MAPE, %" if regression else "validation accuracy, %")
    leaks = "leaks" if panel.protocol["leaks"] else "no leak"
    axis.set_title(
        f"{panel.variant['id']} · {panel.protocol['id']} ({leaks})",
        fontsize=10,
        color=style.LEAKING if panel.protocol["leaks"] else style.HONEST,
    )
