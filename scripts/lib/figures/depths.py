"""Scores over the levels of one factor of a grid, such as depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter

from scripts.lib.figures import style

Row = Mapping[str, str]

_COLUMNS = 3
_MARKERS = "osDv^P"


def depths(about: Mapping[str, Any], rows: Sequence[Row]) -> plt.Figure:
    """Draw a panel for each target, a line for each protocol, with 95 % intervals.

    about: what `showing.depths_json` says: title, levels, protocols, and
    panels, {name: {level: variant}}; rows: of the table. Red leaks, blue does not,
    dashed: labels shuffled. Targets with one level only are left out.
    """
    models = [row for row in rows if row["seconds"] and row["ours"]]
    found = {(row["variant"], row["protocol"]): row for row in models}
    panels = {
        name: variants
        for name, variants in about["panels"].items()
        if len({v for v, _ in found} & set(variants.values())) > 1
    }
    columns = min(_COLUMNS, len(panels)) or 1
    lines = -(-len(panels) // columns) or 1
    figure, axes = plt.subplots(
        lines,
        columns,
        figsize=(max(4.3 * columns, 8.5), 3.3 * lines + 1),
        squeeze=False,
    )
    for axis in axes.flat[len(panels) :]:
        axis.axis("off")
    for axis, (name, variants) in zip(axes.flat, panels.items(), strict=False):
        _panel(axis, about, variants, found)
        axis.set_title(name, fontsize=10)
    if panels:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="upper center", ncols=4, frameon=False, fontsize=8
        )
    if models:
        text = "lines: 95 % intervals over the children · dashed black: published"
        style.foot(figure, f"{about['title']} · {style.about_rows(models[0])}\n{text}")
    height = figure.get_figheight()
    figure.tight_layout(rect=(0, 0.35 / height, 1, 1 - 0.6 / height))
    return figure


def _panel(
    axis: plt.Axes,
    about: Mapping[str, Any],
    variants: Mapping[str, str],
    found: Mapping[tuple[str, str], Row],
) -> None:
    places = [level for level in about["levels"] if level in variants]
    shown: list[Row] = []
    for number, protocol in enumerate(about["protocols"]):
        at, rows = [], []
        for place, level in enumerate(places):
            row = found.get((variants[level], protocol["id"]))
            if row:
                # Side by side, so that no interval hides another.
                at.append(place + 0.07 * (number - (len(about["protocols"]) - 1) / 2))
                rows.append(row)
        shown += rows
        _line(axis, protocol, number, at, rows)
    axis.set_xticks(range(len(places)), places, fontsize=8)
    published = next((row["published"] for row in shown if row["published"]), None)
    if published:
        axis.axhline(float(published.split()[-1]), color="black", ls="--", lw=1)
    if shown and shown[0]["metric"] == "mape":
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        low, high = axis.get_ylim()
        axis.set_yticks([t for t in style.MAPE_TICKS_WIDE if low <= t <= high])
        axis.set_ylabel("MAPE, % (log; lower is better)")
    else:
        axis.set_ylim(0, 105)
        axis.set_ylabel("accuracy, %")


def _line(
    axis: plt.Axes,
    protocol: Mapping[str, Any],
    number: int,
    at: Sequence[float],
    rows: Sequence[Row],
) -> None:
    ours, low, high = (
        np.array([float(row[key]) for row in rows]) for key in ("ours", "low", "high")
    )
    shuffled = protocol["labels"] == "shuffled"
    leaks = "leaks" if protocol["leaks"] else "no leak"
    axis.errorbar(
        at,
        ours,
        yerr=np.maximum([ours - low, high - ours], 0),
        color=style.LEAKING if protocol["leaks"] else style.HONEST,
        ls=":" if shuffled else "-",
        marker=_MARKERS[number % len(_MARKERS)],
        mfc="white" if shuffled else None,
        ms=4,
        lw=1.2,
        elinewidth=0.8,
        label=f"{protocol['id']} ({leaks})",
    )
