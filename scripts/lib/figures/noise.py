"""What copies are made by: noise by level and portion, beside other kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from scripts.lib.figures import style

Row = Mapping[str, str]

# Points that the colours span at least.
_LEAST_SPAN = 10.0


def noise(about: Mapping[str, Any], rows: Sequence[Row]) -> plt.Figure:
    """Draw a line for each protocol and target: a map of noise, and bars of all kinds.

    about: what `showing.noise_json` says: title; noise: {variant: [level, portion]} of
    the map; rows: of the table. Brighter is better in each map; bars have 95 %
    intervals over the children.
    """
    models = [row for row in rows if row["seconds"] and row["ours"]]
    lines = list(dict.fromkeys((row["protocol"], row["target"]) for row in models))
    figure, axes = plt.subplots(
        max(len(lines), 1),
        2,
        figsize=(9, 3.2 * max(len(lines), 1) + 0.8),
        squeeze=False,
    )
    for line, (protocol, target) in zip(axes, lines, strict=False):
        mine = [r for r in models if (r["protocol"], r["target"]) == (protocol, target)]
        _map(line[0], about["noise"], mine)
        _kinds(line[1], about["noise"], mine)
        leaks = "leaks" if mine[0]["leaks"] == "yes" else "no leak"
        line[0].set_title(f"{target} · {protocol} ({leaks})", fontsize=10)
        line[1].set_title("kinds of copies", fontsize=10)
    figure.suptitle(about["title"], fontsize=12)
    if models:
        style.foot(
            figure,
            f"{style.about_rows(models[0])} · lines: 95 % interval over the children",
        )
    figure.tight_layout(rect=(0, 0.04, 1, 0.99))
    return figure


def _map(axis: plt.Axes, known: Mapping[str, Any], rows: Sequence[Row]) -> None:
    points = {tuple(known[r["variant"]]): r for r in rows if r["variant"] in known}
    if not points:
        axis.axis("off")
        axis.text(0.5, 0.5, "not run at this scale", ha="center")
        return
    levels = sorted({level for level, _ in points})
    portions = sorted({portion for _, portion in points})
    values = np.full((len(levels), len(portions)), np.nan)
    for (level, portion), row in points.items():
        values[levels.index(level), portions.index(portion)] = float(row["ours"])
    lower_is_better = rows[0]["metric"] == "mape"
    middle = np.nanmean(values)
    # Differences of a point or two are chance: they must not look like much.
    wide = max(_LEAST_SPAN / 2, np.nanmax(np.abs(values - middle)))
    axis.imshow(
        values,
        origin="lower",
        cmap="viridis_r" if lower_is_better else "viridis",
        vmin=middle - wide,
        vmax=middle + wide,
    )
    for (y, x), value in np.ndenumerate(values):
        if np.isfinite(value):
            bright = (value <= middle) == lower_is_better
            colour = "black" if bright else "white"
            axis.text(x, y, f"{value:.1f}", ha="center", va="center", color=colour)
    axis.set_xticks(range(len(portions)), [f"{p:g}" for p in portions])
    axis.set_yticks(range(len(levels)), [f"{v:g}" for v in levels])
    axis.set_xlabel("portion of the pixels")
    axis.set_ylabel("level of the noise")


def _kinds(axis: plt.Axes, known: Mapping[str, Any], rows: Sequence[Row]) -> None:
    others = [row for row in rows if row["variant"] not in known]
    ours, low, high = (
        np.array([float(row[key]) for row in others]) for key in ("ours", "low", "high")
    )
    at = np.arange(len(others))
    axis.barh(at, ours, color=style.HONEST, height=0.6)
    axis.hlines(at, low, high, color="0.2", lw=1)
    for i, value in enumerate(ours):
        axis.text(0, i, f" {value:.1f}", va="center", color="white", weight="bold")
    axis.set_yticks(at, [row["variant"].split("-")[0] for row in others])
    axis.invert_yaxis()
    mape = bool(rows) and rows[0]["metric"] == "mape"
    axis.set_xlabel("MAPE, % (lower is better)" if mape else "accuracy, %")
