"""A list of steps turned into copies of images, or into other batches in each pass.

Every copy is a function of (seed, name of its image, number of the copy) alone, and in
a batch of (seed, number of the pass, number of the image): its random numbers come from
a stream keyed by these, so that one copy can be made again without the others, and
another image in the set changes none of them.

Source: S0 4.2, 5.1 (kinds of change), EXPERIMENTS "Augmentation" (copies, keys).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.augment import elastic, erasing, geometry, noise
from engine.errors import InputError, SpecError
from engine.random import Streams, streams
from engine.settings import Setting, chosen, count, flag, interval, number, read

Size = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """One checked step of a recipe: its name and its settings."""

    name: str
    settings: Mapping[str, Any]


def _rotate(u: np.ndarray, size: Size, *, degrees: float) -> np.ndarray:
    return geometry.rotation(_spread(u[0], degrees), size)


def _stretch(u: np.ndarray, size: Size, *, portion: float) -> np.ndarray:
    return geometry.stretch(
        1 + _spread(u[0], portion), 1 + _spread(u[1], portion), size
    )


def _shift(u: np.ndarray, size: Size, *, portion: float) -> np.ndarray:
    return geometry.shift(_spread(u[0], portion), _spread(u[1], portion), size)


def _flip(u: np.ndarray, size: Size, *, horizontal: bool, vertical: bool) -> np.ndarray:
    return geometry.flip(horizontal and u[0] < 0.5, vertical and u[1] < 0.5, size)


def _spread(u: float, amount: float) -> float:
    """Map u in [0, 1) to [-amount, amount)."""
    return (2 * float(u) - 1) * amount


def _noise(images: np.ndarray, draws: Streams, **settings: float) -> np.ndarray:
    added = noise.draw_noise(draws, images.shape[1:], **settings)
    return noise.add_noise(images, added)


def _gaussian_noise(images: np.ndarray, draws: Streams, *, sd: float) -> np.ndarray:
    return images + noise.draw_gaussian(draws, images.shape[1:], sd)


def _elastic(images: np.ndarray, draws: Streams, **settings: float) -> np.ndarray:
    fields = elastic.draw_field(draws, images.shape[2:], **settings)
    moved = np.empty_like(images)
    for image, field, places in zip(images, fields, moved, strict=True):
        places[:] = [elastic.distort(plane, field) for plane in image]
    return moved


def _crop(images: np.ndarray, draws: Streams, *, pad: int) -> np.ndarray:
    height, width = images.shape[-2:]
    padded = np.pad(images, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    places = (draws.uniform((2,)) * (2 * pad + 1)).astype(int)
    moved = np.empty_like(images)
    for image, place, (top, left) in zip(padded, moved, places, strict=True):
        place[:] = image[:, top : top + height, left : left + width]
    return moved


def _erase(images: np.ndarray, draws: Streams, **settings: Any) -> np.ndarray:
    rectangles = erasing.draw_rectangles(draws, images.shape[2:], **settings)
    rows = np.flatnonzero(rectangles[:, 2])
    values = draws.uniform(images.shape[1:], rows).astype(np.float32)
    images = images.copy()
    images[rows] = erasing.erase(images[rows], rectangles[rows], values)
    return images


# Settings of each step. Amounts of a move are the ends of a uniform distribution about
# "unchanged"; flips happen in half of the copies. Defaults are a document's values.
SETTINGS: dict[str, dict[str, Setting]] = {
    "rotate": {"degrees": Setting(number(0, 180))},
    "stretch": {"portion": Setting(number(0, 1, open_high=True))},
    "shift": {"portion": Setting(number(0, 1))},
    "flip": {"horizontal": Setting(flag, False), "vertical": Setting(flag, False)},
    "noise": {"level": Setting(number(0, 1)), "portion": Setting(number(0, 1))},
    "gaussian_noise": {"sd": Setting(number(0, 10), 0.1)},
    "crop": {"pad": Setting(count, 4)},
    "elastic": {
        "spread": Setting(number(0, 1000), 8.0),
        "sigma": Setting(number(0, 100), 2.0),
    },
    "erase": {
        "probability": Setting(number(0, 1), 0.5),
        "area": Setting(interval(0, 1), (0.02, 0.33)),
        "aspect": Setting(interval(0.01, 100), (0.3, 3.3)),
    },
}

# Steps that move pixels: numbers each takes from [0, 1), and the map made from them.
MOVES: dict[str, tuple[int, Callable[..., np.ndarray]]] = {
    "rotate": (1, _rotate),
    "stretch": (2, _stretch),
    "shift": (2, _shift),
    "flip": (2, _flip),
}

# Steps that change a batch (n, channels, height, width) otherwise.
CHANGES: dict[str, Callable[..., np.ndarray]] = {
    "noise": _noise,
    "gaussian_noise": _gaussian_noise,
    "crop": _crop,
    "elastic": _elastic,
    "erase": _erase,
}


def parse_steps(steps: Sequence[Any], place: str = "steps") -> tuple[Step, ...]:
    """Return the checked steps of a recipe, in order.

    steps: NAME or `{NAME: settings}` each, NAME one of rotate {degrees}, stretch
    {portion}, shift {portion}, flip {horizontal, vertical}, noise {level, portion},
    gaussian_noise {sd [0.1]}, crop {pad [4]} (px of black on all sides, of which a
    window of the image's size is cut), elastic {spread [8], sigma [2]}, erase
    {probability [0.5], area [[0.02, 0.33]], aspect [[0.3, 3.3]]}; place: what errors
    call the list (its file and key).
    Raises: SpecError for an unknown step or setting, or an impossible value.
    """
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        raise SpecError(f"{place}: expected a list of steps, received {steps!r}")
    parsed = []
    for position, item in enumerate(steps):
        where = f"{place}[{position}]"
        name, settings = chosen(item, "step", SETTINGS, where)
        parsed.append(Step(name, read(settings, SETTINGS[name], f"{where}.{name}")))
    return tuple(parsed)


def augment_copy(
    image: np.ndarray, steps: Sequence[Step], *, seed: int, name: str, copy: int
) -> np.ndarray:
    """Return copy number `copy` of the image called `name`; copy 0 is the image itself.

    image: uint8 (height, width) or (channels, height, width), 255 = white paper;
    returns the same type and shape. Steps are done in order on values scaled to [0, 1];
    those next to each other that move pixels are joined into one resampling with white
    paper around.
    Raises: InputError for another type or shape, or a negative copy.
    """
    if copy < 0:
        raise InputError(f"{name}: expected a copy of at least 0, received {copy}")
    return _copies(image, steps, seed, name, [copy])[0]


def augment(
    images: np.ndarray,
    names: Sequence[str],
    steps: Sequence[Step],
    *,
    seed: int,
    copies: int,
) -> np.ndarray:
    """Return `copies` rows per image in order (image, copy); row 0 of each is itself.

    images: uint8 (n, height, width) or (n, channels, height, width); names: n different
    names. Returns uint8 (n · copies, ...).
    Raises: InputError if names and images do not agree, or copies is below 1.
    """
    if (
        images.ndim not in (3, 4)
        or len(images) != len(names)
        or len(set(names)) != len(names)
    ):
        raise InputError(
            "expected images (n, height, width) and n different names, received "
            f"{images.shape} and {len(names)} names, {len(set(names))} different"
        )
    if copies < 1:
        raise InputError(f"copies: expected at least 1 row per image, got {copies}")
    rows = np.empty((len(images), copies, *images.shape[1:]), np.uint8)
    for i, name in enumerate(names):
        rows[i] = _copies(images[i], steps, seed, name, range(copies))
    return rows.reshape(-1, *images.shape[1:])


def augment_batch(
    images: np.ndarray,
    steps: Sequence[Step],
    *,
    seed: int,
    epoch: int,
    samples: Sequence[int],
    fill: float = geometry.PAPER,
) -> np.ndarray:
    """Return each image of a batch changed, in another way in each epoch.

    Row i is a function of (images[i], seed, epoch, samples[i]) alone, so of no batch.
    In training (`number` counts the passes):

        trainer.fit(train, transform=lambda x, t, samples, number: (
            augment_batch(x, steps, seed=0, epoch=number, samples=samples), t))

    images: floats (n, channels, height, width) or (n, height, width), in [0, 1];
    samples: n numbers, what the images are called; fill: the value that comes in where
    pixels moved away. Returns float32 of the same shape.
    Raises: InputError for another type, shape, or range, or for other samples.
    """
    images = np.asarray(images)
    if images.dtype.kind != "f" or images.ndim not in (3, 4):
        raise InputError(
            "augment_batch: expected floats (n, channels, height, width) or (n, "
            f"height, width), received {images.dtype} {images.shape}"
        )
    if len(samples) != len(images):
        raise InputError(
            f"augment_batch: expected a number for each image (={len(images)}), "
            f"received {len(samples)}"
        )
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise InputError(
            "augment_batch: expected values in [0, 1], received "
            f"{images.min()} ... {images.max()}; scale the images before, standardise "
            "them after"
        )
    draws = streams(seed, "augment", [("epoch", epoch, int(i)) for i in samples])
    return _run(images.astype(np.float32), steps, draws, fill)


def _copies(
    image: np.ndarray,
    steps: Sequence[Step],
    seed: int,
    name: str,
    copies: Sequence[int],
) -> np.ndarray:
    """Return these copies of the uint8 image; number 0 is the image itself."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise InputError(
            f"{name}: expected a uint8 image (height, width) or (channels, height, "
            f"width), received {image.dtype} {image.shape}"
        )
    scaled = image.astype(np.float32) / np.float32(255)
    draws = streams(seed, "augment", [(name, copy) for copy in copies])
    made = _run(np.stack([scaled] * len(copies)), steps, draws, geometry.PAPER)
    made = np.rint(np.clip(made, 0, 1) * np.float32(255)).astype(np.uint8)
    made[[copy == 0 for copy in copies]] = image
    return made


def _run(
    images: np.ndarray, steps: Sequence[Step], draws: Streams, fill: float
) -> np.ndarray:
    """Return the steps done on float32 images (n, ..., height, width) in [0, 1]."""
    shape = images.shape
    images = images.reshape(len(images), math.prod(shape[1:-2]), *shape[-2:])
    # One draw for all moves: a call of the generator costs as much as six warps.
    u = draws.uniform((sum(MOVES[s.name][0] for s in steps if s.name in MOVES),))
    moves: list[Step] = []
    for step in steps:
        if step.name in MOVES:
            moves.append(step)
            continue
        images, u = _move(images, moves, u, fill)
        moves = []
        images = CHANGES[step.name](images, draws, **step.settings)
    return _move(images, moves, u, fill)[0].reshape(shape)


def _move(
    images: np.ndarray, moves: Sequence[Step], u: np.ndarray, fill: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the images after the moves, resampled once, and what is left of u."""
    if not moves:
        return images, u
    moved = np.empty_like(images)
    for i, image in enumerate(images):
        matrix, row = np.eye(3), u[i]
        for step in moves:
            taken, make = MOVES[step.name]
            matrix = make(row[:taken], image.shape[-2:], **step.settings) @ matrix
            row = row[taken:]
        for plane, place in zip(image, moved[i], strict=True):
            place[:] = geometry.warp(plane, matrix, fill)
    return moved, u[:, sum(MOVES[step.name][0] for step in moves) :]
