"""The embedded stand-in for CIFAR-100: textures of 100 classes in 20 superclasses.

No photos, and never reported as such: a set in the same files, of the same sizes, so
that everything runs without data. A superclass is a family of hues; a class is a kind
of pattern (stripes, checks, rings, dots, waves) of its own frequency and direction in
these hues. Each image has its own phase, tilt, colours about the class's, a shade
across it, and noise, so that no pixel tells the class.

Everything is drawn from engine.random, purpose "drawing": same seed, same bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.random import stream
from scripts.lib.data.cifar_files import SIDE, Batch

CLASSES, SUPERCLASSES = 100, 20
_PATTERNS = ("stripes", "checks", "rings", "dots", "waves")
_NOISE = 0.15  # sd, of the range of a colour


def names() -> tuple[list[str], list[str]]:
    """Return the names of the classes and of the superclasses."""
    coarse = [f"hue_{k:02d}" for k in range(SUPERCLASSES)]
    each = CLASSES // SUPERCLASSES
    fine = [f"{_PATTERNS[k % each]}_{k // each:02d}" for k in range(CLASSES)]
    return fine, coarse


def make(part: str, count: int, seed: int) -> Batch:
    """Return `count` images of train or test, each class alike often (to within one).

    part: train or test, part of the key of every random number.
    """
    order = stream(seed, "drawing", "texture", part, "order").permutation(count)
    fine = order % CLASSES
    coarse = fine // (CLASSES // SUPERCLASSES)
    images = np.empty((count, 3, SIDE, SIDE), np.uint8)
    for i, kind in enumerate(fine.tolist()):
        images[i] = _image(kind, seed, part, i)
    return Batch(images, fine.astype(np.int64), coarse.astype(np.int64))


def _image(kind: int, seed: int, part: str, number: int) -> np.ndarray:
    """Return uint8 (3, 32, 32)."""
    own = stream(seed, "drawing", "texture", kind)
    frequency, direction = own.uniform(2.0, 6.0), own.uniform(0.0, np.pi)
    draw = stream(seed, "drawing", "texture", part, number)
    turned = direction + draw.normal(0.0, 0.15)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    u = np.cos(turned) * x + np.sin(turned) * y + draw.uniform(-0.5, 0.5)
    v = np.cos(turned) * y - np.sin(turned) * x + draw.uniform(-0.5, 0.5)
    w = 2 * np.pi * frequency * draw.uniform(0.85, 1.15)
    pattern = _SHAPES[_PATTERNS[kind % len(_PATTERNS)]](u, v, w)
    hue = kind // len(_PATTERNS) / SUPERCLASSES + draw.normal(0.0, 0.02)
    one, other = _colour(hue), _colour(hue + 0.45)
    image = other[:, None, None] + (one - other)[:, None, None] * pattern
    shade = 1 + 0.3 * (draw.normal(0.0, 1.0) * x + draw.normal(0.0, 1.0) * y)
    image = image * shade + draw.normal(0.0, 0.08)
    image += _NOISE * draw.normal(0.0, 1.0, image.shape)
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def _colour(hue: float) -> np.ndarray:
    """Return (3,) red, green, blue in [0.15, 0.85] of a hue in turns."""
    return 0.5 + 0.35 * np.cos(2 * np.pi * (hue - np.arange(3) / 3))


def _wave(t: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.sin(t)


# (u, v, w) -> [0, 1]: turned and moved coordinates, 2π times the frequency
_SHAPES: dict[str, Callable] = {
    "stripes": lambda u, v, w: _wave(w * u),
    "checks": lambda u, v, w: 0.5 + 0.5 * np.sign(np.sin(w * u) * np.sin(w * v)),
    "rings": lambda u, v, w: _wave(w * np.hypot(u, v)),
    "dots": lambda u, v, w: (_wave(w * u) * _wave(w * v) > 0.4) * 1.0,
    "waves": lambda u, v, w: _wave(w * u + 2 * np.sin(w * v / 2)),
}
