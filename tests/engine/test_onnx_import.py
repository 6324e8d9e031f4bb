"""Networks from ONNX files: they compute what onnxruntime does, and they learn."""

from __future__ import annotations

import json

import numpy as np
import pytest

import engine
from engine import CheckpointError, SpecError, exchange
from tests.engine.cases import Case, relative
from tests.engine.onnx_models import (
    CHANNELS,
    IMAGE,
    ROW,
    conv,
    kinds,
    loaded,
    model,
    node,
    numbers,
    one,
    onnx,
    pool,
    run,
    saved,
)

pytestmark = pytest.mark.compare

TOLERANCE = 1e-4

# What onnxruntime runs too.
MODELS = {
    "conv": conv(),
    "conv-pads": conv(pads=[2, 0, 1, 3], strides=[2, 1]),
    "conv-same-upper": conv(auto_pad="SAME_UPPER", strides=[2, 1]),
    "conv-same-lower": conv(auto_pad="SAME_LOWER", strides=[2, 1]),
    "conv-valid": conv(auto_pad="VALID", kernel_shape=[3, 2]),
    "conv-dilations": conv(dilations=[2, 3], pads=[1, 1, 1, 1]),
    "conv-group": conv(group=2),
    "max-pool": pool("MaxPool"),
    "max-pool-strides": pool("MaxPool", strides=[2, 3], pads=[1, 0, 2, 1]),
    "max-pool-ceil": pool("MaxPool", strides=[2, 3], ceil_mode=1),
    "max-pool-dilations": pool("MaxPool", dilations=[2, 3]),
    "max-pool-same-upper": pool("MaxPool", strides=[2, 1], auto_pad="SAME_UPPER"),
    "max-pool-same-lower": pool("MaxPool", strides=[2, 1], auto_pad="SAME_LOWER"),
    "average-pool": pool("AveragePool", strides=[2, 2]),
    "average-pool-pads": pool("AveragePool", pads=[1, 0, 2, 1]),
    "average-pool-counted": pool("AveragePool", pads=[1, 0, 2, 1], count_include_pad=1),
    "average-pool-ceil": pool("AveragePool", strides=[2, 3], ceil_mode=1),
    "average-pool-same-lower": pool("AveragePool", auto_pad="SAME_LOWER"),
    "average-pool-dilations": pool("AveragePool", dilations=[2, 3]),
    "global-average-pool": one("GlobalAveragePool"),
    "global-max-pool": one("GlobalMaxPool"),
    "reduce-mean": one("ReduceMean", axes=[-1, 2], keepdims=0),
    "reduce-mean-18": one("ReduceMean", constants={"a": np.array([2, 3])}, opset=18),
    "pad": one("Pad", constants={
        "pads": np.array([0, 0, 1, 2, 0, 0, 3, 4]), "value": np.float32(1.5)}),
    "pad-edge": one("Pad", constants={
        "pads": np.array([0, 0, 1, 2, 0, 0, 3, 4])}, mode="edge"),
    "pad-reflect": one("Pad", constants={
        "pads": np.array([0, 0, 1, 2, 0, 0, 3, 4])}, mode="reflect"),
    "pad-axes": one("Pad", constants={
        "pads": np.array([1, 2, 3, 4]), "value": np.float32(0),
        "axes": np.array([-1, 2])}, opset=18),
    "gemm": one(
        "Gemm", ROW, {"w": numbers(12, 5), "b": numbers(5)}, alpha=0.5, beta=2.0),
    "gemm-transposed": one("Gemm", ROW, {"w": numbers(5, 12)}, transB=1),
    "gemm-one-bias": one("Gemm", ROW, {"w": numbers(12, 5), "b": numbers(1, 1)}),
    "matmul": one("MatMul", ROW, {"w": numbers(12, 5)}),
    "relu": one("Relu"),
    "leaky-relu": one("LeakyRelu", alpha=0.2),
    "sigmoid": one("Sigmoid", ROW),
    "tanh": one("Tanh", ROW),
    "softmax": one("Softmax", ROW),
    "softmax-channels": one("Softmax", axis=1),
    "softmax-all": one("Softmax", opset=12),
    "batch-normalization": one("BatchNormalization", constants=CHANNELS, epsilon=0.01),
    "lrn": one("LRN", size=3, alpha=0.5, beta=0.6, bias=1.5),
    "clip": one("Clip", constants={"low": np.float32(-0.5), "high": np.float32(0.25)}),
    "clip-above": model(
        [node("Clip", "x - high", "y")], ROW, {"high": np.float32(0.25)}),
    "clip-nothing": one("Clip"),
    "dropout": one("Dropout", constants={"ratio": np.float32(0.25)}),
    "identity": one("Identity", ROW),
    "cast": one("Cast", ROW, to=1),
    "flatten": one("Flatten"),
    "flatten-negative": one("Flatten", axis=-3),
    "reshape": one("Reshape", constants={"s": np.array([0, 2, -1, 8])}),
    "reshape-flat": one("Reshape", constants={"s": np.array([-1, 288])}),
    "reshape-row": one("Reshape", ROW, {"s": np.array([0, 3, 2, 2])}),
    "unsqueeze-squeeze": model(
        [node("Unsqueeze", "x a", "u"), node("Relu", "u", "r"),
         node("Squeeze", "r a", "y")], ROW, {"a": np.array([2, -1])}),
    "transpose-of-ones": one("Transpose", ["n", 1, 9, 1], perm=[0, 2, 3, 1]),
    "concat": model(
        [node("Relu", "x", "a"), node("Tanh", "x", "b"),
         node("Concat", "a x b", "y", axis=-3)], IMAGE),
    "add-values": model([node("Relu", "x", "a"), node("Add", "x a", "y")], IMAGE),
    "add-to-itself": model([node("Add", "x x", "y")], IMAGE),
    "sum": model(
        [node("Relu", "x", "a"), node("Sum", "x a c x", "y")], IMAGE,
        {"c": numbers(4, 1, 1)}),
    "add-channels": one("Add", constants={"c": numbers(1, 4, 1, 1)}),
    "add-scalar": one("Add", constants={"c": np.float32(2)}),
    "add-rows": one("Add", constants={"c": numbers(9, 1)}),
    "add-element": one("Add", constants={"c": numbers(4, 9, 8)}),
    "add-features": one("Add", ROW, {"c": numbers(12)}),
    "constant-first": model([node("Add", "c x", "y")], ROW, {"c": numbers(12)}),
    "sub": one("Sub", constants={"c": numbers(4, 1, 1)}),
    "div": one("Div", constants={"c": np.float32(3)}),
    "mul-channels": one("Mul", constants={"c": numbers(4, 1, 1)}),
    "mul-values": model([node("Tanh", "x", "a"), node("Mul", "x a", "y")], IMAGE),
    "squeeze-excite": model(
        [node("GlobalAveragePool", "x", "g"), node("Conv", "g w", "h"),
         node("Sigmoid", "h", "s"), node("Mul", "x s", "y")], IMAGE,
        {"w": numbers(4, 4, 1, 1)}),
    "scale-and-shift": model(
        [node("Mul", "x s", "m"), node("Add", "m b", "y")], IMAGE,
        {"s": numbers(4, 1, 1), "b": numbers(4, 1, 1)}),
    "conv-with-bias-behind": model(
        [node("Conv", "x w", "c"), node("Add", "c b", "y")], IMAGE,
        {"w": numbers(6, 4, 3, 3), "b": numbers(6, 1, 1)}),
    "conv-taken-twice": model(
        [node("Conv", "x w", "c"), node("Add", "c b", "a"),
         node("Mul", "a c", "y")], IMAGE,
        {"w": numbers(6, 4, 3, 3), "b": numbers(6, 1, 1)}),
    "conv-taken-twice-by-another-name": model(
        [node("Conv", "x w", "c"), node("Identity", "c", "i"), node("Add", "i b", "a"),
         node("Mul", "a c", "y")], IMAGE,
        {"w": numbers(6, 4, 3, 3), "b": numbers(6, 1, 1)}),
    "bipolar": model(
        [node("Mul", "x half", "h"), node("Tanh", "h", "y")], ROW,
        {"half": np.float32(0.5)}),
    "halves-taken-twice": model(
        [node("Mul", "x half", "h"), node("Tanh", "h", "t"),
         node("Add", "h t", "y")], ROW,
        {"half": np.float32(0.5)}),
    # x.view(x.size(0), -1), as PyTorch writes it
    "shape-program": model(
        [node("Shape", "x", "s"), node("Gather", "s zero", "g"),
         node("Unsqueeze", "g axes", "u"), node("Concat", "u rest", "t", axis=0),
         node("Relu", "x", "r"), node("Reshape", "r t", "y")], IMAGE,
        {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}),
    # Only the shape of the Tanh is taken: no layer comes of it.
    "shape-of-a-dead-end": model(
        [node("Tanh", "x", "t"), node("Shape", "t", "s"), node("Reshape", "x s", "y")],
        IMAGE),
    "weights-program": model(
        [node("Mul", "w two", "d"), node("Transpose", "d", "t", perm=[1, 0]),
         node("MatMul", "x t", "y")], ROW,
        {"w": numbers(5, 12), "two": np.float32(2)}),
    "constant-nodes": model(
        [node("Constant", "", "c", value_floats=[0.5] * 12),
         node("Add", "x c", "y")], ROW),
    "dead-node": model([node("Relu", "x", "y"), node("Erf", "x", "z")], ROW),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_the_network_computes_what_onnxruntime_does(name, opened, tmp_path):
    network = loaded(MODELS[name], tmp_path, opened("threads"))
    for n in (1, 7):
        x = numbers(n, *network.input_shape)
        expected = run(tmp_path / "model.onnx", x)
        assert relative(network.predict(x), expected) <= TOLERANCE


# The rules of opsets that onnxruntime has given up: expected values by hand.
OLD = {
    "add-axis": (
        one("Add", constants={"c": numbers(4)}, opset=6, broadcast=1, axis=1),
        lambda x: x + numbers(4)[:, None, None],
    ),
    "mul-axis": (
        one("Mul", constants={"c": numbers(4, 9)}, opset=6, broadcast=1, axis=-3),
        lambda x: x * numbers(4, 9)[:, :, None],
    ),
    "clip": (
        one("Clip", opset=6, min=-0.5, max=0.25),
        lambda x: x.clip(-0.5, 0.25),
    ),
    "pad": (
        one("Pad", opset=2, pads=[0, 0, 1, 0, 0, 0, 0, 2], value=0.5),
        lambda x: np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2)), constant_values=0.5),
    ),
    "dropout": (one("Dropout", opset=6, ratio=0.9, is_test=1), lambda x: x),
    "reshape": (
        model([node("Reshape", "x", "y", shape=[0, -1])], IMAGE, opset=1),
        lambda x: x.reshape(len(x), -1),
    ),
    "gemm": (
        one("Gemm", ROW, {"w": numbers(12, 3), "b": numbers(3)}, opset=6, broadcast=1),
        lambda x: x @ numbers(12, 3) + numbers(3),
    ),
    "batch-normalization": (
        one("BatchNormalization", constants=CHANNELS, opset=6, is_test=1, spatial=1),
        lambda x: (
            (x - CHANNELS["p2"][:, None, None])
            / np.sqrt(CHANNELS["p3"] + 1e-5)[:, None, None]
            * CHANNELS["p0"][:, None, None]
            + CHANNELS["p1"][:, None, None]
        ),
    ),
}


@pytest.mark.parametrize("name", OLD)
def test_old_opsets(name, opened, tmp_path):
    proto, definition = OLD[name]
    network = loaded(proto, tmp_path, opened("threads"))
    x = numbers(7, *network.input_shape)
    assert relative(network.predict(x), definition(x)) <= TOLERANCE


def test_same_padding_of_dilated_windows(opened, tmp_path):
    """onnxruntime has none. A reach of 4 wants 3 more columns, 2 of them before."""
    network = loaded(
        conv(auto_pad="SAME_LOWER", dilations=[1, 3]), tmp_path, opened("threads")
    )
    saved(conv(pads=[1, 2, 1, 1], dilations=[1, 3]), tmp_path)
    x = numbers(7, *network.input_shape)
    assert relative(network.predict(x), run(tmp_path / "model.onnx", x)) <= TOLERANCE


LAYERS = {
    "conv-with-bias-behind": ["conv"],
    "conv-taken-twice": ["conv", "scale", "multiply"],
    "scale-and-shift": ["scale"],
    "bipolar": ["activation"],
    "halves-taken-twice": ["scale", "activation", "add"],
    "shape-program": ["activation", "flatten"],
    "shape-of-a-dead-end": ["activation"],
    "unsqueeze-squeeze": ["activation"],
    "identity": ["activation"],
    "dead-node": ["activation"],
}


@pytest.mark.parametrize("name", LAYERS)
def test_only_the_layers_that_are_needed(name, opened, tmp_path):
    assert kinds(loaded(MODELS[name], tmp_path, opened("threads"))) == LAYERS[name]


def test_spec_is_short_and_names_are_the_nodes(opened, tmp_path):
    weights = numbers(6, 4, 3, 3)
    proto = model(
        [
            onnx.helper.make_node("Conv", ["x", "w"], ["a"], name="/features/0/Conv"),
            onnx.helper.make_node("Relu", ["a"], ["b"], name="1"),
            onnx.helper.make_node("Relu", ["b"], ["c"], name="input"),
            onnx.helper.make_node("Relu", ["c"], ["y"], name="input"),
        ],
        IMAGE,
        {"w": weights},
    )
    network = loaded(proto, tmp_path, opened("threads"))
    assert network.spec == {
        "input": [4, 9, 8],
        "layers": [
            {"conv": {"filters": 6, "kernel": 3}, "name": "features_0_Conv"},
            {"activation": "relu", "name": "activation_1"},
            {"activation": "relu", "name": "input_2"},
            {"activation": "relu", "name": "input_3"},
        ],
        "loss": "squared_error",
    }
    np.testing.assert_array_equal(
        network.parameters()["features_0_Conv.weight"], weights
    )


def test_a_loaded_network_learns_and_is_saved(opened, tmp_path):
    proto = model(
        [
            node("Conv", "x w", "conv"),
            node("BatchNormalization", "conv p0 p1 p2 p3", "norm"),
            node("Relu", "norm", "relu"),
            node("GlobalAveragePool", "relu", "pool"),
            node("Flatten", "pool", "flat"),
            node("Gemm", "flat v b", "y"),
        ],
        IMAGE,
        {"w": numbers(4, 4, 3, 3), "v": numbers(4, 3), "b": numbers(3)} | CHANNELS,
    )
    network = exchange.onnx.load(
        saved(proto, tmp_path), device=opened("threads"), loss="softmax_cross_entropy"
    )
    x, t = numbers(16, 4, 9, 8), np.arange(16) % 3
    before, old = network.loss(x, t), network.parameters()
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.1}})
    for _ in range(5):
        trainer.step(x, t)
    assert network.loss(x, t) < before
    assert all((network.parameters()[name] != old[name]).any() for name in old)
    network.save(tmp_path / "net.npz")
    again = engine.load(tmp_path / "net.npz", device=opened("threads"))
    assert again.predict(x).tobytes() == network.predict(x).tobytes()


def test_dropout_of_a_file_drops_in_training(opened, tmp_path):
    ratio = {"ratio": np.float32(0.25)}
    network = loaded(one("Dropout", ROW, ratio), tmp_path, opened("threads"))
    assert network.spec["layers"] == [{"dropout": 0.25, "name": "y"}]


def test_loss_goes_with_the_file(opened, tmp_path):
    path = tmp_path / "model.onnx"
    loss = {"squared_error": {"reduction": "sum"}}
    case = Case("loss", (4,), ({"dense": {"units": 2}},), loss)
    exchange.onnx.export(case.network(opened("threads")), path)
    assert exchange.onnx.load(path, device="threads").spec["loss"] == loss
    other = exchange.onnx.load(path, device="threads", loss="mean_absolute_error")
    assert other.spec["loss"] == "mean_absolute_error"
    proto = onnx.load(path)
    proto.metadata_props[0].value = "{"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(CheckpointError, match="loss in its metadata is no JSON"):
        exchange.onnx.load(path, device="threads")
    proto.metadata_props[0].value = json.dumps("square")
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(SpecError, match="unknown loss 'square'"):
        exchange.onnx.load(path, device="threads")


@pytest.mark.parametrize(
    ("last", "loss"),
    [("Softmax", "softmax_cross_entropy"), ("Sigmoid", "binary_cross_entropy")],
)
def test_probabilities_are_no_logits(last, loss, opened, tmp_path):
    """Such a file predicts; to learn by that loss its network goes without the end."""
    nodes = [node("MatMul", "x w", "h"), node(last, "h", "end")]
    nodes.append(node("Identity", "end", "y"))
    path = saved(model(nodes, ROW, {"w": numbers(12, 5)}), tmp_path)
    with pytest.raises(SpecError, match=rf"\(end\): expected logits before .* {loss}"):
        exchange.onnx.load(path, device="reference", loss=loss)
    network = exchange.onnx.load(path, device="reference")
    assert relative(network.predict(numbers(3, 12)), run(path, numbers(3, 12))) <= 1e-5
    spec = network.spec | {"loss": loss}
    spec["layers"] = spec["layers"][:-1]
    logits = engine.Network.from_spec(
        spec, device="reference", parameters=network.parameters()
    )
    t = np.eye(5)[[0, 3, 4]]
    assert logits.loss(1e3 * numbers(3, 12), t) != logits.loss(numbers(3, 12), t)
