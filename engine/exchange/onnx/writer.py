"""From layers to ONNX operators: one function for each kind of layer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engine.backends.geometry import PadGeometry, PoolGeometry
from engine.errors import InputError, SpecError
from engine.exchange.atomic import atomic_write
from engine.layers import Layer

if TYPE_CHECKING:
    from engine.network import Network

OPSET = 19  # the first in which an average pool may be dilated
_IR_VERSION = 9  # the oldest file format that goes with it
LOSS = "engine.loss"  # key of the loss, as JSON, in the file's metadata
_LOWEST = -1e30  # a padding that is no maximum; the layer `pad` takes no lower one
_MOST_BYTES = 2**31 - 2**20  # protobuf's limit, less room for the nodes


def write(network: Network, path: Path) -> None:
    """Write the network to `path`; see `engine.exchange.onnx.export`."""
    if 4 * network.size > _MOST_BYTES:
        raise InputError(
            f"{path}: an ONNX file holds at most 2 GiB, the network's parameters take "
            f"{4 * network.size:,} bytes; save it as .safetensors or .npz"
        )
    model = to_model(network)
    with atomic_write(path) as file:
        file.write(model.SerializeToString(deterministic=True))


def to_model(network: Network) -> onnx.ModelProto:
    """Return the network as an ONNX model."""
    graph = _Graph(network)
    names = {-1: "input"} | {layer.index: layer.name for layer in network.layers}
    for layer in network.layers:
        if layer.kind not in _LAYERS:
            raise SpecError(f"{layer.place}: ONNX export does not know {layer.kind!r}")
        _LAYERS[layer.kind](graph, layer, *(names[i] for i in layer.sources))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "network",
            [_tensor("input", network.input_shape)],
            [_tensor(network.layers[-1].name, network.output_shape)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="ignetlab",
    )
    helper.set_model_props(model, {LOSS: json.dumps(network.spec["loss"])})
    return model


def _tensor(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])


class _Graph:
    """The nodes and constants so far.

    A layer's output has the layer's name. What a layer needs beside it is called
    NAME.SOMETHING: no layer's name has a dot.
    """

    def __init__(self, network: Network):
        self.network = network
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(
        self,
        operator: str,
        inputs: list[str],
        output: str,
        name: str = "",
        **attributes: Any,
    ) -> str:
        """Add a node, called as its output if not told; return the output's name."""
        self.nodes.append(
            helper.make_node(
                operator, inputs, [output], name=name or output, **attributes
            )
        )
        return output

    def constant(self, name: str, values: Any, dtype: type = np.float32) -> str:
        """Add a constant; return its name."""
        array = np.asarray(values, dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def parameters(
        self, layer: Layer, shape: tuple[int, ...] | None = None
    ) -> dict[str, str]:
        """Add a layer's parameters, shaped as told; return {short name: full name}."""
        names = {}
        for full, values in self.network.parameters_of(layer).items():
            values = values if shape is None else values.reshape(shape)
            names[full.removeprefix(f"{layer.name}.")] = self.constant(full, values)
        return names

    def flat(self, layer: Layer, x: str) -> str:
        """Return x, or a new name for it as (batch, features)."""
        if len(layer.in_shape) == 1:
            return x
        return self.add("Flatten", [x], f"{layer.name}.flat", axis=1)


def _conv(graph: _Graph, layer: Layer, x: str) -> None:
    g, p = layer.geometry, graph.parameters(layer)
    if layer.edge:
        x = _padded(graph, layer, x, layer.edge, f"{layer.name}.padded")
    graph.add(
        "Conv",
        [x, *p.values()],
        layer.name,
        kernel_shape=g.kernel,
        strides=g.stride,
        pads=[*g.padding, *g.padding_end],
        dilations=g.dilation,
        group=g.groups,
    )


def _padded(graph: _Graph, layer: Layer, x: str, g: PadGeometry, output: str) -> str:
    """Pad x; return the output's name."""
    pads = [0, 0, g.top, g.left, 0, 0, g.bottom, g.right]
    inputs = [x, graph.constant(f"{layer.name}.pads", pads, np.int64)]
    if g.mode == "constant":
        inputs.append(graph.constant(f"{layer.name}.value", g.value))
    return graph.add("Pad", inputs, output, mode=g.mode)


def _pad(graph: _Graph, layer: Layer, x: str) -> None:
    _padded(graph, layer, x, layer.geometry, layer.name)


def _dense(graph: _Graph, layer: Layer, x: str) -> None:
    x, p = graph.flat(layer, x), graph.parameters(layer)
    graph.add("Gemm", [x, *p.values()], layer.name, transB=1)


def _max_pool(graph: _Graph, layer: Layer, x: str) -> None:
    g = layer.geometry
    pads = [*g.padding, *_ends(g)]
    if not _narrow(pads, g):
        around = PadGeometry(*layer.in_shape, *pads, "constant", _LOWEST)
        x = _padded(graph, layer, x, around, f"{layer.name}.padded")
        pads = [0, 0, 0, 0]
    graph.add("MaxPool", [x], layer.name, **_window(g, pads))


def _average_pool(graph: _Graph, layer: Layer, x: str) -> None:
    g = layer.geometry
    ends = _ends(g)
    pads = [*g.padding, *ends]
    counted = g.count_padding and any((*g.padding, *g.padding_end))
    beyond = any(end > told for end, told in zip(ends, g.padding_end, strict=True))
    if _narrow(pads, g) and not (counted and beyond):
        window = _window(g, pads)
        graph.add("AveragePool", [x], layer.name, **window, count_include_pad=counted)
        return
    # ONNX has no such divisor, onnxruntime no such padding (and it joins a Pad before
    # the pool with it): sum by a convolution, then divide.
    ones = graph.constant(f"{layer.name}.ones", np.ones((g.channels, 1, *g.size)))
    sums, window = f"{layer.name}.sums", _window(g, pads)
    graph.add("Conv", [x, ones], sums, layer.name, **window, group=g.channels)
    parts = graph.constant(f"{layer.name}.parts", 1.0 / g.divisors()[None, None])
    graph.add("Mul", [sums, parts], layer.name, f"{layer.name}.mean")


def _window(g: PoolGeometry, pads: Sequence[int]) -> dict[str, Sequence[int]]:
    return {
        "kernel_shape": g.size,
        "strides": g.stride,
        "pads": pads,
        "dilations": g.dilation,
    }


def _ends(g: PoolGeometry) -> list[int]:
    """Return the padding (bottom, right) that gives the outputs without ceil_mode.

    So said, all readers agree: they round sizes up by different rules.
    """
    if not g.ceil_mode:
        return list(g.padding_end)
    ends = []
    for axis, (size, outs) in enumerate(
        ((g.height, g.out_height), (g.width, g.out_width))
    ):
        reach = g.dilation[axis] * (g.size[axis] - 1) + 1
        whole = (outs - 1) * g.stride[axis] + reach
        ends.append(max(whole - size - g.padding[axis], 0))
    return ends


def _narrow(pads: Sequence[int], g: PoolGeometry) -> bool:
    """Return whether onnxruntime takes the padding: less than the window's size."""
    return all(pad < size for pad, size in zip(pads, (*g.size, *g.size), strict=True))


def _global_average_pool(graph: _Graph, layer: Layer, x: str) -> None:
    means = graph.add("GlobalAveragePool", [x], f"{layer.name}.map", layer.name)
    graph.add("Flatten", [means], layer.name, f"{layer.name}.flat", axis=1)


def _batch_norm(graph: _Graph, layer: Layer, x: str) -> None:
    s, p, channels = layer.settings, graph.parameters(layer), layer.in_shape[:1]
    if not s["affine"]:
        p["gamma"] = graph.constant(f"{layer.name}.gamma", np.ones(channels))
        p["beta"] = graph.constant(f"{layer.name}.beta", np.zeros(channels))
    names = ("gamma", "beta", "running_mean", "running_variance")
    graph.add(
        "BatchNormalization",
        [x, *(p[name] for name in names)],
        layer.name,
        epsilon=s["epsilon"],
        momentum=1.0 - s["momentum"],  # ONNX counts what is kept
    )


def _activation(graph: _Graph, layer: Layer, x: str) -> None:
    function, name, attributes = layer.settings["function"], layer.name, {}
    if function == "bipolar_sigmoid":  # (1 − e^-x) / (1 + e^-x) = tanh(x / 2)
        half = graph.constant(f"{layer.name}.half", 0.5)
        x = graph.add("Mul", [x, half], f"{layer.name}.halved", layer.name)
        name = f"{layer.name}.tanh"
    elif function == "leaky_relu":
        attributes = {"alpha": layer.settings["slope"]}
    elif function == "softmax":
        attributes = {"axis": 1}
    graph.add(_FUNCTIONS[function], [x], layer.name, name, **attributes)


_FUNCTIONS = {
    "identity": "Identity",
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "sigmoid": "Sigmoid",
    "bipolar_sigmoid": "Tanh",
    "tanh": "Tanh",
    "softmax": "Softmax",
}


def _local_response_norm(graph: _Graph, layer: Layer, x: str) -> None:
    graph.add("LRN", [x], layer.name, **layer.settings)


def _clip(graph: _Graph, layer: Layer, x: str) -> None:
    bounds = [
        "" if value is None else graph.constant(f"{layer.name}.{key}", value)
        for key, value in layer.settings.items()
    ]
    graph.add("Clip", [x, *bounds], layer.name)


def _scale(graph: _Graph, layer: Layer, x: str) -> None:
    per = layer.settings["per"]
    ones = (1,) * len(layer.in_shape)
    shape = {
        "channel": layer.in_shape[:1] + ones[1:],
        "element": layer.in_shape,
        "all": ones,
    }[per]
    p = graph.parameters(layer, (1, *shape))
    if "bias" not in p:
        graph.add("Mul", [x, p["weight"]], layer.name)
        return
    scaled = graph.add("Mul", [x, p["weight"]], f"{layer.name}.scaled", layer.name)
    graph.add("Add", [scaled, p["bias"]], layer.name, f"{layer.name}.add")


def _dropout(graph: _Graph, layer: Layer, x: str) -> None:
    ratio = graph.constant(f"{layer.name}.ratio", layer.settings["portion"])
    graph.add("Dropout", [x, ratio], layer.name)


def _flatten(graph: _Graph, layer: Layer, x: str) -> None:
    graph.add("Flatten", [x], layer.name, axis=1)


def _reshape(graph: _Graph, layer: Layer, x: str) -> None:
    shape = [-1, *layer.out_shape]
    graph.add(
        "Reshape",
        [x, graph.constant(f"{layer.name}.shape", shape, np.int64)],
        layer.name,
    )


def _multiply(graph: _Graph, layer: Layer, *xs: str) -> None:
    xs, rank = list(xs), len(layer.out_shape)
    for i, shape in enumerate(layer.in_shapes):
        if len(shape) < rank:  # (C,) beside (C, H, W)
            axes = graph.constant(f"{layer.name}.axes{i}", [2, 3], np.int64)
            xs[i] = graph.add("Unsqueeze", [xs[i], axes], f"{layer.name}.map{i}")
    y, *others = xs
    for i, x in enumerate(others, 1):
        last = i == len(others)
        name = layer.name if last else f"{layer.name}.{i}"
        y = graph.add("Mul", [y, x], name)


def _add(graph: _Graph, layer: Layer, *xs: str) -> None:
    graph.add("Sum", [*xs], layer.name)


def _concat(graph: _Graph, layer: Layer, *xs: str) -> None:
    graph.add("Concat", [*xs], layer.name, axis=1)


_LAYERS: dict[str, Callable] = {
    "conv": _conv,
    "dense": _dense,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_average_pool": _global_average_pool,
    "batch_norm": _batch_norm,
    "activation": _activation,
    "local_response_norm": _local_response_norm,
    "pad": _pad,
    "clip": _clip,
    "scale": _scale,
    "dropout": _dropout,
    "flatten": _flatten,
    "reshape": _reshape,
    "add": _add,
    "multiply": _multiply,
    "concat": _concat,
}
