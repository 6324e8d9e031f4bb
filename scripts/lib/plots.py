"""The figures. Each says on its face what data, scale and seeds it shows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from scripts.lib.files import write_bytes

_LEAKING, _HONEST, _PLAIN = "#d1495b", "#2e6f95", "#8d99ae"
_MAPE_TICKS = (0.5, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 70, 100, 200, 500)
_MAPE_TICKS_WIDE = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_LOSS, _SCORE = "#8d99ae", "#2e6f95"
plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)


@dataclass(frozen=True)
class Profile:
    """The passes of one variant under one protocol, fold after fold."""

    variant: Mapping[str, Any]
    protocol: Mapping[str, Any]
    folds: Sequence[Sequence[Mapping[str, float]]]


def save(figure: plt.Figure, path: Path) -> None:
    """Write a PNG file; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    plt.close(figure)
    write_bytes(path, buffer.getvalue())


def about(experiment: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    """Return the line that says what a figure shows."""
    stand_in = source["status"] == "stand-in"
    data = f"{source['dataset']}{' (GENERATED STAND-IN)' if stand_in else ''}"
    seeds = " ".join(map(str, experiment["seeds"]))
    return f"data: {data} · scale: {experiment['scale']} · seeds: {seeds}"


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
        about(experiment, source)
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
        if len(rows) < panel.variant["recipe"]["passes"]:
            right.plot(at[-1], score[-1], "x", color=_LEAKING)
        if number:
            axis.axvline(begin + 0.5, color="0.85", lw=0.8, zorder=0)
        begin += len(rows)
    axis.set_yscale("log")
    axis.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    axis.set_xlabel("pass (folds one after another)")
    axis.set_ylabel("training loss (grey, log)")
    if regression:
        right.set_yscale("log")
        right.yaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
        right.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
        low, high = right.get_ylim()
        ticks = _MAPE_TICKS if high < 8 * low else _MAPE_TICKS_WIDE
        right.set_yticks([t for t in ticks if low <= t <= high])
    else:
        right.set_ylim(0, 103)
    right.set_ylabel("validation MAPE, %" if regression else "validation accuracy, %")
    leaks = "leaks" if panel.protocol["leaks"] else "no leak"
    axis.set_title(
        f"{panel.variant['id']} · {panel.protocol['id']} ({leaks})",
        fontsize=10,
        color=_LEAKING if panel.protocol["leaks"] else _HONEST,
    )


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
    figure.text(0.5, 0.01, about(experiment, source), ha="center", fontsize=7)
    figure.tight_layout(rect=(0, 0.02, 1, 0.98))
    return figure


def leak(rows: Sequence[Mapping[str, str]]) -> plt.Figure:
    """Draw bars: the model under each protocol, the published value, trivial baselines.

    rows: of the tables' CSV files; regressions (MAPE) left, classifications right.
    """
    tasks = [t for t in ("regression", "classification") if _of(rows, t)]
    widths = [len(_variants(_of(rows, t))) for t in tasks]
    figure, axes = plt.subplots(
        1,
        len(tasks),
        figsize=(2.3 * sum(widths) + 2.2, 4.6),
        squeeze=False,
        width_ratios=widths,
    )
    for axis, task in zip(axes[0], tasks, strict=True):
        _bars(axis, _of(rows, task), task)
    handles = [
        plt.Rectangle((0, 0), 1, 1, color=_LEAKING),
        plt.Rectangle((0, 0), 1, 1, color=_HONEST),
        plt.Line2D([], [], color="black", ls="--"),
        plt.Line2D([], [], color=_PLAIN, marker="_", ls="", ms=14, mew=2),
    ]
    names = [
        "the paper's protocol (leaks)",
        "by child (no leak)",
        "published",
        "best trivial baseline, same protocol",
    ]
    figure.legend(
        handles, names, loc="upper center", ncols=4, frameon=False, fontsize=8
    )
    first = rows[0]
    stand_in = " (GENERATED STAND-IN)" if first["status"] == "stand-in" else ""
    figure.text(
        0.5,
        0.01,
        f"data: {first['dataset']}{stand_in} · scale: {first['scale']} · seeds: "
        f"{first['seeds']} · bars: mean over folds × seeds, lines: ± sd",
        ha="center",
        fontsize=8,
    )
    figure.tight_layout(rect=(0, 0.03, 1, 0.93))
    return figure


def _of(rows: Sequence[Mapping[str, str]], task: str) -> list[Mapping[str, str]]:
    return [row for row in rows if row["task"] == task]


def _variants(rows: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row["experiment"], row["variant"]) for row in rows))


def _bars(axis, rows: Sequence[Mapping[str, str]], task: str) -> None:
    variants = _variants(rows)
    choose = min if task == "regression" else max
    for at, (experiment, variant) in enumerate(variants):
        mine = [
            r for r in rows if (r["experiment"], r["variant"]) == (experiment, variant)
        ]
        for leaks, shift, colour in (("yes", -0.2, _LEAKING), ("no", 0.2, _HONEST)):
            group = [r for r in mine if r["leaks"] == leaks]
            models = [r for r in group if r["seconds"]]
            trivial = [float(r["ours"]) for r in group if not r["seconds"]]
            if models:
                value, sd = float(models[0]["ours"]), float(models[0]["sd"] or 0)
                axis.bar(at + shift, value, 0.38, color=colour, yerr=sd, ecolor="0.25")
                # At the foot of the bar, where no line of a level crosses it.
                axis.annotate(
                    f"{value:.1f}",
                    (at + shift, 0),
                    xytext=(0, 12),
                    textcoords="offset points",
                    ha="center",
                    color="white",
                    weight="bold",
                )
            if trivial:
                level = choose(trivial)
                axis.hlines(
                    level, at + shift - 0.19, at + shift + 0.19, color=_PLAIN, lw=3
                )
        published = [r["published"] for r in mine if r["published"]]
        if published:
            value = float(published[0].split()[-1])
            axis.hlines(value, at - 0.42, at + 0.42, color="black", ls="--", lw=1)
    axis.set_xticks(
        range(len(variants)), [f"{e}\n{v}" for e, v in variants], fontsize=8
    )
    axis.set_ylabel(
        "MAPE, % (lower is better)" if task == "regression" else "accuracy, %"
    )
    if task == "classification":
        axis.set_ylim(0, 108)


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
    return [_HONEST if row["quiet"] == "yes" else _PLAIN for row in rows]


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
