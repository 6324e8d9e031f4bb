"""Ways to convolve: time and storage over the work, the fitted formulas beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from scripts.lib.figures import style

Row = Mapping[str, str]

_COLOURS = {
    "loops": "#8d99ae",
    "serialisation": style.LEAKING,
    "function": "#e09f3e",
    "threads": "#4c9f70",
    "opencl": style.HONEST,
}
_QUANTITIES = {
    "seconds": "seconds a run",
    "storage_bytes": "bytes, result and beside",
}


def convolutions(
    rows: Sequence[Row], fits: Sequence[Row], series: Sequence[str]
) -> plt.Figure:
    """Draw a column for each series, lines for time and storage of both passes.

    rows, fits: of both tables. A full line joins what was measured of a way, a dashed
    one the fitted formula in the same cases: time over S4's calls where all maps have
    the size of that fit, else over the multiply-adds.
    """
    passes = list(dict.fromkeys(row["pass"] for row in rows))
    lines = [(q, which) for q in _QUANTITIES for which in passes]
    figure, axes = plt.subplots(
        len(lines),
        len(series),
        figsize=(3.1 * len(series), 2.25 * len(lines) + 1.0),
        squeeze=False,
        sharex="col",
        sharey="row",
        layout="constrained",
    )
    for line, (quantity, which) in zip(axes, lines, strict=True):
        for axis, name in zip(line, series, strict=True):
            mine = [
                row
                for row in rows
                if row["pass"] == which and name in row["series"].split()
            ]
            laws = [row for row in fits if row["pass"] == which]
            _panel(axis, mine, laws, quantity)
        line[0].set_ylabel(f"{which}\n{_QUANTITIES[quantity]}", fontsize=8)
    for axis, name in zip(axes[0], series, strict=True):
        own = [row for row in rows if name in row["series"].split()]
        axis.set_title(_grown(name, own), fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("multiply-adds", fontsize=8)
    _legend(figure, rows)
    figure.supxlabel(
        f"data: noise · scale: {rows[0]['scale']} · one thread · dashed: the fitted "
        "constant + slope · formula",
        fontsize=8,
    )
    return figure


def _panel(
    axis: plt.Axes, rows: Sequence[Row], laws: Sequence[Row], quantity: str
) -> None:
    sizes = {f"size {row['size']}" for row in rows}
    for way in dict.fromkeys(row["way"] for row in rows):
        mine = sorted(
            (row for row in rows if row["way"] == way and row[quantity]),
            key=lambda row: int(row["multiply_adds"]),
        )
        if not mine:
            continue
        work = [int(row["multiply_adds"]) for row in mine]
        look = {"color": _COLOURS.get(way, "black"), "lw": 1.2}
        axis.plot(work, [float(r[quantity]) for r in mine], "o-", ms=3, **look)
        fits = {
            law["cases"]: law
            for law in laws
            if (law["way"], law["quantity"]) == (way, quantity) and law["slope"]
        }
        law = fits.get(*sizes) if len(sizes) == 1 else None
        if law := law or fits.get("all"):
            over = np.array([float(row[law["over"]]) for row in mine])
            line = float(law["constant"]) + float(law["slope"]) * over
            # Where a line falls below 0 it has no logarithm.
            axis.plot(work, np.where(line > 0, line, np.nan), "--", **look)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.xaxis.set_major_locator(LogLocator(numticks=5))
    for each in (axis.xaxis, axis.yaxis):
        each.set_minor_formatter(NullFormatter())
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25, lw=0.5)


def _grown(name: str, rows: Sequence[Row]) -> str:
    """Return what grows in a series, and what stays."""
    keys = {"batch": "batch", "maps_in": "maps in", "maps_out": "maps out"}
    keys["size"] = "size"
    told = {}
    for key, word in keys.items():
        values = sorted({int(row[key]) for row in rows})
        told[word] = f"{values[0]}…{values[-1]}" if len(values) > 1 else f"{values[0]}"
    if told["maps in"] == told["maps out"]:
        told = {"batch": told["batch"], "maps": told["maps in"], "size": told["size"]}
    return f"{name}: " + ", ".join(f"{word} {value}" for word, value in told.items())


def _legend(figure: plt.Figure, rows: Sequence[Row]) -> None:
    ways = list(dict.fromkeys(row["way"] for row in rows))
    handles = [
        plt.Line2D([], [], color=_COLOURS.get(way, "black"), marker="o", ms=3)
        for way in ways
    ]
    figure.legend(handles, ways, loc="outside upper center", ncols=len(ways))
