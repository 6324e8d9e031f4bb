"""Which class, or group of classes, is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from scripts.lib.figures import style


def confusion(
    about: Mapping[str, Any],
    label: str,
    counts: np.ndarray,
    names: Sequence[str],
    within: tuple[float, float] | None,
    source: Mapping[str, Any],
) -> plt.Figure:
    """Draw how the images of each class are told, rows summing to 100 %.

    label: of the rung; counts: (K, K), true class by told one, over all seeds;
    names: K; within: where these are groups of classes (about: `coarser`), the share of
    errors that stay within the group, in per cent, and that of errors made by chance.
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
    what = about["coarser"] or "class"
    axis.set_xlabel(f"told {what}")
    axis.set_ylabel(f"true {what}, its images = 100 %")
    title = label
    if within is not None:
        stay, by_chance = within
        title += f": {stay:.1f} % of the errors stay within the {what} (by chance "
        title += f"{by_chance:.1f} %)"
    axis.set_title(title, fontsize=10)
    style.foot(
        figure,
        f"{style.about(about, source)} · test part, after the last epoch, all seeds · "
        "below 0.5 % no number",
    )
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    return figure
