"""ONNX files whose weights lie in files beside them, and what is not read of these."""

from __future__ import annotations

import os

import numpy as np
import pytest

from engine import CheckpointError, exchange
from tests.engine.onnx_models import ROW, model, node, numbers, one, onnx, run, saved

pytestmark = pytest.mark.compare

W, V, B = numbers(12, 5), numbers(5, 3, seed=2), numbers(3, seed=3)


def network(**constants):
    """Return a model of two dense layers."""
    nodes = [node("MatMul", "x w", "h"), node("Gemm", "h v b", "y")]
    return model(nodes, ROW, {"w": W, "v": V, "b": B} | constants)


def outside(tensor, **entries: object) -> None:
    """Make a tensor say that its numbers are in another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    del tensor.external_data[:]
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))


def split(proto, folder, files: dict[str, list[str]], gap: int = 0) -> None:
    """Move constants into files {file: names}, one after another, with gaps."""
    held = {tensor.name: tensor for tensor in proto.graph.initializer}
    for file, names in files.items():
        content = b""
        for name in names:
            raw = held[name].raw_data
            content += b"\xff" * gap
            outside(held[name], location=file, offset=len(content), length=len(raw))
            content += raw
        (folder / file).write_bytes(content)


LAYOUTS = {
    "one file": {"model.onnx.data": ["w", "v", "b"]},
    "a file for each": {"w": ["w"], "v.bin": ["v"], "b weights": ["b"]},
    "a part": {"model.onnx.data": ["v"]},
}


@pytest.mark.parametrize("gap", [0, 64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_numbers_are_read(layout, gap, opened, tmp_path):
    proto = network()
    x = numbers(7, 12)
    expected = run(saved(proto, tmp_path), x)
    split(proto, tmp_path, LAYOUTS[layout], gap)
    path = saved(proto, tmp_path)
    found = exchange.onnx.load(path, device=opened("threads")).predict(x)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run(path, x), expected, rtol=1e-4, atol=1e-5)


def test_offset_and_length_may_be_left_out_and_places_shared(opened, tmp_path):
    square = numbers(5, 5)
    nodes = [node("MatMul", "x w", "h"), node("MatMul", "h v", "y")]
    proto = model(nodes, ["n", 5], {"w": square, "v": square})
    for tensor in proto.graph.initializer:
        outside(tensor, location="data", checksum="0")
    (tmp_path / "data").write_bytes(square.tobytes())
    found = exchange.onnx.load(saved(proto, tmp_path), device=opened("threads"))
    assert (found.parameters()["h.weight"] == square.T).all()
    assert (found.parameters()["y.weight"] == square.T).all()


def test_numbers_of_nodes_and_of_half_precision(opened, tmp_path):
    half = W.astype(np.float16)
    tensor = onnx.numpy_helper.from_array(half, "w")
    (tmp_path / "data").write_bytes(half.tobytes())
    outside(tensor, location="data")
    nodes = [
        node("Constant", "", "w", value=tensor),
        node("Cast", "w", "f", to=1),
        node("MatMul", "x f", "y"),
    ]
    path = saved(model(nodes, ROW), tmp_path)
    found = exchange.onnx.load(path, device=opened("threads")).parameters()
    assert (found["y.weight"] == half.T).all()


def test_a_link_within_the_folder(opened, tmp_path):
    proto = network()
    split(proto, tmp_path, {"real": ["w"]})
    (tmp_path / "data").symlink_to("real")
    outside(proto.graph.initializer[0], location="data")
    exchange.onnx.load(saved(proto, tmp_path), device=opened("threads"))


def test_what_is_not_needed_is_not_looked_for(opened, tmp_path):
    proto = network(unused=numbers(4))
    outside(proto.graph.initializer[3], location="/nowhere", length=16)
    exchange.onnx.load(saved(proto, tmp_path), device=opened("threads"))


PLAIN = "is not read: expected a plain name of a file in the model's folder"
SIZE = W.nbytes
REFUSED = {
    "another folder": ({"location": "../data"}, PLAIN),
    "a folder below": ({"location": "inner/data"}, PLAIN),
    "an absolute path": ({"location": "/etc/hostname"}, PLAIN),
    "another system's": ({"location": r"..\data"}, PLAIN),
    "a drive": ({"location": "C:data"}, PLAIN),
    "the folder": ({"location": ".."}, PLAIN),
    "this folder": ({"location": "."}, PLAIN),
    "no place": ({}, PLAIN),
    "nothing in the name": ({"location": "da\0ta"}, PLAIN),
    "missing": ({"location": "weights"}, "is missing: there is no such file in .*Copy"),
    "too long a name": ({"location": "x" * 300}, "cannot be read"),
    "a folder": ({"location": "inner"}, "is not read: expected a file, received a fol"),
    "a pipe": ({"location": "pipe"}, "is not read: expected a file"),
    "a link out": ({"location": "out"}, "a link that leads out of the model's folder"),
    "a link to itself": ({"location": "circle"}, "is missing|cannot be read"),
    "too short": ({"location": "short"}, "needs the bytes 0 to 240, the file holds 23"),
    "beyond the end": (
        {"location": "data", "offset": 8},
        "needs the bytes 8 to 248, the file holds 240: it is truncated, or of another",
    ),
    "far beyond": ({"location": "data", "offset": 10**17}, "the file holds 240"),
    "an offset below 0": ({"location": "data", "offset": -8}, "offset: expected a num"),
    "an offset of letters": ({"location": "data", "offset": "1e3"}, "offset: expected"),
    "another length": (
        {"location": "data", "length": 239},
        r"length: expected 240 bytes for the shape \[12, 5\], received 239",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_else_is_read(name, tmp_path):
    entries, text = REFUSED[name]
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    for place in (tmp_path / "data", folder / "data", folder / "inner" / "data"):
        place.write_bytes(W.tobytes())
    (folder / "short").write_bytes(W.tobytes()[:-1])
    (folder / "out").symlink_to("../data")
    (folder / "circle").symlink_to("circle")
    os.mkfifo(folder / "pipe")
    proto = network()
    outside(proto.graph.initializer[0], **entries)
    with pytest.raises(CheckpointError, match=text) as error:
        exchange.onnx.load(saved(proto, folder), device="reference")
    assert str(error.value).startswith(f"{folder / 'model.onnx'}: the constant 'w'")


def test_a_few_bytes_may_not_ask_for_terabytes(tmp_path, monkeypatch):
    proto = network()
    proto.graph.initializer[0].dims[:] = [10**6, 10**6]
    outside(proto.graph.initializer[0], location="data")
    (tmp_path / "data").write_bytes(bytes(240))
    with pytest.raises(CheckpointError, match="may be 1,073,741,824 numbers together"):
        exchange.onnx.load(saved(proto, tmp_path), device="reference")
    monkeypatch.setattr("engine.exchange.onnx.beside.MOST_NUMBERS", 70)
    proto = network()
    split(proto, tmp_path, {"data": ["w", "v"]})
    with pytest.raises(CheckpointError, match=r"'v'.*may be 70 numbers together"):
        exchange.onnx.load(saved(proto, tmp_path), device="reference")


def test_what_is_no_number(tmp_path):
    proto = one("Add", ROW, {"c": numbers(12)})
    proto.graph.initializer[0].data_type = onnx.TensorProto.STRING
    outside(proto.graph.initializer[0], location="data")
    with pytest.raises(CheckpointError, match="'c': expected numbers, received STRING"):
        exchange.onnx.load(saved(proto, tmp_path), device="reference")
