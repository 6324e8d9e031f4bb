"""Sums and products: of values, or of a value and constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.exchange.onnx.builder import Builder
from engine.exchange.onnx.graph import Node, axis_of
from engine.exchange.onnx.order import Value, places, taken_back

Operator = Callable[[Builder, Node], Value]


def add(builder: Builder, node: Node) -> Value:
    """Add, Sum -> `add` of the values; then the constants, as biases."""
    names, constants = _operands(builder, node)
    values = [builder.values[name] for name in names]
    if len(values) > 1:
        y, tensor = _joined(builder, node, "add", values), None
    else:
        y, tensor = values[0], names[0]
    for constant in constants:
        y, tensor = _biased(builder, node, y, constant, tensor), None
    return y


def subtract(builder: Builder, node: Node) -> Value:
    """Sub of a constant -> as Add of its negative."""
    [name], [constant] = _one_and_constant(builder, node)
    return _biased(builder, node, builder.values[name], -constant, name)


def multiply(builder: Builder, node: Node) -> Value:
    """Mul -> `multiply` of two values, or `scale` by a constant."""
    names, constants = _operands(builder, node)
    values = [builder.values[name] for name in names]
    if constants:
        return _scaled(builder, node, values[0], constants[0])
    shapes = [value.shape for value in values]
    if len({len(shape) for shape in shapes}) > 1:  # ONNX would match the last axes
        raise node.fail(f"expected values of one rank, received {shapes}")
    return _joined(builder, node, "multiply", values)


def divide(builder: Builder, node: Node) -> Value:
    """Div by a constant -> as Mul by its inverse."""
    [name], [constant] = _one_and_constant(builder, node)
    if not constant.all():
        raise node.fail("divides by 0")
    return _scaled(builder, node, builder.values[name], 1.0 / constant)


def _joined(builder: Builder, node: Node, kind: str, values: list[Value]) -> Value:
    """Return the sum or product of values, which stand in one order.

    Of a product one may be a number for each channel.
    """
    if all(x.order is None for x in values):
        return builder.add(node, kind, {}, *values)
    first = max(values, key=lambda x: math.prod(x.shape))
    per = math.prod(builder.out_shape(first.layer)[1:])
    for x in values:
        wanted = places(first) // (1 if x.shape == first.shape else per)
        fits = len(x.shape) == wanted.ndim and all(
            size in (1, full) for size, full in zip(x.shape, wanted.shape, strict=True)
        )
        if not fits or (places(x) != wanted).any():
            raise node.fail(
                f"expected values of one shape and order, received the shapes "
                f"{[('batch', *x.shape) for x in values]} after a Transpose; no layer "
                "moves numbers from one axis to another"
            )
    y = builder.add(node, kind, {}, *map(builder.whole, values))
    return Value(y.layer, first.shape, first.order)


def _one_and_constant(
    builder: Builder, node: Node
) -> tuple[list[str], list[np.ndarray]]:
    """As `_operands`, of a node whose second input must be a constant."""
    builder.value(node, 0)
    builder.constant(node, 1)
    return _operands(builder, node)


def _operands(builder: Builder, node: Node) -> tuple[list[str], list[np.ndarray]]:
    """Return the names of the inputs that are values, and those that are constants.

    Before opset 7 the attributes `broadcast` and `axis` said along which axes of the
    first input the second one lies.
    """
    names = [name for name in node.inputs if name in builder.values]
    rank = len(builder.values[names[0]].shape) + 1
    constants = [builder.constants.values[n] for n in node.inputs if n not in names]
    if node.opset < 7:
        node.take("consumed_inputs")
        axis = node.take("axis")
        if node.take("broadcast", 0) and axis is not None:
            axis = axis_of(node, axis, rank)
            constants = [
                c.reshape(c.shape + (1,) * (rank - axis - c.ndim)) for c in constants
            ]
    return names, constants


def _biased(
    builder: Builder, node: Node, x: Value, constant: np.ndarray, tensor: str | None
) -> Value:
    """Return x + constant.

    One number for each channel becomes the bias of the conv, dense or scale layer that
    gives x, if it has none and nobody else takes its output, the tensor; anything else
    makes a `scale` layer of weight 1.
    """
    per, bias = _per(builder, node, x, constant)
    step = builder.sole(tensor) if tensor else None
    if step is not None and step.kind in ("conv", "dense", "scale"):
        own = step.settings.get("per", "channel")
        same = per == own or bias.size == 1 == x.shape[0]
        if same and step.settings["bias"] == "none":
            settings = step.settings | {"bias": _learned(own)}
            builder.change(step, step.kind, settings, step.parameters | {"bias": bias})
            return x
    settings = {"per": per, "weight": "fixed", "bias": _learned(per)}
    parameters = {"weight": np.ones_like(bias), "bias": bias}
    return _scale(builder, node, settings, x, parameters)


def _scaled(builder: Builder, node: Node, x: Value, constant: np.ndarray) -> Value:
    """Return x · constant, a `scale` layer."""
    per, weight = _per(builder, node, x, constant)
    settings = {"per": per, "weight": _learned(per), "bias": "none"}
    return _scale(builder, node, settings, x, {"weight": weight})


def _scale(builder: Builder, node: Node, settings: Any, x: Value, parameters) -> Value:
    add = builder.add if x.order is None else builder.each
    return add(node, "scale", settings, x, parameters=parameters)


def _learned(per: str) -> str:
    """Return whether a constant is learned: one number for all is part of a formula."""
    return "fixed" if per == "all" else "learned"


def _per(
    builder: Builder, node: Node, x: Value, constant: np.ndarray
) -> tuple[str, np.ndarray]:
    """Return (channel, element or all; the constant's numbers in that shape).

    As the layer that gives x has its channels, where x stands in another order.

    Raises: SpecError if it differs between samples, or is larger than x.
    """
    rank = len(x.shape) + 1
    whole = constant.reshape((1,) * (rank - constant.ndim) + constant.shape)
    shape = whole.shape[1:]
    fits = whole.ndim == rank and whole.shape[0] == 1
    if not fits or any(
        c not in (1, size) for c, size in zip(shape, x.shape, strict=True)
    ):
        raise node.fail(
            f"a constant of shape {constant.shape} cannot be joined with the shape "
            f"{('batch', *x.shape)}: expected numbers for every sample alike"
        )
    if whole.size == 1:
        return "all", whole[0]
    if x.order is not None:
        every = np.broadcast_to(whole[0], x.shape).reshape(-1)
        every = taken_back(x, every).reshape(builder.out_shape(x.layer))
        first = every.reshape(len(every), -1)[:, :1]
        alike = (every.reshape(len(every), -1) == first).all()
        return ("channel", first[:, 0]) if alike else ("element", every)
    if whole.size == x.shape[0] == shape[0]:
        return "channel", whole[0]
    return "element", np.broadcast_to(whole[0], x.shape)
