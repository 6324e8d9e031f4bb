"""From ONNX operators to layers: one function for each, in one table.

A function takes the builder and the node, and returns what the node's first output is.
It takes from the node every attribute that it knows; one that is left over is an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from engine.exchange.onnx import arithmetic, shapes, windows
from engine.exchange.onnx.builder import Builder
from engine.exchange.onnx.graph import Node, axis_of, shortest
from engine.exchange.onnx.order import Value, places, taken_back
from engine.layers import Shape

Operator = Callable[[Builder, Node], Value]


def _gemm(builder: Builder, node: Node) -> Value:
    """Gemm of rows and a constant matrix -> `dense`; `add` if C is no constant."""
    w, joined = builder.constant(node, 1), node.inputs[2:3] or [""]
    b = None if joined[0] in builder.values else builder.optional(node, 2)
    node.take("broadcast")
    if node.take("transA", 0):
        raise node.fail("transA: the batch must be the first axis")
    w = w.T if node.take("transB", 0) else w
    alpha, beta = node.take("alpha", 1.0), node.take("beta", 1.0)
    w = w if alpha == 1.0 else w * alpha
    b = b if b is None or beta == 1.0 else b * beta
    y = _dense(builder, node, w, b)
    if joined[0] not in builder.values:
        return y
    if beta != 1.0:
        raise node.fail(f"beta: expected 1 where C is no constant, received {beta}")
    return builder.add(node, "add", {}, y, builder.values[joined[0]])


def _matmul(builder: Builder, node: Node) -> Value:
    """MatMul of rows and a constant matrix -> `dense`."""
    return _dense(builder, node, builder.constant(node, 1), None)


def _dense(builder: Builder, node: Node, w: np.ndarray, b: np.ndarray | None) -> Value:
    """Return x w + b; w (inputs, units)."""
    x = builder.value(node)
    if w.ndim != 2 or x.shape != w.shape[:1]:
        raise node.fail(
            "expected rows times a constant matrix, received the shapes "
            f"{('batch', *x.shape)} and {w.shape}"
        )
    units, parameters = w.shape[1], {"weight": taken_back(x, w).T}
    if b is not None:
        if b.size not in (1, units) or b.size != math.prod(b.shape[-1:]):
            raise node.fail(f"expected {units} biases, received the shape {b.shape}")
        parameters["bias"] = np.broadcast_to(b.reshape(-1), (units,))
    settings = {"units": units, "bias": "none" if b is None else "learned"}
    return builder.add(node, "dense", settings, x, parameters=parameters)


def _activation(function: str) -> Operator:
    """Return the operator of an activation without settings."""

    def activation(builder: Builder, node: Node) -> Value:
        node.take("consumed_inputs")
        return builder.each(node, "activation", function, builder.value(node))

    return activation


def _leaky_relu(builder: Builder, node: Node) -> Value:
    node.take("consumed_inputs")
    function = {"leaky_relu": shortest(node.take("alpha", 0.01))}
    return builder.each(node, "activation", function, builder.value(node))


_ALL = {"per": "all", "weight": "fixed", "bias": "none"}


def _tanh(builder: Builder, node: Node) -> Value:
    """Tanh -> `tanh`; of x / 2, as `export` writes it -> `bipolar_sigmoid`."""
    x, step = builder.value(node), builder.sole(node.inputs[0])
    halves = step is not None and step.kind == "scale" and step.settings == _ALL
    if not halves or step.parameters["weight"].item() != 0.5:
        return _activation("tanh")(builder, node)
    builder.change(step, "activation", "bipolar_sigmoid", {})
    return x


def _softmax(builder: Builder, node: Node) -> Value:
    """Softmax over the channels, or, before opset 13, over all from `axis` on."""
    x = builder.value(node)
    rank = len(x.shape) + 1
    axis = axis_of(node, node.take("axis", 1 if node.opset < 13 else -1), rank)
    if axis == 1 and node.opset < 13:  # over all: in whatever order they are
        flat = Value(x.layer, (math.prod(x.shape),))
        y = builder.add(node, "activation", "softmax", flat)
        return Value(y.layer, x.shape, x.order)
    if axis == 1 and x.order is None:
        return builder.add(node, "activation", "softmax", x)
    shape = builder.out_shape(x.layer)
    last = axis == rank - 1 or node.opset >= 13
    if axis == 0 or not last or not _over_channels(x, axis - 1, shape):
        raise node.fail(
            f"axis: only 1, the channels, of the shape {('batch', *x.shape)}, received "
            f"{axis}"
        )
    return builder.each(node, "activation", "softmax", x)


def _over_channels(x: Value, axis: int, shape: Shape) -> bool:
    """Return whether along an axis of x a layer's output has its channels."""
    along = np.moveaxis(places(x), axis, 0) % math.prod(shape[1:])
    return len(along) == shape[0] and bool((along == along[:1]).all())


def _batch_normalization(builder: Builder, node: Node) -> Value:
    x = builder.value(node)
    for name in ("is_test", "consumed_inputs"):
        node.take(name)
    if node.take("spatial", 1) != 1:
        raise node.fail("spatial: only 1, the channels, can be normed")
    if node.take("training_mode", 0):
        raise node.fail("training_mode: expected a network that is done with training")
    settings = {
        "epsilon": shortest(node.take("epsilon", 1e-5)),
        "momentum": shortest(1.0 - node.take("momentum", 0.9)),
    }
    names = ("gamma", "beta", "running_mean", "running_variance")
    parameters = {name: builder.constant(node, i) for i, name in enumerate(names, 1)}
    if any(p.shape != x.shape[:1] for p in parameters.values()):
        raise node.fail(f"expected constants of shape {x.shape[:1]}")
    if len(x.shape) != 1:
        return builder.add(node, "batch_norm", settings, x, parameters=parameters)
    parameters = {name: taken_back(x, p) for name, p in parameters.items()}
    flat = Value(x.layer, x.shape)
    y = builder.add(node, "batch_norm", settings, flat, parameters=parameters)
    return Value(y.layer, x.shape, x.order)


def _lrn(builder: Builder, node: Node) -> Value:
    defaults = {"alpha": 1e-4, "beta": 0.75, "bias": 1.0}
    settings = {key: shortest(node.take(key, value)) for key, value in defaults.items()}
    settings = {"size": node.take("size")} | settings
    return builder.add(node, "local_response_norm", settings, builder.value(node))


def _clip(builder: Builder, node: Node) -> Value:
    node.take("consumed_inputs")
    settings = {}
    for place, (name, key) in enumerate((("min", "minimum"), ("max", "maximum")), 1):
        bound = node.take(name, builder.number(node, place))
        # The largest numbers there are stood for "no bound" before opset 11.
        if bound is not None and abs(bound) < np.finfo(np.float32).max:
            settings[key] = shortest(bound)
    if not settings:
        return builder.value(node)
    return builder.each(node, "clip", settings, builder.value(node))


def _dropout(builder: Builder, node: Node) -> Value:
    """Dropout, which does nothing here but in training."""
    ratio = builder.number(node, 1)
    for name in ("is_test", "consumed_inputs", "seed"):
        node.take(name)
    if builder.number(node, 2):
        raise node.fail("training_mode: expected a network that is done with training")
    portion = node.take("ratio", 0.5 if ratio is None else ratio)
    return builder.each(node, "dropout", shortest(portion), builder.value(node))


def _cast(builder: Builder, node: Node) -> Value:
    """Cast to float32 or float64: the engine has one kind of numbers."""
    if node.take("to") not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise node.fail("to: no layer rounds numbers; only FLOAT and DOUBLE do nothing")
    node.take("saturate")
    return builder.value(node)


OPERATORS: dict[str, Operator] = {
    "Add": arithmetic.add,
    "AveragePool": windows.pool("average_pool"),
    "BatchNormalization": _batch_normalization,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": shapes.concat,
    "Conv": windows.conv,
    "Div": arithmetic.divide,
    "Dropout": _dropout,
    "Flatten": shapes.flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": windows.global_average_pool,
    "GlobalMaxPool": windows.global_max_pool,
    "Identity": shapes.identity,
    "LRN": _lrn,
    "LeakyRelu": _leaky_relu,
    "MatMul": _matmul,
    "MaxPool": windows.pool("max_pool"),
    "Mul": arithmetic.multiply,
    "Pad": windows.pad,
    "ReduceMax": windows.reduce("max"),
    "ReduceMean": windows.reduce("mean"),
    "Relu": _activation("relu"),
    "Reshape": shapes.reshape,
    "Sigmoid": _activation("sigmoid"),
    "Softmax": _softmax,
    "Squeeze": shapes.squeeze,
    "Sub": arithmetic.subtract,
    "Sum": arithmetic.add,
    "Tanh": _tanh,
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.unsqueeze,
}
