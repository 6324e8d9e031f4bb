"""Noising: a random portion of the pixels made lighter or darker by one level.

Source: S0 5.1 ("adding random positive or negative values to randomly chosen pixels",
set by the level of the noise and the portion of the pixels to be noised).
"""

from __future__ import annotations

import numpy as np

from engine.random import Stream


def draw_noise(
    draws: Stream, size: tuple[int, int], level: float, portion: float
) -> np.ndarray:
    """Return what is to be added to each pixel: +level, -level, or 0.

    n_i = s_i m_i level,   s_i = +1 or -1 (each with probability 1/2),
    m_i = 1 in exactly round(portion · height · width) random places, else 0

    draws: the copy's own stream of random numbers; size: (height, width), px;
    level: grey, in units of the range [0, 1]; portion: of the pixels, [0, 1].
    Returns float32 (height, width). Source: S0 5.1.
    """
    # DEVIATION: S0 says "random values"; the amount is one level, only its sign and
    # its places are random, which is how its two settings (level, portion) read.
    pixels = size[0] * size[1]
    noised = draws.choice_mask(pixels, portion)
    signs = np.where(draws.uniform(size=pixels) < 0.5, -level, level)
    return np.where(noised, signs, 0.0).astype(np.float32).reshape(size)


def add_noise(image: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the image with `noise` added: y = min(1, max(0, x + n)).

    image, noise: float32 (height, width); the image, and what is returned, in [0, 1].
    Source: S0 5.1.
    Raises: ValueError if the two have different shapes.
    """
    if image.shape != noise.shape:
        raise ValueError(
            f"add_noise: expected noise of the image's shape {image.shape}, "
            f"received {noise.shape}"
        )
    return np.clip(image + noise, 0.0, 1.0)
