"""Which superclass is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from scripts.lib.plots import style


def confusion(
    about: Mapping[str, Any],
    label: str,
    counts: np.ndarray,
    names: Sequence[str],
    within: tuple[float, float],
    source: Mapping[str, Any],
) -> plt.Figure:
    """Draw how the images of each superclass are told, rows summing to 100 %.

    label: of the rung; counts: (K, K), true superclass by told one, over all seeds;
    names: K; within: the share of errors that stay within the superclass, in per cent,
    and that of errors made by chance.
    """
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(names)
    figure, axis = plt.subplots(figsize=(10, 9.2))
    axis.imshow(share, cmap="Blues", vmin=0, vmax=max(share.max(), 1))
    for (row, column), value in np.ndenumerate(share):
        if value >= 0.5:
            bright = value < 0.6 * share.max()
            axis.text(
                column,
                row,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=7,
                color="black" if bright else "white",
            )
    shown = [name.replace("_", " ") for name in names]
    axis.set_xticks(range(size), shown, rotation=60, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(size), shown)
    axis.tick_params(labelsize=8, length=0)
    axis.set_xlabel("told superclass")
    axis.set_ylabel("true superclass, its images = 100 %")
    stay, by_chance = within
    axis.set_title(
        f"{label}: {stay:.1f} % of the errors stay within the superclass "
        f"(by chance {by_chance:.1f} %)",
        fontsize=10,
    )
    style.foot(
        figure,
        f"{style.about(about, source)} · test part, after the last epoch, all seeds · "
        "below 0.5 % no number",
    )
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    return figure
