"""The engine's speed beside that of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from scripts.lib.figures import style


def speed(rows: Sequence[Mapping[str, str]]) -> plt.Figure:
    """Draw the ratios of engine_speed.csv, and what has a limit as a share of it.

    Above a bar for each ratio with its interval, below memory and start-up over the
    most that they may be; black: the goal.
    """
    above = [row for row in rows if row["ratio"] and not row["goal"].startswith("<=")]
    below = [row for row in rows if row["ours"] and row["goal"].startswith("<=")]
    parts = [part for part in (above, below) if part]
    figure, axes = plt.subplots(
        len(parts),
        figsize=(8.5, 0.32 * len(above + below) + 1.3 * len(parts)),
        height_ratios=[len(part) + 1 for part in parts],
        squeeze=False,
        layout="constrained",
    )
    for axis, part in zip(axes[:, 0], parts, strict=True):
        if part is above:
            _ratios(axis, part)
        else:
            _limits(axis, part)
        axis.set_yticks(np.arange(len(part)), [row["work"] for row in part])
        axis.set_ylim(len(part) - 0.4, -0.6)
    counts = sorted({int(row["rounds"]) for row in above + below})
    axes[0, 0].set_title(
        f"{rows[0]['threads']} threads; medians of "
        f"{' or '.join(map(str, counts))} interleaved rounds, lines: range of the "
        "rounds; grey: the machine was not quiet",
        fontsize=8,
        loc="left",
    )
    return figure


def _quietness(rows: Sequence[Mapping[str, str]]) -> list[str]:
    return [style.HONEST if row["quiet"] == "yes" else style.PLAIN for row in rows]


def _ratios(axis: plt.Axes, rows: Sequence[Mapping[str, str]]) -> None:
    at = np.arange(len(rows))
    ratios, low, high = (
        np.array([float(row[key]) for row in rows]) for key in ("ratio", "low", "high")
    )
    axis.barh(at, ratios, color=_quietness(rows), height=0.62)
    axis.hlines(at, low, high, color="0.35", lw=1)
    ends = high.copy()
    for i, row in enumerate(rows):
        if row["goal"]:
            goal = float(row["goal"].split()[1])
            ends[i] = max(ends[i], goal)
            axis.plot(goal, i, "|", color="black", ms=14, mew=2)
        text = f"  {ratios[i]:.2f} × {row['peer']}"
        axis.text(ends[i], i, text, va="center", fontsize=7)
    axis.axvline(1.0, color="0.5", lw=0.8)
    axis.set_xscale("log")
    axis.set_xlim(0.5 * min(1.0, low.min()), 4.0 * ends.max())
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_xlabel("how many times as fast as the other (black: goal, at least)")


def _limits(axis: plt.Axes, rows: Sequence[Mapping[str, str]]) -> None:
    at = np.arange(len(rows))
    values = [float(row["ratio"] or row["ours"]) for row in rows]
    shares = [
        v / float(r["goal"].split()[1]) for v, r in zip(values, rows, strict=True)
    ]
    axis.barh(at, shares, color=_quietness(rows), height=0.62)
    for i, row in enumerate(rows):
        shown = f"{float(row['ours']):.3g} {row['unit']}"
        if row["theirs"]:
            shown += f" beside {float(row['theirs']):.3g} of {row['peer']}"
        axis.text(max(shares[i], 1), i, f"  {shown}", va="center", fontsize=7)
    axis.axvline(1.0, color="black", lw=2)
    axis.set_xlim(0, 1.5 * max(1.0, *shares))
    axis.set_xlabel("share of the most that it may be (black: goal, at most)")
