"""What all figures share: colours, the line that says what is shown, writing."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from scripts.lib.io.files import write_bytes

LEAKING, HONEST, PLAIN = "#d1495b", "#2e6f95", "#8d99ae"
MAPE_TICKS = (0.5, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 70, 100, 200, 500)
MAPE_TICKS_WIDE = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
plt.rcParams.update(
    {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
)


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


def about_rows(row: Mapping[str, str]) -> str:
    """Return the same line for a figure that is drawn from a table's rows."""
    seeds = {"seeds": row["seeds"].split(), "scale": row["scale"]}
    return about(seeds, row)


def foot(figure: plt.Figure, text: str) -> None:
    """Write a line at the foot of a figure."""
    figure.text(0.5, 0.01, text, ha="center", fontsize=8)
