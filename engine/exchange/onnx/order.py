"""The tensors of a graph, whose numbers may stand in another order than a layer's.

Files of TensorFlow keep maps as (H, W, C) and transpose them before and behind what
wants (C, H, W). No layer moves numbers; so a Transpose only says in which order the
graph sees them, until something gives the same whatever the order is (an activation),
takes it into its numbers (a dense layer's columns), or sets it right again.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from engine.errors import SpecError
from engine.layers import Shape

_MOST = 2**26  # numbers of one sample that may stand in an order of their own
IMAGE_LAST = (1, 2, 0)  # (C, H, W) -> (H, W, C)


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the graph, of a layer's output (-1: the input).

    shape: without the batch. order: the tensor's number k is the layer's order[k], each
    counted in C order; None: k itself, and what only reshapes changes `shape` alone.
    """

    layer: int
    shape: Shape
    order: np.ndarray | None = None


def numbered(shape: Shape) -> np.ndarray:
    """Return 0, 1, … in a shape.  Raises: SpecError for a large one."""
    size = math.prod(shape)
    if size > _MOST:
        raise SpecError(
            f"a tensor of the shape {('batch', *shape)} is transposed; expected at "
            f"most {_MOST:,} numbers to a sample"
        )
    return np.arange(size).reshape(shape)


def places(x: Value) -> np.ndarray:
    """Return which of its layer's numbers each of a tensor's numbers is, as x.shape."""
    return numbered(x.shape) if x.order is None else x.order.reshape(x.shape)


def placed(layer: int, numbers: np.ndarray) -> Value:
    """Return the tensor of a layer whose `places` are these."""
    order = numbers.reshape(-1)
    plain = (order == np.arange(order.size)).all()
    return Value(layer, numbers.shape, None if plain else order)


def axes_of(x: Value, shape: Shape) -> tuple[int, ...] | None:
    """Return which axis of its layer's output `shape` each of a tensor's axes is.

    None if it is no transposition of the output.
    """
    if x.order is None:
        return tuple(range(len(shape))) if x.shape == shape else None
    for axes in itertools.permutations(range(len(shape))):
        if np.array_equal(places(x), numbered(shape).transpose(axes)):
            return axes
    return None


def is_image_last(x: Value, shape: Shape) -> bool:
    """Return whether x is (H, W, C) of its layer's output `shape`, (C, H, W)."""
    if len(shape) != 3 or x.shape != (*shape[1:], shape[0]):
        return False
    return bool((places(x) == numbered(shape).transpose(IMAGE_LAST)).all())


def taken_back(x: Value, numbers: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return numbers that stand in the tensor's order in the layer's, along an axis."""
    if x.order is None:
        return numbers
    return np.take(numbers, np.argsort(x.order), axis)
