"""Noise: some pixels lighter or darker by one level, or all by Gaussian numbers.

Source: S0 5.1 ("adding random positive or negative values to randomly chosen pixels",
set by the level of the noise and the portion of the pixels to be noised); S3 4.3
(normally distributed numbers of standard deviation 0.1, against weights at the edges).
"""

from __future__ import annotations

import math

import numpy as np

from engine.random import Streams


def draw_noise(
    draws: Streams, size: tuple[int, ...], level: float, portion: float
) -> np.ndarray:
    """Return what is to be added to each pixel: +level, -level, or 0.

    n_i = s_i m_i level,   s_i = +1 or -1 (each with probability 1/2),
    m_i = 1 in exactly round(portion · pixels) random places, else 0

    draws: the images' own streams of random numbers; size: (channels, height, width),
    or (height, width), px; level: grey, in units of the range [0, 1]; portion: of the
    pixels (of colours, of all numbers), [0, 1].
    Returns float32 (images, *size). Source: S0 5.1.
    """
    # DEVIATION: S0 says "random values"; the amount is one level, only its sign and
    # its places are random, which is how its two settings (level, portion) read.
    pixels = math.prod(size)
    noised = draws.choice_mask(pixels, portion)
    signs = np.where(draws.uniform((pixels,)) < 0.5, -level, level)
    noise = np.where(noised, signs, 0.0).astype(np.float32)
    return noise.reshape(len(draws), *size)


def add_noise(images: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the images with `noise` added: y = min(1, max(0, x + n)).

    images, noise: float32 of one shape; the images, and what is returned, in [0, 1].
    Source: S0 5.1.
    Raises: ValueError if the two have different shapes.
    """
    if images.shape != noise.shape:
        raise ValueError(
            f"add_noise: expected noise of the image's shape {images.shape}, "
            f"received {noise.shape}"
        )
    return np.clip(images + noise, 0.0, 1.0)


def draw_gaussian(draws: Streams, size: tuple[int, ...], sd: float) -> np.ndarray:
    """Return what is to be added to each pixel: n_i ~ N(0, sd²), each drawn apart.

    draws: the images' own streams; size: of an image; sd: in units of the range [0, 1].
    Returns float32 (images, *size). The sum may leave the range: S3 does not cut it.
    Source: S3 4.3 (sd 0.1).
    """
    return (sd * draws.normal(size)).astype(np.float32)
