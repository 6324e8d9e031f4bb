"""Test images beside the training images they resemble most, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from scripts.lib.figures import style

_COLUMNS = 8  # pairs in each line
_LINES = 7
_EDGE = 1  # px of grey round each picture


def draw(
    about: Mapping[str, Any],
    source: Mapping[str, Any],
    scale: str,
    pairs: Mapping[str, np.ndarray],
) -> plt.Figure:
    """Draw near-duplicates from the closest to the threshold, and some below it.

    about, pairs: the JSON and the NPZ file of the step `near_duplicates`. Of the pairs
    above the threshold those at equal steps of their rank, where they are too many.
    """
    near = about["near_duplicates"]
    under = range(near, min(len(pairs["correlation"]), near + _COLUMNS))
    over = np.linspace(0, near - 1, min(near, _COLUMNS * _LINES)).round().astype(int)
    blocks = [
        (f"Near-duplicates: {len(over)} of {near}", over.tolist()),
        ("Just below the threshold: not counted", list(under)),
    ]
    blocks = [(heading, chosen) for heading, chosen in blocks if chosen]
    lines = [-(-len(chosen) // _COLUMNS) for _, chosen in blocks]
    figure = plt.figure(
        figsize=(1.5 * _COLUMNS, 0.98 * sum(lines) + 0.3 * len(lines) + 0.9),
        layout="constrained",
    )
    figure.suptitle("Test images (left) and training images (right)", fontsize=12)
    figure.supxlabel(_foot(about, source, scale), fontsize=8)
    # The heading takes as much as a third of a line.
    heights = [count + 0.35 for count in lines]
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=heights)[
        :, 0
    ]
    for part, (heading, chosen), count in zip(parts, blocks, lines, strict=True):
        below = chosen[0] >= near
        colour = style.PLAIN if below else style.LEAKING
        part.suptitle(heading, fontsize=9, x=0.01, ha="left", color=colour)
        axes = part.subplots(count, _COLUMNS, squeeze=False).flat
        for axis in axes:
            axis.axis("off")
        for axis, place in zip(part.axes, chosen, strict=False):
            _draw_pair(axis, pairs, place)
    return figure


def _foot(about: Mapping[str, Any], source: Mapping[str, Any], scale: str) -> str:
    stand_in = " (GENERATED STAND-IN)" if source["status"] == "stand-in" else ""
    alarms = about["false_alarms"]
    portion = alarms["taken_for_near_duplicates"] / alarms["pairs_of_different_classes"]
    threshold = about["threshold"]["correlation"]
    return (
        f"data: {source['dataset']}{stand_in} · scale: {scale} · split: "
        f"{about['protocol']} · {about['near_duplicates']} of {about['test']} test "
        f"images have a near-duplicate among {about['learn']} training and validation "
        f"images\nr: correlation of what sets a picture apart · threshold: r ≥ "
        f"{threshold} · of pairs of different classes {1e6 * portion:.2g} in a million "
        "are above it · mirrored: the training image is shown mirrored"
    )


def _draw_pair(axis: plt.Axes, pairs: Mapping[str, np.ndarray], place: int) -> None:
    h, w = pairs["test"].shape[2:]
    both = np.full((h + 2 * _EDGE, 2 * w + 3 * _EDGE, 3), 128, np.uint8)
    for side, image in enumerate((pairs["test"][place], pairs["train"][place])):
        left = _EDGE + side * (w + _EDGE)
        # One channel or three.
        both[_EDGE:-_EDGE, left : left + w] = image.transpose(1, 2, 0)
    axis.imshow(both, interpolation="nearest")
    names = [str(pairs[key][place]) for key in ("test_class", "train_class")]
    same = names[0] == names[1]
    told = "identical" if pairs["identical"][place] else ""
    told = "mirrored" if pairs["mirrored"][place] else told
    axis.set_title(
        f"{names[0] if same else ' / '.join(names)}\n"
        f"r {pairs['correlation'][place]:.3f} {told}",
        fontsize=6,
    )
