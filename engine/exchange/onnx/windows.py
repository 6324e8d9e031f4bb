"""Operators that slide a window over images: convolution, pooling; and padding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from engine.exchange.onnx.builder import Builder
from engine.exchange.onnx.graph import Node, axis_of, shortest
from engine.exchange.onnx.order import Value, axes_of, numbered, placed, places
from engine.layers import Shape


def conv(builder: Builder, node: Node) -> Value:
    """Conv with constant weights -> `conv`."""
    x, sizes = _image(builder, node)
    w, b = builder.constant(node, 1), builder.optional(node, 2)
    if w.ndim != 4:
        raise node.fail(f"expected weights of four axes, received the shape {w.shape}")
    kernel, groups = _pair(node, "kernel_shape", w.shape[2:]), node.take("group", 1)
    if (x.shape[0], *kernel) != (w.shape[1] * groups, *w.shape[2:]):
        raise node.fail(
            f"the weights {w.shape} do not fit the input {('batch', *x.shape)}, "
            f"kernel_shape {kernel} and group {groups}"
        )
    strides, dilations = _pair(node, "strides"), _pair(node, "dilations")
    settings = {
        "filters": w.shape[0],
        "kernel": _brief(kernel),
        "stride": _brief(strides),
        "padding": _brief(_padding(node, sizes, kernel, strides, dilations)),
        "dilation": _brief(dilations),
        "groups": groups,
        "bias": "none" if b is None else "learned",
    }
    parameters = {"weight": w} | ({} if b is None else {"bias": b})
    return builder.add(node, "conv", settings, x, parameters=parameters)


def pool(kind: str) -> Callable[[Builder, Node], Value]:
    """MaxPool, AveragePool -> `max_pool`, `average_pool`."""

    def operator(builder: Builder, node: Node) -> Value:
        x, sizes = _image(builder, node)
        size, strides = _pair(node, "kernel_shape"), _pair(node, "strides")
        dilations = _pair(node, "dilations")
        settings = {
            "size": _brief(size),
            "stride": _brief(strides),
            "padding": _brief(_padding(node, sizes, size, strides, dilations)),
            "dilation": _brief(dilations),
            "ceil_mode": bool(node.take("ceil_mode", 0)),
        }
        if kind == "average_pool":
            settings["count_padding"] = bool(node.take("count_include_pad", 0))
        else:
            node.take("storage_order")  # of the indices, which nobody takes
        return builder.add(node, kind, settings, x)

    return operator


def global_average_pool(builder: Builder, node: Node) -> Value:
    """GlobalAveragePool -> `global_average_pool`, whose (C,) is read as (C, 1, 1)."""
    x, _ = _image(builder, node)
    y = builder.add(node, "global_average_pool", {}, x)
    return Value(y.layer, (x.shape[0], 1, 1))


def global_max_pool(builder: Builder, node: Node) -> Value:
    """GlobalMaxPool -> `max_pool` with a window as large as the map."""
    x, sizes = _image(builder, node)
    return builder.add(node, "max_pool", {"size": _brief(sizes)}, x)


def reduce(what: str) -> Callable[[Builder, Node], Value]:
    """ReduceMean, ReduceMax over height and width, wherever the graph has them.

    -> `global_average_pool`, or `max_pool` with a window as large as the map.
    """

    def operator(builder: Builder, node: Node) -> Value:
        x = builder.value(node)
        rank = len(x.shape) + 1
        axes = node.take("axes", builder.integers(node, 1))
        keep = node.take("keepdims", 1)
        node.take("noop_with_empty_axes")
        gone = {axis_of(node, a, rank) for a in axes or ()}
        kept = [axis for axis in range(1, rank) if axis not in gone]
        # What is only reshaped may be meant as it is seen, or as its layer gives it.
        for image in [x] * (x.order is None) + [builder.whole(x)]:
            channels = None if 0 in gone else _channels(x, kept, image.shape)
            if channels is not None:
                break
        else:
            raise node.fail(
                f"axes: only the {what} over height and width, received {axes} of the "
                f"shape {('batch', *x.shape)}"
            )
        if what == "mean":
            y = builder.add(node, "global_average_pool", {}, image)
        else:
            y = builder.add(node, "max_pool", {"size": _brief(image.shape[1:])}, image)
        shape = [1 if a in gone else x.shape[a - 1] for a in range(1, rank)]
        shape = shape if keep else [x.shape[a - 1] for a in kept]
        return placed(y.layer, channels.reshape(shape))

    return operator


def _channels(x: Value, kept: list[int], shape: Shape) -> np.ndarray | None:
    """Return the channel of each number that is left if x keeps these axes only.

    None where not all numbers of one map of the image `shape` go together.
    """
    if len(shape) != 3:
        return None
    gone = [axis for axis in range(1, len(x.shape) + 1) if axis not in kept]
    count = math.prod(x.shape[axis - 1] for axis in kept)
    parts = places(x).transpose([axis - 1 for axis in kept + gone])
    parts = np.sort(parts.reshape(count, -1))
    maps = numbered(shape).reshape(shape[0], -1)
    if parts.shape != maps.shape:
        return None
    channels = parts[:, 0] // maps.shape[1]
    return channels if np.array_equal(parts, maps[channels]) else None


def pad(builder: Builder, node: Node) -> Value:
    """Pad of height and width -> `pad`, wherever the graph has them."""
    x = builder.value(node)
    image, axes = builder.whole(x), axes_of(x, builder.out_shape(x.layer))
    if x.order is None or axes is None or len(axes) != 3:
        (image, _), axes = _image(builder, node), (0, 1, 2)
    if node.opset < 11:
        pads, value = node.take("pads", node.take("paddings")), node.take("value", 0.0)
    else:
        pads, value = builder.integers(node, 1), builder.number(node, 2) or 0.0
    pads = _all_pads(node, pads or [], builder.integers(node, 3))
    for side in (1, 5):
        pads[side : side + 3] = [pads[side + axes.index(axis)] for axis in range(3)]
    if any(pads[i] for i in (0, 1, 4, 5)) or min(pads) < 0:
        raise node.fail(
            "pads: only height and width can be padded, and nothing can be cut off, "
            f"received {pads}"
        )
    settings = {
        "padding": _brief([pads[2], pads[3], pads[6], pads[7]]),
        "mode": node.take("mode", "constant"),
        "value": shortest(value),
    }
    y = builder.add(node, "pad", settings, image)
    if axes == (0, 1, 2):
        return y
    return placed(y.layer, numbered(y.shape).transpose(axes))


def _all_pads(node: Node, pads: Sequence[int], axes: Sequence[int] | None) -> list[int]:
    """Return eight numbers: before each of the four axes, then behind each."""
    axes = range(4) if axes is None else [axis_of(node, a, 4) for a in axes]
    if len(pads) != 2 * len(axes):
        raise node.fail(f"pads: expected {2 * len(axes)} numbers, received {pads}")
    full = [0] * 8
    for i, axis in enumerate(axes):
        full[axis], full[axis + 4] = pads[i], pads[i + len(axes)]
    return full


def _image(builder: Builder, node: Node) -> tuple[Value, tuple[int, int]]:
    """Return the node's first input and its (height, width)."""
    x = builder.value(node)
    if len(x.shape) != 3:
        raise node.fail(
            "expected an image (batch, channels, height, width), received the shape "
            f"{('batch', *x.shape)}"
        )
    return x, x.shape[1:]


def _brief(values: Sequence[int]) -> int | list[int]:
    """Return one number for equal ones, two for [a, b, a, b], else all."""
    if len(set(values)) == 1:
        return values[0]
    half = len(values) // 2
    return list(values[:half] if values[:half] == values[half:] else values)


def _pair(node: Node, name: str, default: Sequence[int] = (1, 1)) -> list[int]:
    values = list(node.take(name, default))
    if len(values) != 2:
        raise node.fail(f"{name}: expected two numbers, received {values}")
    if min(values) < 1:
        raise node.fail(f"{name}: expected numbers of at least 1, received {values}")
    return values


def _padding(
    node: Node,
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    """Return [top, left, bottom, right] of the attributes `pads` and `auto_pad`.

    SAME_UPPER, SAME_LOWER: as much as gives ⌈size / stride⌉ outputs; an odd rest goes
    behind the map, or before it.
    """
    auto, pads = node.take("auto_pad", "NOTSET"), node.take("pads", [0, 0, 0, 0])
    if auto == "NOTSET":
        if len(pads) != 4:
            raise node.fail(f"pads: expected four numbers, received {pads}")
        return pads
    if auto == "VALID":
        return [0, 0, 0, 0]
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise node.fail(f"auto_pad: unknown value {auto!r}")
    begins, ends = [], []
    for i, size in enumerate(sizes):
        reach = dilations[i] * (window[i] - 1) + 1
        whole = max((-(-size // strides[i]) - 1) * strides[i] + reach - size, 0)
        less, more = whole // 2, whole - whole // 2
        begins.append(less if auto == "SAME_UPPER" else more)
        ends.append(more if auto == "SAME_UPPER" else less)
    return [*begins, *ends]
