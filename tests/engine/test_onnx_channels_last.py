"""Files with the channels last, as converters from TensorFlow and Keras write them."""

from __future__ import annotations

import numpy as np
import pytest

from engine import SpecError, exchange
from tests.engine.cases import relative
from tests.engine.onnx_models import kinds, loaded, model, node, numbers, run

pytestmark = pytest.mark.compare

LAST = ["n", 6, 5, 3]
W, B = numbers(4, 3, 3, 3), numbers(4, seed=2)
FIRST = node("Transpose", "x", "first", perm=[0, 3, 1, 2])
CONV = node("Conv", "first w", "c", auto_pad="SAME_UPPER", strides=[2, 2])
BACK = node("Transpose", "c", "last", perm=[0, 2, 3, 1])
HEAD = [FIRST, CONV, BACK]  # last: (n, 3, 3, 4)
FLAT = {"flat": np.array([-1, 36]), "v": numbers(36, 5)}
DENSE = [node("Reshape", "f flat", "r"), node("MatMul", "r v", "y")]
AXES = {"axes": np.array([1, 2])}
NORM = {f"p{i}": np.abs(numbers(36, seed=i)) + 0.5 for i in range(4)}


def last(*nodes, shape=LAST, opset=15, **constants):
    """Return a model that begins as HEAD does."""
    return model([*HEAD, *nodes], shape, {"w": W} | constants, opset=opset)


MODELS = {
    "flatten": last(node("Identity", "last", "f"), *DENSE, **FLAT),
    "flatten-operator": last(
        node("Flatten", "last", "r"), node("Gemm", "r v b", "y"), v=numbers(36, 5),
        b=numbers(5)),
    "flatten-a-computed-shape": last(
        node("Shape", "last", "s"), node("Slice", "s zero one", "n"),
        node("Concat", "n rest", "t", axis=0), node("Reshape", "last t", "r"),
        node("MatMul", "r v", "y"), zero=np.array([0]), one=np.array([1]),
        rest=np.array([-1]), v=numbers(36, 5)),
    "bias-behind": last(
        node("Add", "last b", "a"), node("Relu", "a", "f"), *DENSE, b=B, **FLAT),
    "scale-of-each-place": last(
        node("Mul", "last s", "f"), *DENSE, s=numbers(1, 3, 3, 4), **FLAT),
    "scale-of-each-row": last(
        node("Sub", "last s", "f"), *DENSE, s=numbers(3, 1, 1), **FLAT),
    "functions": last(
        node("LeakyRelu", "last", "a", alpha=0.3), node("Clip", "a low", "b"),
        node("Sigmoid", "b", "g"), node("Tanh", "g", "d"), node("Dropout", "d", "f"),
        *DENSE, low=np.float32(-0.1), **FLAT),
    "mean": last(node("ReduceMean", "last", "y", axes=[1, 2], keepdims=0)),
    "mean-kept": last(
        node("ReduceMean", "last", "m", axes=[-3, -2]), node("Squeeze", "m axes", "y"),
        **AXES),
    "mean-of-rows": last(
        node("Reshape", "last s", "r"), node("ReduceMean", "r", "y", axes=[1],
        keepdims=0), s=np.array([0, 9, 4])),
    "largest": last(node("ReduceMax", "last", "y", axes=[1, 2], keepdims=0)),
    "softmax-of-channels": last(
        node("Softmax", "last", "f", axis=-1), *DENSE, **FLAT),
    "softmax-of-all": last(
        node("Softmax", "last", "f", axis=1), *DENSE, opset=11, **FLAT),
    "pad": last(
        node("Pad", "last p", "z"), node("Transpose", "z", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t u", "y"), p=np.array([0, 1, 0, 0, 0, 2, 3, 0]),
        u=numbers(2, 4, 3, 3)),
    "pad-before": model(
        [node("Pad", "x p", "z"), node("Transpose", "z", "t", perm=[0, 3, 1, 2]),
         node("Conv", "t w", "y")], LAST,
        {"w": W, "p": np.array([0, 1, 0, 0, 0, 2, 3, 0])}),
    "pixels-first-scaled": model(
        [node("Sub", "x m", "d"), node("Mul", "d s", "e"), node("Cast", "e", "g", to=1),
         node("Transpose", "g", "first", perm=[0, 3, 1, 2]), CONV,
         node("GlobalAveragePool", "c", "p"), node("Squeeze", "p a", "y")], LAST,
        {"m": numbers(3), "s": np.float32(0.5), "w": W, "a": np.array([2, 3])}),
    "two-branches": last(
        node("Relu", "last", "a"), node("Concat", "a last", "k", axis=-1),
        node("Transpose", "k", "t", perm=[0, 3, 1, 2]), node("Conv", "t u", "y"),
        u=numbers(2, 8, 2, 2)),
    "rows-joined": last(
        node("Concat", "last last", "k", axis=1), node("Flatten", "k", "r"),
        node("MatMul", "r v", "y"), v=numbers(72, 5)),
    "residual": last(
        node("Relu", "last", "a"), node("Add", "a last", "f"), *DENSE, **FLAT),
    "squeeze-and-excite": last(
        node("ReduceMean", "last", "m", axes=[1, 2], keepdims=1),
        node("Sigmoid", "m", "g"), node("Mul", "last g", "f"), *DENSE, **FLAT),
    "norm-of-features": last(
        node("Flatten", "last", "g"), node("BatchNormalization", "g p0 p1 p2 p3", "r"),
        node("MatMul", "r v", "y"), v=numbers(36, 5), **NORM),
    "gray": model(
        [FIRST, CONV, BACK, node("Flatten", "last", "r"), node("MatMul", "r v", "y")],
        ["n", 6, 5, 1], {"w": numbers(4, 1, 3, 3), "v": numbers(36, 5)}),
    "gray-by-a-reshape": model(
        [node("Reshape", "x s", "first"), CONV, BACK, node("Flatten", "last", "r"),
         node("MatMul", "r v", "y")], ["n", 6, 5, 1],
        {"w": numbers(4, 1, 3, 3), "v": numbers(36, 5), "s": np.array([-1, 1, 6, 5])}),
    # Whole networks that stay on images: the output comes channels first, too.
    "image-out": last(node("Relu", "last", "y")),
    "image-out-of-equal-sides": model(
        [FIRST, node("BatchNormalization", "first p0 p1 p2 p3", "b"),
         node("Transpose", "b", "y", perm=[0, 2, 3, 1])], ["n", 3, 3, 3],
        {f"p{i}": p[:3] for i, p in enumerate(NORM.values())}),
    "norm-of-features-in-pieces": last(
        node("Reshape", "last flat", "g"), node("Mul", "g m", "a"),
        node("Sub", "a o", "f"), *DENSE, m=numbers(36), o=numbers(36, seed=2), **FLAT),
    # Only the flattening remembers TensorFlow.
    "channels-first-input": model(
        [node("Conv", "x w", "c"), BACK, node("Flatten", "last", "r"),
         node("MatMul", "r v", "y")], ["n", 3, 5, 5],
        {"w": W, "v": numbers(36, 5)}),
    "there-and-back": model(
        [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("Relu", "t", "r"),
         node("Transpose", "r", "first", perm=[0, 3, 1, 2]), CONV,
         node("Flatten", "c", "y")], ["n", 3, 6, 5], {"w": W}),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_the_network_takes_and_gives_channels_first(name, opened, tmp_path):
    network = loaded(MODELS[name], tmp_path, opened("threads"))
    x = numbers(3, *network.input_shape)
    is_last = MODELS[name].graph.input[0].type.tensor_type.shape.dim[3].dim_value < 4
    expected = run(tmp_path / "model.onnx", x.transpose(0, 2, 3, 1) if is_last else x)
    if name.startswith("image-out"):
        expected = expected.transpose(0, 3, 1, 2)
    assert network.input_shape[0] in (1, 3)
    assert relative(network.predict(x), expected) <= 1e-4


def test_no_layer_is_added_for_the_order(opened, tmp_path):
    network = loaded(MODELS["flatten"], tmp_path, opened("threads"))
    assert kinds(network) == ["conv", "dense"]


def test_what_was_loaded_learns_and_is_written_again(opened, tmp_path):
    network = loaded(MODELS["squeeze-and-excite"], tmp_path, opened("threads"))
    exchange.onnx.export(network, tmp_path / "again.onnx")
    x = numbers(3, 3, 6, 5)
    assert relative(run(tmp_path / "again.onnx", x), network.predict(x)) <= 1e-4


REFUSED = {
    "a map with its axes changed": (
        [node("Transpose", "c", "t", perm=[0, 1, 3, 2]), node("Conv", "t u", "y")],
        r"node 'y' \(Conv\): expected the numbers .*Transpose.*no layer moves numbers",
    ),
    "two orders": (
        [node("Transpose", "c", "t", perm=[0, 1, 3, 2]), node("Add", "c t", "y")],
        r"node 'y' \(Add\): expected values of one shape and order",
    ),
    "softmax over rows": (
        [node("Softmax", "last", "y", axis=1)],
        r"node 'y' \(Softmax\): axis: only 1, the channels",
    ),
    "mean over the channels": (
        [node("ReduceMean", "last", "y", axes=[1, 3], keepdims=0)],
        r"node 'y' \(ReduceMean\): axes: only the mean over height and width",
    ),
    "pad of the channels": (
        [node("Pad", "last p", "y")],
        "pads: only height and width can be padded",
    ),
    "the batch": (
        [node("Transpose", "c", "y", perm=[1, 0, 2, 3])],
        r"node 'y' \(Transpose\): perm .* and the batch as the first",
    ),
    "rows that are moved, as output": (
        [node("Flatten", "last", "y")],
        r"node 'output' \(graph\).*no layer moves numbers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_order_helps_is_refused(name, opened, tmp_path):
    nodes, text = REFUSED[name]
    pads = np.array([0, 0, 0, 1, 0, 0, 0, 0])
    proto = last(*nodes, u=numbers(2, 4, 2, 2), p=pads)
    with pytest.raises(SpecError, match=text):
        loaded(proto, tmp_path, opened("threads"))


def test_a_file_may_not_ask_for_terabytes(opened, tmp_path):
    huge = model([FIRST, node("Relu", "first", "y")], ["n", 10**6, 10**6, 3])
    with pytest.raises(SpecError, match=r"at most 67,108,864 numbers to a sample"):
        loaded(huge, tmp_path, opened("threads"))
