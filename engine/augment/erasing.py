"""Random erasing: a rectangle of the image filled with random values.

Source: Z. Zhong, L. Zheng, G. Kang, S. Li, Y. Yang, "Random erasing data augmentation",
AAAI 2020, Algorithm 1; S4 4.1 and 5.2.1 (probability 0.5, area 0.02 to 0.33, aspect 0.3
to 3.3).
"""

from __future__ import annotations

import numpy as np

from engine.random import Streams

_ATTEMPTS = 10


def draw_rectangles(
    draws: Streams,
    size: tuple[int, int],
    probability: float,
    area: tuple[float, float],
    aspect: tuple[float, float],
) -> np.ndarray:
    """Return the rectangle to be erased in each image, of height 0 where none is.

    With the given probability S_e = H W · U(area), r = U(aspect), and
        h = round(√(S_e r)),  w = round(√(S_e / r)),
    drawn anew, up to ten times, while h > H or w > W; then top = U{0, …, H − h},
    left = U{0, …, W − w}.

    draws: the images' own streams; size: (H, W), px; area: portions of the image;
    aspect: height / width. Returns int64 (images, 4): top, left, height, width.
    Source: Zhong et al., Algorithm 1; S4 5.2.1.
    """
    # DEVIATION: Algorithm 1 draws the place anew together with the size until both fit,
    # which makes large rectangles rarer than drawn; here, as in its authors' own code,
    # the place is drawn among those where the rectangle fits.
    height, width = size
    u = draws.uniform((1 + 4 * _ATTEMPTS,))
    chosen = u[:, 0] < probability
    tries = u[:, 1:].reshape(len(u), _ATTEMPTS, 4)
    erased = height * width * _between(tries[..., 0], area)
    ratio = _between(tries[..., 1], aspect)
    h, w = np.rint(np.sqrt(erased * ratio)), np.rint(np.sqrt(erased / ratio))
    fits = (h <= height) & (w <= width)
    top = np.floor(tries[..., 2] * (height - h + 1))
    left = np.floor(tries[..., 3] * (width - w + 1))
    rectangles = np.stack([top, left, h, w], axis=-1)
    first = rectangles[np.arange(len(u)), fits.argmax(axis=1)]
    first[~(chosen & fits.any(axis=1))] = 0
    return first.astype(np.int64)


def erase(images: np.ndarray, rectangles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the images with `values` in their rectangles, in all channels.

    images, values: (n, channels, height, width); rectangles: as `draw_rectangles`
    returns them. Source: Zhong et al., Algorithm 1 (random values).
    """
    rows, columns = (np.arange(length) for length in images.shape[2:])
    top, left, height, width = (part[:, None] for part in rectangles.T)
    down = (top <= rows) & (rows < top + height)
    across = (left <= columns) & (columns < left + width)
    inside = down[:, None, :, None] & across[:, None, None, :]
    return np.where(inside, values, images)


def _between(u: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    return low + (high - low) * u
