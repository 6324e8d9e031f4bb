"""Elastic distortion: each pixel comes from a place moved by a smooth random field.

Source: S3 3.3 and its code (u = 8, σ = 2, on characters of 16x16 and 28x28 px).
"""

from __future__ import annotations

import cv2
import numpy as np

from engine.random import Streams


def draw_field(
    draws: Streams, size: tuple[int, int], spread: float, sigma: float
) -> np.ndarray:
    """Return the displacements of each image's pixels.

    d = G_σ * u (ρ − 1/2),   ρ uniform in [0, 1), one for each pixel and direction

    G_σ is the Gaussian of standard deviation σ, cut at 4 σ, with the field mirrored at
    the image's edges. Behind it d has a standard deviation of about u / (12 σ), away
    from the edges: 0.33 px at u = 8, σ = 2.

    draws: the images' own streams; size: (height, width), px; spread: u, px, the width
    of the distribution; sigma: σ, px. Returns float32 (images, 2, height, width): to
    the right, down. Source: S3 3.3.
    """
    field = (spread * (draws.uniform((2, *size)) - 0.5)).astype(np.float32)
    if sigma == 0:
        return field
    side = 2 * int(4 * sigma + 0.5) + 1
    for plane in field.reshape(-1, *size):
        cv2.GaussianBlur(
            plane, (side, side), sigma, dst=plane, borderType=cv2.BORDER_REFLECT
        )
    return field


def distort(image: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Return the image seen through the field, bilinear.

    y(i, j) = x(i + d_down(i, j), j + d_right(i, j)), places outside moved to the edge

    image: float32 (height, width); field: float32 (2, height, width), px. OpenCV takes
    places in steps of 1/32 px. Source: S3 3.3.
    """
    # DEVIATION: S3's text says linear, its code takes a bicubic spline and stretches
    # the result to 0 ... 1, which undoes the spline's overshoot; bilinear has none.
    rows, columns = np.indices(image.shape, np.float32)
    return cv2.remap(
        image,
        columns + field[0],
        rows + field[1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
