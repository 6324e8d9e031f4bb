"""Affine maps of an image about its centre, as 3x3 matrices, and one resampling.

A map takes a pixel's place (x right, y down, px, of its middle) in the image to its
place in the copy. Maps are multiplied first and the image is resampled once: each
resampling blurs, and at 36x58 px a pencil line is about one pixel wide.

Sizes are (height, width) in px, the centre is c = ((width - 1) / 2, (height - 1) / 2).

Source: S0 4.2 (rotations, shifts, flips), S0 5.1 and Fig. 3 (rotation, stretch in both
directions).
"""

from __future__ import annotations

import math

import cv2
import numpy as np

# The grey of blank paper, images being scaled to [0, 1] and not inverted.
PAPER = 1.0


def rotation(degrees: float, size: tuple[int, int]) -> np.ndarray:
    """Return the turn by `degrees` about the centre, counter-clockwise to the eye.

    x' = cx + cos(a) (x - cx) + sin(a) (y - cy)
    y' = cy - sin(a) (x - cx) + cos(a) (y - cy),   a = π degrees / 180

    degrees: degrees; size: (height, width), px. Returns float64 (3, 3).
    Source: S0 4.2, 5.1.
    """
    a = math.radians(degrees)
    turn = [[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]]
    return _about_centre(turn, size)


def stretch(x: float, y: float, size: tuple[int, int]) -> np.ndarray:
    """Return the stretch about the centre by the factors x and y, which are apart.

    x' = cx + x_factor (x - cx),   y' = cy + y_factor (y - cy)

    x, y: factors, 1 = unchanged, below 1 shrinks; size: (height, width), px.
    Returns float64 (3, 3). Source: S0 5.1, Fig. 3.
    Raises: ValueError for a factor that is not above 0.
    """
    if not (x > 0 and y > 0):
        raise ValueError(f"stretch: expected factors above 0, received x={x}, y={y}")
    return _about_centre([[x, 0.0], [0.0, y]], size)


def shift(x: float, y: float, size: tuple[int, int]) -> np.ndarray:
    """Return the shift by a portion of the width and one of the height.

    x' = x + x_portion · width,   y' = y + y_portion · height

    x, y: portions, positive = right, down; size: (height, width), px.
    Returns float64 (3, 3). Source: S0 4.2.
    """
    height, width = size
    matrix = np.eye(3)
    matrix[0, 2], matrix[1, 2] = x * width, y * height
    return matrix


def flip(horizontal: bool, vertical: bool, size: tuple[int, int]) -> np.ndarray:
    """Return the mirror image: left and right, top and bottom change places.

    x' = width - 1 - x if horizontal,   y' = height - 1 - y if vertical

    size: (height, width), px. Returns float64 (3, 3). Source: S0 4.2.
    """
    signs = [[-1.0 if horizontal else 1.0, 0.0], [0.0, -1.0 if vertical else 1.0]]
    return _about_centre(signs, size)


def warp(image: np.ndarray, matrix: np.ndarray, fill: float = PAPER) -> np.ndarray:
    """Return the image moved by `matrix`, bilinear, with `fill` where nothing comes.

    copy(matrix · (x, y, 1)) = image(x, y)

    image: float32 (height, width), in [0, 1]; matrix: float64 (3, 3), its last row
    (0, 0, 1); fill: grey in [0, 1]. Returns float32 (height, width).
    Raises: ValueError for an image or a matrix of another shape or type.
    """
    if image.ndim != 2 or image.dtype != np.float32:
        raise ValueError(
            "warp: expected a float32 image (height, width), "
            f"received {image.dtype} {image.shape}"
        )
    if matrix.shape != (3, 3):
        raise ValueError(f"warp: expected a 3x3 matrix, received {matrix.shape}")
    height, width = image.shape
    return cv2.warpAffine(
        image,
        matrix[:2],
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill,
    )


def _about_centre(linear: list[list[float]], size: tuple[int, int]) -> np.ndarray:
    """Return float64 (3, 3): p' = c + linear · (p - c)."""
    height, width = size
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = centre - matrix[:2, :2] @ centre
    return matrix
