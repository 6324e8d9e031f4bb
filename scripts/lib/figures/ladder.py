"""The rungs of a ladder: learning curves, and accuracy against what it costs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from scripts.lib.figures import style

Row = Mapping[str, str]

_COLUMNS = 3
_PARTS = {"train": style.LEAKING, "validation": style.HONEST}
_SCORES = {"train": "training_score", "validation": "validation_score"}
_MARKER, _PUBLISHED = "o", "*"
# Times ours that a published accuracy may be and still be drawn to scale.
_FAR = 2.0


@dataclass(frozen=True)
class Curves:
    """The histories of one rung, one for each seed: rows with pass and both scores.

    published: {part: accuracy in per cent after the last pass}.
    """

    label: str
    published: Mapping[str, Any]
    histories: Sequence[Sequence[Mapping[str, float]]]


def ladder_curves(
    about: Mapping[str, Any],
    rungs: Sequence[Curves],
    source: Mapping[str, Any],
    chance: float,
) -> plt.Figure:
    """Draw accuracy over the passes, a panel for each rung.  Source: S4's figures.

    about: what `ladder.ladder_json` says; chance: in per cent.
    """
    columns = min(_COLUMNS, len(rungs))
    lines = -(-len(rungs) // columns)
    figure, axes = plt.subplots(
        lines,
        columns,
        figsize=(max(3.4 * columns, 8), 2.6 * lines + 1.2),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for axis in axes.flat[len(rungs) :]:
        axis.axis("off")
    top = _top(rungs)
    for axis, rung in zip(axes.flat, rungs, strict=False):
        _curves(axis, rung, chance)
        _published(axis, rung, top)
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy, %")
    for number, axis in enumerate(axes.flat[: len(rungs)]):
        if number + columns >= len(rungs):  # the lowest of its column
            axis.set_xlabel("epoch")
            axis.tick_params(labelbottom=True)
    # An accuracy of chance would lie on the axis.
    axes[0, 0].set_ylim(-0.03 * top, top)
    _legend(figure, about["document"])
    style.foot(
        figure,
        f"{style.about(about, source)} · a line for each seed · "
        f"stars: {about['document']} after the last epoch (↑: above)",
    )
    height = figure.get_figheight()
    figure.tight_layout(rect=(0, 0.3 / height, 1, 1 - 0.4 / height))
    return figure


def _top(rungs: Sequence[Curves]) -> float:
    """Return the upper end of the accuracies that are shown.

    Above ours, and above those published that are not far off, as they are where fewer
    images were learned in fewer epochs.
    """
    rows = [row for rung in rungs for rows in rung.histories for row in rows]
    ours = max(100 * row[key] for row in rows for key in _SCORES.values())
    told = [v for rung in rungs for k, v in rung.published.items() if k in _PARTS]
    return _upper_end(ours, told)


def _upper_end(ours: float, published: Sequence[float]) -> float:
    """Return how far an axis goes: with room for marks of what lies above it."""
    near = [value for value in published if value < _FAR * ours]
    room = 1.1 if len(near) == len(published) else 1.35
    return room * max([ours, 1.0, *near])


def _curves(axis: plt.Axes, rung: Curves, chance: float) -> None:
    for rows in rung.histories:
        at = [row["pass"] for row in rows]
        for part, key in _SCORES.items():
            values = [100 * row[key] for row in rows]
            axis.plot(at, values, color=_PARTS[part], lw=1.3, marker=".", ms=3)
    axis.axhline(chance, color="black", ls=":", lw=1)
    axis.set_title(rung.label, fontsize=10)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))


def _published(axis: plt.Axes, rung: Curves, top: float) -> None:
    """Mark what was published at the last pass; what is far above, at the upper end."""
    last = max(row["pass"] for rows in rung.histories for row in rows)
    above = 0
    for part, colour in _PARTS.items():
        value = rung.published.get(part)
        if value is not None:
            _star(axis, last, value, top, colour, above)
            above += value > top


def _star(
    axis: plt.Axes, x: float, value: float, top: float, colour: Any, above: int
) -> None:
    """Mark a published accuracy; above: how many stand at the upper end already."""
    y = value
    if value > top:
        y = top * (1 - 0.12 * above)
        text = f"{value:.1f} ↑   "
        axis.text(x, y, text, color=colour, fontsize=8, ha="right", va="center")
    axis.plot(x, y, _PUBLISHED, color=colour, ms=10, mec="white", clip_on=False)


def _legend(figure: plt.Figure, document: str) -> None:
    lines = [
        plt.Line2D([], [], color=colour, lw=1.3, marker=".", ms=3, label=part)
        for part, colour in _PARTS.items()
    ]
    lines += [
        plt.Line2D(
            [],
            [],
            color=colour,
            ls="",
            marker=_PUBLISHED,
            ms=9,
            label=f"{document}, {part}",
        )
        for part, colour in _PARTS.items()
    ]
    lines.append(plt.Line2D([], [], color="black", ls=":", lw=1, label="chance"))
    figure.legend(handles=lines, loc="upper center", ncols=5, frameon=False, fontsize=8)


def ladder_accuracy(rows: Sequence[Row]) -> plt.Figure:
    """Draw test accuracy after the last pass over parameters and over seconds.

    rows: of GROUP.csv. A rung whose numbers are of another's training is not drawn
    twice; what was published of it stands there. S4 does not say what its took.
    """
    chance = next(row for row in rows if row["rung"] == "chance")
    scored = [r for r in rows if (r["part"], r["epoch"]) == ("test", "last")]
    drawn = _each_once(scored)
    published = {
        row["trained_as"]: float(row["published"]) for row in scored if row["published"]
    }
    top = _upper_end(max(float(r["high"]) for r in drawn), list(published.values()))
    above = 0
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.6), sharey=True)
    names = {
        "parameters": "learned parameters, thousands",
        "seconds": "seconds of training",
    }
    colours = plt.get_cmap("tab10").colors
    for axis, (key, name) in zip(axes, names.items(), strict=True):
        at = np.array([float(row[key]) for row in drawn])
        if key == "parameters":
            at = _apart(at / 1000)
        for number, (x, row) in enumerate(zip(at, drawn, strict=True)):
            colour = colours[number % len(colours)]
            _point(axis, x, row, colour)
            if key == "parameters" and row["trained_as"] in published:
                _star(axis, x, published[row["trained_as"]], top, colour, above)
                above += published[row["trained_as"]] > top
        axis.axhline(float(chance["ours"]), color="black", ls=":", lw=1)
        axis.set_xlabel(name)
        axis.set_xlim(left=0)
    axes[0].set_ylabel("test accuracy after the last epoch, %")
    axes[0].set_ylim(0, top)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper center", ncols=4, frameon=False, fontsize=8
    )
    style.foot(figure, _accuracy_foot(drawn[0]))
    figure.tight_layout(rect=(0, 0.08, 1, 0.88))
    return figure


def _each_once(rows: Sequence[Row]) -> list[Row]:
    """Return the first row of each training."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row["trained_as"], row)
    return list(found.values())


def _accuracy_foot(row: Row) -> str:
    return (
        f"{style.about_rows(row)} · lines: 95 % intervals over the {row['interval']} · "
        "stars: published (↑: above)\nequal numbers of parameters stand side by side · "
        f"dotted: chance · {row['device']}, {row['threads']} thread(s)"
    )


def _apart(at: np.ndarray) -> np.ndarray:
    """Return places moved to the right where several are nearly the same."""
    step = 0.035 * (at.max() - at.min() or at.max())
    moved = at.copy()
    order = np.argsort(at, kind="stable")
    for left, right in itertools.pairwise(order):
        moved[right] = max(moved[right], moved[left] + step)
    return moved


def _point(axis: plt.Axes, x: float, row: Row, colour: Any) -> None:
    y, low, high = (float(row[key]) for key in ("ours", "low", "high"))
    axis.errorbar(
        x,
        y,
        yerr=[[max(y - low, 0)], [max(high - y, 0)]],
        color=colour,
        marker=_MARKER,
        ms=5,
        lw=0,
        elinewidth=1.2,
        label=row["label"],
    )
