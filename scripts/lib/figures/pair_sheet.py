"""The pairs of drawings of a data set that look most alike, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from scripts.lib.leak.grey_features import CORRELATION, HASH_DISTANCE, looks_of

_PAIRS = 8  # in each row
_EDGE = 2  # px of grey round each drawing
_NEAR = "#d1495b"


class Pair(NamedTuple):
    """Two drawings by their place, and how alike they are."""

    one: int
    other: int
    correlation: float
    distance: int

    @property
    def near(self) -> bool:
        """Whether the leak audit would count them as near-duplicates."""
        return self.correlation >= CORRELATION or self.distance <= HASH_DISTANCE


def closest_pairs(
    images: np.ndarray, children: Sequence[str]
) -> list[tuple[str, list[Pair]]]:
    """Return the closest pairs of drawings, each list under its heading.

    By different children as each measure sees it, and by one child; at most eight
    pairs each, the closest first. images: uint8 (n, h, w); children: n.
    """
    looks = looks_of(images, images.mean(axis=0, dtype=np.float64))
    correlation, distance = looks.correlations(looks), looks.distances(looks)
    codes = np.unique(np.array(children), return_inverse=True)[1]
    apart = codes[:, None] != codes
    found = []
    for heading, allowed, order in (
        ("By different children, closest by their pixels", apart, -correlation),
        ("By different children, closest by their hash", apart, distance),
        ("By one child, closest by their pixels", ~apart, -correlation),
    ):
        a, b = np.nonzero(np.triu(allowed, 1))
        ranked = np.argsort(order[a, b], kind="stable")[:_PAIRS]
        pairs = [
            Pair(i, j, float(correlation[i, j]), int(distance[i, j]))
            for i, j in zip(a[ranked].tolist(), b[ranked].tolist(), strict=True)
        ]
        found += [(heading, pairs)] if pairs else []
    return found


def draw(
    images: np.ndarray,
    ids: Sequence[str],
    children: Sequence[str],
    source: Mapping[str, Any],
) -> plt.Figure:
    """Draw the closest pairs side by side; red: near-duplicates to the leak audit."""
    rows = closest_pairs(images, children)
    figure = plt.figure(
        figsize=(1.5 * _PAIRS, 2.0 * len(rows) + 0.8), layout="constrained"
    )
    figure.suptitle("Drawings that look most alike", fontsize=12)
    stand_in = " (GENERATED STAND-IN)" if source["status"] == "stand-in" else ""
    figure.supxlabel(
        f"data: {source['dataset']}{stand_in} · {len(ids)} drawings, before "
        f"augmentation · r: correlation given the mean image · d: bits of 64 that "
        f"differ · red: r ≥ {CORRELATION} or d ≤ {HASH_DISTANCE}",
        fontsize=8,
    )
    parts = figure.subfigures(max(1, len(rows)), 1, squeeze=False)[:, 0]
    for part, (heading, pairs) in zip(parts, rows, strict=False):
        part.suptitle(heading, fontsize=9, x=0.01, ha="left")
        axes = part.subplots(1, _PAIRS)
        for axis in axes:
            axis.axis("off")
        for axis, pair in zip(axes, pairs, strict=False):
            _draw_pair(axis, images, ids, pair)
    return figure


def _draw_pair(axis, images: np.ndarray, ids: Sequence[str], pair: Pair) -> None:
    h, w = images.shape[1:]
    both = np.full((h + 2 * _EDGE, 2 * w + 3 * _EDGE), 128, np.uint8)
    for place, image in enumerate((images[pair.one], images[pair.other])):
        left = _EDGE + place * (w + _EDGE)
        both[_EDGE:-_EDGE, left : left + w] = image
    axis.imshow(both, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    axis.set_title(
        f"{ids[pair.one]}\n{ids[pair.other]}\n"
        f"r {pair.correlation:.3f} · d {pair.distance}",
        fontsize=6,
        color=_NEAR if pair.near else "black",
    )
