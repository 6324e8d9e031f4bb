"""Operators that arrange numbers otherwise. Most of them make no layer at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.exchange.onnx.builder import Builder
from engine.exchange.onnx.constants import BATCH
from engine.exchange.onnx.graph import Node, axis_of
from engine.exchange.onnx.order import Value, placed, places


def identity(builder: Builder, node: Node) -> Value:
    """Identity: nothing to do."""
    return builder.value(node)


def flatten(builder: Builder, node: Node) -> Value:
    """Flatten: the batch, then all the rest."""
    x, axis = builder.value(node), node.take("axis", 1)
    rank = len(x.shape) + 1
    axis = axis + rank if axis < 0 else axis
    if axis == 0 or math.prod(x.shape[: axis - 1]) != 1:
        raise node.fail(
            f"axis {axis} of the shape {('batch', *x.shape)}: the first axis of the "
            "result must be the batch"
        )
    return Value(x.layer, (math.prod(x.shape),), x.order)


def reshape(builder: Builder, node: Node) -> Value:
    """Reshape within each sample; 0 copies a size, −1 is what is left."""
    x = builder.value(node)
    target = node.take("shape", builder.integers(node, 1))
    zero = node.take("allowzero", 0)
    node.take("consumed_inputs")
    if target is None:
        raise node.fail("expected a constant shape")
    whole = (BATCH, *x.shape)
    if not zero and all(i < len(whole) for i, size in enumerate(target) if size == 0):
        target = [size or whole[i] for i, size in enumerate(target)]
    shape = _of_sample(target, x.shape, builder.input.batch)
    if shape is None:
        shown = ["batch" if size == BATCH else size for size in target]
        raise node.fail(
            f"cannot make the shape {shown} of {('batch', *x.shape)}: the first axis "
            "must stay the batch, and the others must hold the same numbers"
        )
    return Value(x.layer, shape, x.order)


def _of_sample(
    target: Sequence[int], shape: Sequence[int], batch: int | None
) -> tuple[int, ...] | None:
    """Return `target` without the batch, with −1 filled in; None if it does not fit."""
    size, (head, *rest) = math.prod(shape), target or (0,)
    rest = list(rest)
    if head in (BATCH, batch) and rest.count(-1) == 1:
        known = math.prod(v for v in rest if v != -1)
        rest[rest.index(-1)] = size // known if known > 0 else 0
    fits = head in (BATCH, batch, -1) and all(v > 0 for v in rest)
    return tuple(rest) if fits and math.prod(rest) == size else None


def squeeze(builder: Builder, node: Node) -> Value:
    """Squeeze: axes of size 1 go."""
    x = builder.value(node)
    axes = node.take("axes", builder.integers(node, 1))
    whole = (0, *x.shape)
    if axes is None:
        axes = [i for i, size in enumerate(whole) if size == 1]
    gone = {axis_of(node, axis, len(whole)) for axis in axes}
    if any(whole[axis] != 1 for axis in gone):
        raise node.fail(
            f"axes: cannot squeeze {sorted(gone)} of the shape {('batch', *x.shape)}"
        )
    shape = tuple(v for i, v in enumerate(x.shape, 1) if i not in gone)
    return Value(x.layer, shape, x.order)


def unsqueeze(builder: Builder, node: Node) -> Value:
    """Unsqueeze: axes of size 1 come."""
    x = builder.value(node)
    axes = node.take("axes", builder.integers(node, 1))
    if axes is None:
        raise node.fail("expected axes")
    rank = len(x.shape) + 1 + len(axes)
    new = {axis_of(node, axis, rank) for axis in axes}
    if 0 in new or len(new) != len(axes):
        raise node.fail(f"axes: expected new axes behind the batch, received {[*axes]}")
    old = iter(x.shape)
    shape = tuple(1 if i in new else next(old) for i in range(1, rank))
    return Value(x.layer, shape, x.order)


def transpose(builder: Builder, node: Node) -> Value:
    """Transpose within each sample: only a matter of order."""
    x = builder.value(node)
    whole = (0, *x.shape)
    order = node.take("perm", list(range(len(whole)))[::-1])
    if sorted(order) != list(range(len(whole))) or order[0] != 0:
        raise node.fail(
            f"perm {order} of the shape {('batch', *x.shape)}: expected each axis "
            "once, and the batch as the first"
        )
    kept = [axis for axis in order if whole[axis] != 1]
    if kept == sorted(kept):
        return Value(x.layer, tuple(whole[axis] for axis in order[1:]), x.order)
    return placed(x.layer, places(x).transpose([axis - 1 for axis in order[1:]]))


def concat(builder: Builder, node: Node) -> Value:
    """Concat of channels or features -> `concat`, wherever the graph has them."""
    xs = [builder.value(node, i) for i in range(len(node.inputs))]
    axis = axis_of(node, node.take("axis", 1), len(xs[0].shape) + 1)
    if len(xs) == 1:
        return xs[0]
    if axis == 1 and all(x.order is None for x in xs):
        return builder.add(node, "concat", {}, *xs)
    others = {x.shape[: axis - 1] + x.shape[axis:] for x in xs}
    if axis == 0 or len(others) > 1:
        raise node.fail(
            f"axis {axis} of the shapes {[('batch', *x.shape) for x in xs]}: expected "
            "another axis than the batch, and the other ones alike"
        )
    y = builder.add(node, "concat", {}, *map(builder.whole, xs))
    begins = np.cumsum([0, *(math.prod(x.shape) for x in xs)])
    parts = [places(x) + begin for x, begin in zip(xs, begins, strict=False)]
    return placed(y.layer, np.concatenate(parts, axis - 1))


def shape(builder: Builder, node: Node) -> np.ndarray:
    """Shape: a constant, but for the batch."""
    name = node.inputs[0]
    constant = builder.constants.values.get(name)
    whole = (BATCH, *builder.value(node).shape) if constant is None else constant.shape
    begin, end = node.take("start", 0), node.take("end", len(whole))
    return np.array(whole[begin:end], np.int64)
