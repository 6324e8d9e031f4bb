"""Small ONNX models, and what onnxruntime computes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import exchange

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

IMAGE = ["n", 4, 9, 8]
ROW = ["n", 12]


def node(operator: str, inputs: str, output: str, **attributes: Any):
    """Return a node; inputs: names apart by spaces, "-" for one that is left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return onnx.helper.make_node(operator, names, [output], name=output, **attributes)


def model(
    nodes: list,
    shape: list[int | str],
    constants: Mapping[str, Any] | None = None,
    *,
    opset: int = 17,
) -> onnx.ModelProto:
    """Return a model from `x` of this shape to `y`."""
    info, float_ = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "test",
        [info("x", float_, shape)],
        [info("y", float_, None)],
        [
            onnx.numpy_helper.from_array(np.asarray(values), name)
            for name, values in (constants or {}).items()
        ],
    )
    opsets = [onnx.helper.make_opsetid("", opset)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)


def run(path: Path, x: np.ndarray) -> np.ndarray:
    """Return what onnxruntime makes of x by the model in a file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    return session.run(None, {source.name: x.astype(np.float32)})[0]


def numbers(*shape: int, seed: int = 1) -> np.ndarray:
    """Return float32 numbers drawn from N(0, 1)."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


CHANNELS = {f"p{i}": np.abs(numbers(4, seed=i)) + 0.5 for i in range(4)}


def saved(proto, tmp_path):
    """Return the path of a model's file."""
    path = tmp_path / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def loaded(proto, tmp_path, device="threads"):
    """Return the network of a model."""
    return exchange.onnx.load(saved(proto, tmp_path), device=device)


def kinds(network) -> list[str]:
    """Return the kinds of a network's layers."""
    return [layer.kind for layer in network.layers]


def conv(**attributes):
    return model(
        [node("Conv", "x w b", "y", **attributes)],
        IMAGE,
        {"w": numbers(6, 4 // attributes.get("group", 1), 3, 2), "b": numbers(6)},
    )


def pool(operator: str, **attributes):
    attributes = {"kernel_shape": [3, 2]} | attributes
    return model([node(operator, "x", "y", **attributes)], IMAGE, opset=19)


def one(operator: str, shape=IMAGE, constants=None, opset=17, **attributes):
    """Return a model of one operator; the constants are its further inputs."""
    names = " ".join(["x", *(constants or {})])
    return model(
        [node(operator, names, "y", **attributes)], shape, constants, opset=opset
    )
