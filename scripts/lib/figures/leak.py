"""What a leak is worth: the same networks with it and without, with their controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.patches import Patch

from scripts.lib.figures import style

Row = Mapping[str, str]

# MAPE above this is cut off; what it is stands in the bar.
_HIGHEST = 120.0
_WIDTH = 0.8
_NO_PREDICTOR = {"ceiling", "chance"}


def leak(sheets: Sequence[tuple[Mapping[str, Any], Sequence[Row]]]) -> plt.Figure:
    """Draw a line of panels for each experiment, a group of bars for each target.

    sheets: (what `showing.leak_json` says of an experiment, rows of its table). A bar
    for each protocol: red if it leaks, blue if not, hatched with the labels shuffled;
    with 95 % intervals over the children, the published value, the best trivial
    baseline under the same protocol, and chance (the median age, for a regression).
    """
    drawn = [_wanted(*sheet) for sheet in sheets]
    drawn = [(about, rows) for about, rows in drawn if rows]
    counts = [
        [len(_variants(rows, task)) for task in ("regression", "classification")]
        for _, rows in drawn
    ]
    widths = [max(1, *(line[i] for line in counts)) for i in range(2)]
    figure, axes = plt.subplots(
        len(drawn),
        2,
        figsize=(max(1.75 * sum(widths) + 1.9, 10), 3.1 * len(drawn) + 1.1),
        squeeze=False,
        width_ratios=widths,
    )
    for line, (about, rows) in zip(axes, drawn, strict=True):
        for axis, task in zip(line, ("regression", "classification"), strict=True):
            _panel(axis, about, [r for r in rows if r["task"] == task], task)
        names = dict.fromkeys(row["model"] for row in rows if row["seconds"])
        title = f"{about['title']}: {', '.join(names)}"
        line[0].set_title(title, loc="left", fontsize=10)
    _legend(figure)
    style.foot(
        figure,
        f"{style.about_rows(drawn[0][1][0])} · bars: mean over folds × seeds, lines: "
        "95 % interval over the children",
    )
    figure.tight_layout(rect=(0, 0.03, 1, 1 - 0.55 / figure.get_figheight()))
    return figure


def _wanted(
    about: Mapping[str, Any], rows: Sequence[Row]
) -> tuple[Mapping[str, Any], list[Row]]:
    """Return the rows of an experiment that the figure shows."""
    protocols = {protocol["id"] for protocol in about["protocols"]}
    return about, [
        row
        for row in rows
        if row["variant"] in about["variants"]
        and row["protocol"] in protocols
        and row["ours"]
    ]


def _variants(rows: Sequence[Row], task: str) -> list[str]:
    return list(dict.fromkeys(row["variant"] for row in rows if row["task"] == task))


def _panel(
    axis: plt.Axes, about: Mapping[str, Any], rows: Sequence[Row], task: str
) -> None:
    if not rows:
        axis.axis("off")
        return
    variants = _variants(rows, task)
    top = 105.0
    if task == "regression":
        highest = max(float(row["high"] or row["ours"]) for row in rows)
        top = min(1.08 * highest, _HIGHEST)
    axis.set_ylim(0, top)
    for at, variant in enumerate(variants):
        _group(axis, about, [r for r in rows if r["variant"] == variant], at)
    axis.set_xlim(-0.6, len(variants) - 0.4)
    labels = [_target(rows, variant) for variant in variants]
    axis.set_xticks(range(len(variants)), labels, fontsize=8)
    axis.set_ylabel(
        "MAPE, % (lower is better)" if task == "regression" else "accuracy, %"
    )


def _target(rows: Sequence[Row], variant: str) -> str:
    row = next(row for row in rows if row["variant"] == variant)
    classes = f"\n({row['classes']} classes)" if row["classes"] else ""
    return row["target"].replace("+", "\n+ ") + classes


def _group(
    axis: plt.Axes, about: Mapping[str, Any], rows: Sequence[Row], at: float
) -> None:
    """Draw one target's bars, a protocol each, round the place `at`."""
    protocols = about["protocols"]
    wide = _WIDTH / len(protocols)
    for number, protocol in enumerate(protocols):
        mine = [row for row in rows if row["protocol"] == protocol["id"]]
        x = at - _WIDTH / 2 + (number + 0.5) * wide
        model = next((row for row in mine if row["seconds"]), None)
        if model is None:
            continue
        _bar(axis, x, 0.92 * wide, model, protocol)
        trivial = _best_trivial(mine)
        if trivial is not None:
            axis.hlines(trivial, x - 0.46 * wide, x + 0.46 * wide, color="black", lw=2)
        for row in mine:
            if row["model"] in ("chance", "median"):
                ends = x - 0.5 * wide, x + 0.5 * wide
                axis.hlines(float(row["ours"]), *ends, color="0.25", ls=":", lw=1.2)
    published = next((row["published"] for row in rows if row["published"]), None)
    if published:
        value = float(published.split()[-1])
        axis.hlines(value, at - 0.45, at + 0.45, color="black", ls="--", lw=1)


def _bar(
    axis: plt.Axes, x: float, wide: float, row: Row, protocol: Mapping[str, Any]
) -> None:
    shuffled = protocol["labels"] == "shuffled"
    value = float(row["ours"])
    colour = style.LEAKING if protocol["leaks"] else style.HONEST
    axis.bar(
        x,
        value,
        wide,
        color="white" if shuffled else colour,
        edgecolor=colour,
        hatch="////" if shuffled else None,
        lw=0.8,
        zorder=1,
    )
    if row["low"]:
        axis.vlines(x, float(row["low"]), float(row["high"]), color="0.2", lw=1)
    cut = value > axis.get_ylim()[1]
    axis.annotate(
        f"{value:.1f}{' ↑' if cut else ''}",
        (x, 0),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=7,
        rotation=90,
        weight="bold",
        color="black",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.75},
        zorder=4,
    )


def _best_trivial(rows: Sequence[Row]) -> float | None:
    values = [
        float(row["ours"])
        for row in rows
        if not row["seconds"] and row["model"] not in _NO_PREDICTOR
    ]
    if not values:
        return None
    return min(values) if rows[0]["metric"] == "mape" else max(values)


def _legend(figure: plt.Figure) -> None:
    line = plt.Line2D
    entries = {
        "the paper's protocol (leaks)": Patch(color=style.LEAKING),
        "… labels shuffled": Patch(fc="white", ec=style.LEAKING, hatch="////"),
        "by child (no leak)": Patch(color=style.HONEST),
        "… labels shuffled (must be chance)": Patch(
            fc="white", ec=style.HONEST, hatch="////"
        ),
        "published": line([], [], color="black", ls="--", lw=1),
        "best trivial baseline, same protocol": line([], [], color="black", lw=2),
        "chance, or the median age": line([], [], color="0.25", ls=":", lw=1.2),
    }
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="upper center",
        ncols=4,
        frameon=False,
        fontsize=8,
    )
