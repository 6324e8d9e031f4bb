"""The figures of the step `diagnostics`, drawn from the rows of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter

from engine.diagnostics import BAND

_A, _B, _GREY = "#2e6f95", "#d1495b", "#8d99ae"
_BAND_COLOUR = "#dbe9d8"
_TASKS = ("regression", "classification")


def signed(figure: plt.Figure, told: Mapping[str, str]) -> plt.Figure:
    """Write below a figure what data, scale and seeds it shows."""
    stand_in = " (GENERATED STAND-IN)" if told["status"] == "stand-in" else ""
    figure.supxlabel(
        f"data: {told['dataset']}{stand_in} · scale: {told['scale']} · seeds: "
        f"{told['seeds']} · device: {told['device']}",
        fontsize=8,
    )
    return figure


def _unique(rows: Sequence[Mapping[str, Any]], key: str) -> list:
    return sorted({row[key] for row in rows})


def derivatives(rows: Sequence[Mapping[str, Any]]) -> plt.Figure:
    """Draw der_w MAV of each layer over the passes; a panel per task and depth.

    Of the first seed alone.
    """
    rows = [row for row in rows if row["seed"] == rows[0]["seed"]]
    tasks = [t for t in _TASKS if any(row["task"] == t for row in rows)]
    depths = _unique(rows, "depth")
    figure, axes = plt.subplots(
        len(tasks),
        len(depths),
        figsize=(2.3 * len(depths) + 1.4, 2.9 * len(tasks) + 0.9),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for line, task in zip(axes, tasks, strict=True):
        for axis, depth in zip(line, depths, strict=True):
            mine = [r for r in rows if (r["task"], r["depth"]) == (task, depth)]
            _layers(axis, mine, depths[-1])
            axis.set_title(f"{depth} layers · {task}", fontsize=9)
        line[0].set_ylabel("der_w MAV")
    figure.suptitle(
        "MAV of the loss's derivatives by the weights, layer by layer (band: 0.01-0.1, "
        "S0 5.4.2; bars: range over batches)",
        fontsize=10,
    )
    return figure


def _layers(axis: plt.Axes, rows: Sequence[Mapping[str, Any]], most: int) -> None:
    axis.axhspan(*BAND, color=_BAND_COLOUR, zorder=0)
    axis.set_yscale("log")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("pass")
    for layer in _unique(rows, "layer"):
        mine = [row for row in rows if row["layer"] == layer]
        colour = plt.cm.viridis(0.9 * (layer - 1) / max(most - 1, 1))
        passes, values, low, high = (
            np.array([row[key] for row in mine])
            for key in ("pass", "der_w", "der_w_low", "der_w_high")
        )
        axis.errorbar(
            passes,
            values,
            yerr=[values - low, high - values],
            color=colour,
            lw=1.3,
            elinewidth=0.7,
            marker=".",
            ms=3,
        )
        axis.annotate(
            str(layer),
            (passes[-1], values[-1]),
            xytext=(4, -3),
            textcoords="offset points",
            color=colour,
            fontsize=7,
        )


def w2(rows: Sequence[Mapping[str, Any]]) -> plt.Figure:
    """Draw layer 1's der_w, and MAPE over the passes at each rate, of both ranges."""
    rates = _unique(rows, "learning_rate")
    figure, axes = plt.subplots(
        1,
        len(rates) + 1,
        figsize=(3.4 * (len(rates) + 1), 3.6),
        squeeze=False,
        layout="constrained",
    )
    start = [r for r in rows if r["pass"] == 0 and r["learning_rate"] == rates[0]]
    _starts(axes[0, 0], start)
    for axis, rate in zip(axes[0, 1:], rates, strict=True):
        _profiles(axis, [r for r in rows if r["learning_rate"] == rate], rate)
        axis.sharey(axes[0, 1])
    axes[0, 1].set_ylabel("MAPE, %")
    axes[0, 1].legend(fontsize=7, frameon=False)
    figure.suptitle("The second layer's range of weights times ten (S0 Fig. 4)")
    return figure


def _starts(axis: plt.Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    axis.axhspan(*BAND, color=_BAND_COLOUR, zorder=0)
    for at, (row, colour) in enumerate(zip(rows, (_A, _B), strict=True)):
        axis.bar(
            at,
            row["der_w"],
            0.55,
            color=colour,
            yerr=row["der_w_sd"] or 0,
            ecolor="0.2",
        )
        axis.hlines(row["published_der_w"], at - 0.4, at + 0.4, color="black", ls="--")
    axis.set_yscale("log")
    axis.set_ylim(1e-3, 0.2)
    axis.set_xticks(range(len(rows)), [f"{r['side']}: W² = {r['W']:g}" for r in rows])
    axis.set_ylabel("der_w MAV of layer 1, at the start")
    axis.set_title("dashed: published; green: the band", fontsize=9)


# Where the axis of MAPE begins, per cent: below what is published.
_LEAST = 0.2


def _profiles(axis: plt.Axes, rows: Sequence[Mapping[str, Any]], rate: float) -> None:
    for side, colour in (("a", _A), ("b", _B)):
        mine = [row for row in rows if row["side"] == side and row["n"]]
        passes = np.array([row["pass"] for row in mine])
        for key, style in (("validation_mape", "-"), ("training_mape", ":")):
            values = np.array([row[key] for row in mine])
            sd = np.array([row[f"{key}_sd"] or 0.0 for row in mine])
            name = f"{side}: W² = {mine[0]['W']:g}, {key.split('_')[0]}"
            axis.plot(passes, values, style, color=colour, lw=1.5, label=name)
            if style == "-":
                axis.fill_between(
                    passes, np.maximum(values - sd, _LEAST), values + sd, color=colour,
                    alpha=0.15, lw=0,
                )  # fmt: skip
    published = [row["published_mape"] for row in rows if row["published_mape"]]
    for value in published:
        axis.axhline(value, color="black", ls="--", lw=1)
    axis.set_yscale("log")
    axis.set_ylim(bottom=_LEAST)
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set_xlabel("pass")
    axis.set_title(f"rate {rate:g} (dashed: published)", fontsize=9)


# Where the marks of those stand that do not come to the score.
_NEVER = 8.0


def freezeconnect(rows: Sequence[Mapping[str, Any]]) -> plt.Figure:
    """Draw over the depth what a step takes, and the time to the score of portion 0.

    A cross at the top: some training did not come to the score.
    """
    metrics = [m for m in ("mape", "accuracy") if _of(rows, m)]
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    figure, axes = plt.subplots(
        len(metrics),
        1 + len(protocols),
        figsize=(4.1 * (1 + len(protocols)), 3.1 * len(metrics) + 0.9),
        squeeze=False,
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for line, metric in zip(axes, metrics, strict=True):
        mine = _of(rows, metric)
        _ways(line[0], [r for r in mine if r["protocol"] == protocols[0]], False)
        line[0].set_title(f"{metric}: a step", fontsize=9)
        line[0].set_ylabel("time over that of portion 0")
        for axis, protocol in zip(line[1:], protocols, strict=True):
            _ways(axis, [r for r in mine if r["protocol"] == protocol], True)
            axis.set_title(f"{metric}: to the score, {protocol}", fontsize=9)
    axes[0, 0].set_ylim(0.2, 1.4 * _NEVER)
    axes[0, 0].set_xticks(_unique(rows, "depth"))
    axes[0, 0].set_yticks([0.2, 0.5, 1, 2, 5])
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="outside upper center",
        ncols=6,
        fontsize=8,
        title="left out (lines: range of the rounds; ×: not every training came to the "
        "score of portion 0)",
        title_fontsize=8,
    )
    return figure


def _of(rows: Sequence[Mapping[str, Any]], metric: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["score_metric"] == metric]


def _ways(axis: plt.Axes, rows: Sequence[Mapping[str, Any]], learning: bool) -> None:
    """Draw one mark per way and depth: of a step, or of the learning."""
    ways = [w for w in dict.fromkeys((r["kind"], r["portion"]) for r in rows) if w[1]]
    colours = {"freezeconnect": plt.cm.Blues, "dropconnect": plt.cm.Oranges}
    for at, (kind, portion) in enumerate(ways):
        shift = 0.11 * (at - (len(ways) - 1) / 2)
        look = {"color": colours.get(kind, plt.cm.Greys)(0.35 + 0.6 * portion), "ms": 4}
        for row in rows:
            if (row["kind"], row["portion"]) != (kind, portion):
                continue
            x = row["depth"] + shift
            if learning:
                if row.get("time_ratio"):
                    axis.plot(x, row["time_ratio"], "o", **look)
                if row.get("reached") != row.get("compared"):
                    axis.plot(x, _NEVER, "x", **look)
                continue
            value, low, high = (row[f"step_{k}"] for k in ("ratio", "low", "high"))
            spread = [[value - low], [high - value]]
            axis.errorbar(x, value, yerr=spread, fmt="o", elinewidth=0.8, **look)
        axis.plot([], [], "o", **look, label=f"{kind} {portion:g}")
    axis.axhline(1.0, color="0.4", lw=0.8)
    axis.set_xlabel("layers with weights")
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(ScalarFormatter())
    axis.yaxis.set_minor_formatter(NullFormatter())
