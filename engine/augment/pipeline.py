"""A list of steps turned into copies of images.

Every copy is a function of (seed, name of its image, number of the copy) alone: its
random numbers come from a stream keyed by these, so that one copy can be made again
without the others, and another image in the set changes none of them.

Source: S0 4.2, 5.1 (kinds of change), EXPERIMENTS "Augmentation" (copies, keys).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.augment import geometry, noise
from engine.errors import InputError, SpecError
from engine.random import Stream, stream
from engine.settings import Setting, chosen, flag, number, read

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


# Settings of each step. Amounts are the ends of a uniform distribution about
# "unchanged"; flips happen in half of the copies.
SETTINGS: dict[str, dict[str, Setting]] = {
    "rotate": {"degrees": Setting(number(0, 180))},
    "stretch": {"portion": Setting(number(0, 1, open_high=True))},
    "shift": {"portion": Setting(number(0, 1))},
    "flip": {"horizontal": Setting(flag, False), "vertical": Setting(flag, False)},
    "noise": {"level": Setting(number(0, 1)), "portion": Setting(number(0, 1))},
}

# Steps that move pixels: numbers each takes from [0, 1), and the map made from them.
MOVES: dict[str, tuple[int, Callable[..., np.ndarray]]] = {
    "rotate": (1, _rotate),
    "stretch": (2, _stretch),
    "shift": (2, _shift),
    "flip": (2, _flip),
}


def parse_steps(steps: Sequence[Any], place: str = "steps") -> tuple[Step, ...]:
    """Return the checked steps of a recipe, in order.

    steps: one `{NAME: settings}` each, NAME one of rotate {degrees}, stretch {portion},
    shift {portion}, flip {horizontal, vertical}, noise {level, portion}; place: what
    errors call the list (its file and key).
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

    image: uint8 (height, width), 255 = white paper; returns the same type and shape.
    Steps are done in order on grey values scaled to [0, 1]; those next to each other
    that move pixels are joined into one resampling with white paper around.
    Raises: InputError for another type or shape, or a negative copy.
    """
    if image.dtype != np.uint8 or image.ndim != 2:
        raise InputError(
            f"{name}: expected a uint8 image (height, width), "
            f"received {image.dtype} {image.shape}"
        )
    if copy < 0:
        raise InputError(f"{name}: expected a copy of at least 0, received {copy}")
    if copy == 0:
        return image.copy()
    draws = stream(seed, "augment", name, copy)
    grey = _run(image.astype(np.float32) / np.float32(255), steps, draws)
    return np.rint(grey * np.float32(255)).astype(np.uint8)


def augment(
    images: np.ndarray,
    names: Sequence[str],
    steps: Sequence[Step],
    *,
    seed: int,
    copies: int,
) -> np.ndarray:
    """Return `copies` rows per image in order (image, copy); row 0 of each is itself.

    images: uint8 (n, height, width); names: n different names.
    Returns uint8 (n · copies, height, width).
    Raises: InputError if names and images do not agree, or copies is below 1.
    """
    if images.ndim != 3 or len(images) != len(names) or len(set(names)) != len(names):
        raise InputError(
            "expected images (n, height, width) and n different names, received "
            f"{images.shape} and {len(names)} names, {len(set(names))} different"
        )
    if copies < 1:
        raise InputError(f"copies: expected at least 1 row per image, got {copies}")
    rows = np.empty((len(images), copies, *images.shape[1:]), np.uint8)
    for i, name in enumerate(names):
        for copy in range(copies):
            rows[i, copy] = augment_copy(
                images[i], steps, seed=seed, name=name, copy=copy
            )
    return rows.reshape(-1, *images.shape[1:])


def _run(grey: np.ndarray, steps: Sequence[Step], draws: Stream) -> np.ndarray:
    """Return float32 (height, width) in [0, 1]: the steps done on `grey`."""
    size = (grey.shape[0], grey.shape[1])
    # One draw for all moves: a call of the generator costs as much as six warps.
    count = sum(MOVES[step.name][0] for step in steps if step.name in MOVES)
    u = draws.uniform(size=count)
    matrix = None
    for step in steps:
        if step.name in MOVES:
            taken, make = MOVES[step.name]
            move = make(u[:taken], size, **step.settings)
            u = u[taken:]
            matrix = move if matrix is None else move @ matrix
            continue
        if matrix is not None:
            grey, matrix = geometry.warp(grey, matrix), None
        added = noise.draw_noise(draws, size, **step.settings)
        grey = noise.add_noise(grey, added)
    return grey if matrix is None else geometry.warp(grey, matrix)
