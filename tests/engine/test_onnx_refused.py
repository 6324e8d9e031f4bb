"""ONNX files that cannot be read: errors of ours that say which node, and why."""

from __future__ import annotations

import builtins
import itertools

import numpy as np
import pytest

import engine
from engine import CheckpointError, InputError, PackageError, SpecError, exchange
from tests.engine.cases import CASES
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
)

pytestmark = pytest.mark.compare


def pads(*values: int) -> dict[str, np.ndarray]:
    """Return the constant input of a Pad."""
    return {"p": np.array(values)}


REFUSED = {
    "operators": (
        model(
            [
                node("Erf", "x", "e"),
                node("Erf", "e", "f"),
                onnx.helper.make_node("Fancy", ["f"], ["g"], name="h", domain="my.own"),
                node("Relu", "g", "y"),
            ],
            ROW,
        ),
        r"not have: Erf \(nodes 'e', 'f'\); my.own::Fancy \(node 'h'\). It has: Add",
    ),
    "rank-of-weights": (
        model([node("Conv", "x w", "y")], IMAGE, {"w": numbers(6, 4, 3)}),
        r"node 'y' \(Conv\): expected weights of four axes, received .*\(6, 4, 3\)",
    ),
    "weights-of-another-input": (
        model([node("Conv", "x w", "y")], IMAGE, {"w": numbers(6, 3, 3, 3)}),
        r"node 'y' \(Conv\): the weights \(6, 3, 3, 3\) do not fit the input",
    ),
    "weights-from-the-input": (
        model([node("Relu", "x", "r"), node("MatMul", "x r", "y")], ROW),
        r"node 'y' \(MatMul\): input 1 \('r'\): expected a constant",
    ),
    "constant-times-input": (
        model([node("MatMul", "w x", "y")], ROW, {"w": numbers(5, 3)}),
        r"node 'y' \(MatMul\): input 1 \('x'\): expected a constant",
    ),
    "five-axes": (
        one("Relu", ["n", 4, 9, 2, 2]),
        r"the input 'x': expected \(batch, features\), .* or \(batch, channels, height"
        r", width\), received the shape \['n', 4, 9, 2, 2\]",
    ),
    "open-height": (
        one("Relu", ["n", 4, "height", 9]),
        r"fixed sizes after the batch, received the shape \['n', 4, 'height', 9\]; fix",
    ),
    "auto-pad": (conv(auto_pad="SAME"), "auto_pad: unknown value 'SAME'"),
    "pads": (
        conv(pads=[0, -1, 0, 0]),
        r"node 'y' \(Conv\) as conv: padding: expected",
    ),
    "strides-of-0": (
        conv(auto_pad="SAME_UPPER", strides=[0, 1]),
        r"strides: expected numbers of at least 1, received \[0, 1\]",
    ),
    "window-of-three": (
        pool("MaxPool", kernel_shape=[2, 2, 2]),
        "kernel_shape: expected two numbers, received",
    ),
    "pad-of-channels": (
        one("Pad", constants=pads(0, 1, 0, 0, 0, 0, 0, 0)),
        "pads: only height and width can be padded",
    ),
    "pad-that-cuts": (
        one("Pad", constants=pads(0, 0, 0, -1, 0, 0, 0, 0)),
        "nothing can be cut off",
    ),
    "pad-mode": (
        one("Pad", constants=pads(*[0] * 8), mode="wrap", opset=19),
        r"node 'y' \(Pad\) as pad: mode: expected one of",
    ),
    "softmax-axis": (one("Softmax"), "axis: only 1, the channels, of the shape"),
    "concat-axis": (
        model([node("Concat", "x x", "y", axis=2)], IMAGE),
        r"node 'output' \(graph\): expected the numbers .* a Transpose or Concat",
    ),
    "flatten-axis": (one("Flatten", axis=2), "axis 2 of the shape"),
    "transpose": (
        one("Transpose", perm=[0, 2, 1, 3]),
        r"expected the numbers of \('batch', 9, 4, 8\) in .* \('batch', 4, 9, 8\), as",
    ),
    "log-softmax": (
        one("LogSoftmax", ROW),
        r"LogSoftmax \(node 'y'\)\. Export the network without its last LogSoftmax",
    ),
    "reshape-of-the-batch": (
        one("Reshape", constants={"s": np.array([-1, 4])}),
        r"cannot make the shape \[-1, 4\] of \('batch', 4, 9, 8\)",
    ),
    "reshape-to-two-rests": (
        one("Reshape", constants={"s": np.array([-1, -1])}),
        r"cannot make the shape \[-1, -1\]",
    ),
    "squeeze": (one("Squeeze", constants={"a": np.array([1])}), "cannot squeeze"),
    "transposed-rows": (
        one("Gemm", ROW, {"w": numbers(12, 5)}, transA=1),
        r"node 'y' \(Gemm\): transA",
    ),
    "constant-of-every-sample": (
        one("Add", [3, 12], {"c": numbers(3, 12)}),
        r"a constant of shape \(3, 12\) cannot be joined with .*\('batch', 12\)",
    ),
    "larger-constant": (
        one("Mul", ["n", 1, 9, 8], {"c": numbers(4, 1, 1)}),
        r"a constant of shape \(4, 1, 1\) cannot be joined",
    ),
    "ranks": (
        model(
            [
                node("GlobalAveragePool", "x", "p"),
                node("Flatten", "p", "f"),
                node("Mul", "x f", "y"),
            ],
            ["n", 4, 4, 4],
        ),
        r"node 'y' \(Mul\): expected values of one rank",
    ),
    "division-by-0": (one("Div", constants={"c": np.float32(0)}), "divides by 0"),
    "training-mode": (
        one("BatchNormalization", constants=CHANNELS, training_mode=1),
        r"node 'y' \(BatchNormalization\): training_mode: expected",
    ),
    "batch-normalization-of-positions": (
        one("BatchNormalization", constants=CHANNELS, opset=7, spatial=0),
        "spatial: only 1",
    ),
    "setting": (
        one("Dropout", opset=1, consumed_inputs=[0], is_test=1, ratio=2.0),
        r"node 'y' \(Dropout\) as dropout: expected a number in \[0.0, 1.0\)",
    ),
    "computed-with-the-batch": (
        model(
            [
                node("Shape", "x", "s"),
                node("Mul", "s two", "d"),
                node("Reshape", "x d", "y"),
            ],
            ROW,
            {"two": np.array([2, 1])},
        ),
        r"node 'd' \(Mul\): computes with the size of the batch",
    ),
    "no-input": (
        model([node("Relu", "c", "y")], ROW, {"c": numbers(3, 12)}),
        "one input beside its constants, received 0",
    ),
    "shape-of-floats": (
        one("Reshape", constants={"s": np.float32([0, -1])}),
        r"node 'y' \(Reshape\): input 1: expected a row of integers, received float32",
    ),
    "two-bounds": (
        one("Clip", constants={"low": np.float32([0, 1])}),
        r"node 'y' \(Clip\): input 1: expected one number, received the shape \(2,\)",
    ),
    "integers": (one("Cast", ROW, to=7), "to: no layer rounds"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_can_do_is_refused(name, opened, tmp_path):
    proto, message = REFUSED[name]
    with pytest.raises(SpecError, match=message) as error:
        loaded(proto, tmp_path, opened("threads"))
    assert str(error.value).startswith(f"{tmp_path / 'model.onnx'}: ")


def test_attributes_that_nobody_knows_are_refused(opened, tmp_path, monkeypatch):
    """ONNX's checker stops them first; a later version of ONNX may know some more."""
    from engine.exchange.onnx import reader

    monkeypatch.setattr(reader, "check", lambda graph: None)
    with pytest.raises(SpecError, match=r"'y' \(Relu\): the attributes slope are not"):
        loaded(one("Relu", ROW, slope=0.5), tmp_path, opened("threads"))


def test_second_outputs_are_refused(opened, tmp_path):
    dropout = onnx.helper.make_node("Dropout", ["x"], ["d", "mask"], name="drop")
    network = loaded(
        model([dropout, node("Relu", "d", "y")], ROW), tmp_path, opened("threads")
    )
    assert kinds(network) == ["dropout", "activation"]
    both = model(
        [dropout, node("Cast", "mask", "m", to=1), node("Mul", "d m", "y")], ROW
    )
    with pytest.raises(SpecError, match=r"'drop' .*only its first output.*\['mask'\]"):
        loaded(both, tmp_path, opened("threads"))
    two = one("Relu", ROW)
    two.graph.output.append(onnx.helper.make_tensor_value_info("x", 1, ROW))
    with pytest.raises(SpecError, match="one output, received 2: y, x"):
        loaded(two, tmp_path, opened("threads"))


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 100, b"\x08\x01"])
def test_foreign_files(content, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.onnx: expected an ONNX file"):
        exchange.onnx.load(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        exchange.onnx.load(tmp_path / "nothing.onnx")


@pytest.fixture
def exported(opened, tmp_path) -> bytes:
    """Return the bytes of a small network's file."""
    case = next(case for case in CASES if case.name == "whole-keras")
    exchange.onnx.export(case.network(opened("threads")), tmp_path / "whole.onnx")
    return (tmp_path / "whole.onnx").read_bytes()


def test_truncated_files(exported, opened, tmp_path):
    path = tmp_path / "model.onnx"
    for size in range(0, len(exported), 7):
        path.write_bytes(exported[:size])
        with pytest.raises((CheckpointError, SpecError), match=r"model\.onnx: "):
            exchange.onnx.load(path, device=opened("threads"))


def test_damaged_files_raise_nothing_but_our_errors(exported, opened, tmp_path):
    path, random = tmp_path / "model.onnx", np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        damaged = bytearray(exported)
        for _ in range(random.integers(1, 4)):
            damaged[random.integers(len(damaged))] = random.integers(256)
        path.write_bytes(damaged)
        try:
            exchange.onnx.load(path, device=opened("threads"))
        except engine.EngineError:
            refused += 1
    assert 100 < refused < 500  # in between: weights that are only other numbers


def test_a_file_may_not_ask_for_terabytes(opened, tmp_path, monkeypatch):
    huge = model(
        [node("ConstantOfShape", "s", "c"), node("Add", "x c", "y")],
        ROW,
        {"s": np.array([10**6, 10**6])},
    )
    with pytest.raises(SpecError, match="would give 1,000,000,000,000 numbers"):
        loaded(huge, tmp_path, opened("threads"))
    monkeypatch.setattr("engine.exchange.onnx.constants.MOST_NUMBERS", 10**6)
    names = [f"c{i}" for i in range(40)]
    doubled = [
        node("Concat", f"{old} {old}", new, axis=0)
        for old, new in itertools.pairwise(names)
    ]
    bomb = model([*doubled, node("Add", "x c39", "y")], ROW, {"c0": numbers(10)})
    with pytest.raises(SpecError, match="together"):
        loaded(bomb, tmp_path, opened("threads"))


def test_infinite_weights_are_refused(opened, tmp_path):
    weights = numbers(12, 5)
    weights[3, 4] = np.inf
    with pytest.raises(InputError, match=r"model\.onnx: y\.weight: NaN or infinity"):
        loaded(one("MatMul", ROW, {"w": weights}), tmp_path, opened("threads"))


def test_files_beyond_2_gib(opened, tmp_path, monkeypatch):
    from engine.exchange.onnx import graph, writer

    monkeypatch.setattr(graph, "_MOST_BYTES", 10)
    with pytest.raises(CheckpointError, match="holds at most 2 GiB, this one has"):
        loaded(one("Relu", ROW), tmp_path)
    monkeypatch.setattr(writer, "_MOST_BYTES", 10)
    case = next(case for case in CASES if case.name == "dense-vector")
    with pytest.raises(InputError, match=r"2 GiB.* take 5\d\d bytes; save it as"):
        exchange.onnx.export(case.network(opened("threads")), tmp_path / "other.onnx")
    assert not (tmp_path / "other.onnx").exists()


def test_without_the_package(tmp_path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "onnx":
            raise ImportError("no onnx here")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for call in (
        lambda: exchange.onnx.load(tmp_path / "a.onnx"),
        lambda: exchange.onnx.export(None, tmp_path / "a.onnx"),
    ):
        with pytest.raises(PackageError, match=r"no onnx here.*pip install onnx"):
            call()
