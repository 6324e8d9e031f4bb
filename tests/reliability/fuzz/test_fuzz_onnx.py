"""Damaged networks of other programs: ONNX files, Keras's weights in HDF5."""

from __future__ import annotations

import io
import time
import zipfile

import numpy as np
import pytest

import engine
from engine.exchange import hdf5 as apart
from engine.exchange import keras, keras_files
from tests.reliability.fuzz.harness import Case, fuzz
from tests.reliability.fuzz.mutate import INTEGERS, TEXTS, damaged

pytestmark = pytest.mark.reliability

SPEC = {
    "input": [2, 8, 7],
    "layers": [
        {"conv": {"filters": 4, "kernel": 3, "padding": "same", "bias": "learned"}},
        {"batch_norm": {}},
        {"activation": {"leaky_relu": 0.1}},
        {"max_pool": {"size": 2}},
        {"conv": {"filters": 4, "kernel": 1, "groups": 2}},
        {"add": {}, "inputs": [-1, -2]},
        {"average_pool": {"size": 2, "padding": 1}},
        "flatten",
        {"dropout": 0.5},
        {"dense": {"units": 3, "bias": "learned"}},
    ],
    "loss": "softmax_cross_entropy",
}


def number(rng) -> int:
    """Return some number that an int64 can hold."""
    return (rng.choice(INTEGERS) + 2**63) % 2**64 - 2**63


def damage_model(rng, model) -> None:
    """Change one thing in a model that is a valid protobuf."""
    graph = model.graph
    node = rng.choice(graph.node) if graph.node else None
    tensor = rng.choice(graph.initializer) if graph.initializer else None
    text = rng.choice(TEXTS).encode("utf-8", "replace").decode()
    kind = rng.randrange(14)
    if kind == 0 and node:
        node.op_type = rng.choice(
            [*(n.op_type for n in graph.node), "Loop", "If", text]
        )
    elif kind == 1 and node and node.attribute:
        attribute = rng.choice(node.attribute)
        if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = number(rng)
        attribute.i, attribute.f = number(rng), rng.choice([0.0, -1.0, float("nan")])
    elif kind == 2 and node and node.attribute:
        attribute = rng.choice(node.attribute)
        attribute.type = rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 8])
    elif kind == 3 and node and node.attribute:
        rng.choice(node.attribute).name = text
    elif kind == 4 and node and node.input:
        names = [n for other in graph.node for n in (*other.input, *other.output)]
        node.input[rng.randrange(len(node.input))] = rng.choice([*names, text])
    elif kind == 5 and node:
        node.input.extend([rng.choice([text, "x"])] * rng.choice([1, 100]))
    elif kind == 6 and node:
        graph.node.remove(node)
    elif kind == 7 and node:
        graph.node.append(node)
    elif kind == 8 and tensor and tensor.dims:
        tensor.dims[rng.randrange(len(tensor.dims))] = number(rng)
    elif kind == 9 and tensor:
        tensor.data_type = rng.choice([0, 1, 2, 6, 7, 8, 10, 11, 14, 16, 17, 20, 22])
    elif kind == 10 and tensor:
        tensor.raw_data = damaged(rng, tensor.raw_data)
    elif kind == 11:
        dims = graph.input[0].type.tensor_type.shape.dim
        rng.choice(dims).dim_value = number(rng)
    elif kind == 12:
        model.opset_import[0].version = rng.choice([0, 1, 6, 13, 30, 2**31])
        model.ir_version = rng.choice([0, 3, 8, 13, 2**40])
    else:
        del graph.output[:]
        graph.output.extend([graph.input[0]] * rng.choice([0, 1, 2]))


def test_onnx(tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (make compare)")
    network = engine.Network.from_spec(SPEC, device="reference", seed=0)
    engine.exchange.onnx.export(network, tmp_path / "whole.onnx")
    good = (tmp_path / "whole.onnx").read_bytes()

    def attempt(case: Case):
        data = good
        if case.rng.random() < 0.7:
            model = onnx.load_model_from_string(good)
            for _ in range(case.rng.choice([1, 1, 2, 4])):
                damage_model(case.rng, model)
            data = model.SerializeToString()
        if case.rng.random() < 0.4:
            data = damaged(case.rng, data)
        path = case.write("net.onnx", data)
        read = engine.exchange.onnx.load(path, device="reference")
        assert all(np.isfinite(p).all() for p in read.parameters().values())

    fuzz("onnx", tmp_path, attempt)


KERAS = {
    "input": [1, 5, 4],
    "layers": [
        {"conv": {"filters": 2, "kernel": 3, "bias": "learned"}},
        {"dense": {"units": 3, "bias": "learned"}},
    ],
    "loss": "squared_error",
}


def hdf5(h5py, rng, legacy: bool) -> bytes:
    """Return a file of weights as Keras lays it out, now and then with a change."""
    arrays = [np.zeros((3, 3, 1, 2)), np.zeros(2), np.zeros((12, 3)), np.zeros(3)]
    if rng.random() < 0.3:
        shape = rng.choice([(), (0,), (3, 3, 1, 2, 1), (2**20, 2**20), (1, 1, 1, 1)])
        arrays[rng.randrange(4)] = shape
    packed = io.BytesIO()
    with h5py.File(packed, "w") as root:

        def put(group, name, value):
            if isinstance(value, tuple):  # a shape without numbers takes no room
                group.create_dataset(name, value, rng.choice(["f4", "i8", "f8"]))
            else:
                group[name] = value.astype(np.float32)

        if legacy:
            names = [b"conv", b"dense"]
            if rng.random() < 0.2:
                names.append(rng.choice([b"nowhere", b"/", b"..", b"conv", b"\xff"]))
            root.attrs["layer_names"] = np.array(names)
            for name, pair in (("conv", arrays[:2]), ("dense", arrays[2:])):
                group = root.create_group(name)
                weights = np.array([f"{name}/kernel:0", f"{name}/bias:0"], "S")
                group.attrs["weight_names"] = (
                    weights if rng.random() < 0.9 else rng.choice([3, b"", [1, 2]])
                )
                put(group, f"{name}/kernel:0", pair[0])
                put(group, f"{name}/bias:0", pair[1])
        else:
            for name, pair in (("conv2d", arrays[:2]), ("dense", arrays[2:])):
                group = root.create_group(f"layers/{name}/vars")
                put(group, "0", pair[0])
                put(group, "1", pair[1])
            if rng.random() < 0.2:
                root["layers/dense/loop"] = rng.choice(
                    [h5py.SoftLink("/layers"), h5py.ExternalLink("/etc/passwd", "/")]
                )
    return packed.getvalue()


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed (make compare)")

    def attempt(case: Case):
        data = hdf5(h5py, case.rng, legacy=case.rng.random() < 0.5)
        if case.rng.random() < 0.5:
            data = damaged(case.rng, data)
        if case.rng.random() < 0.3:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("model.weights.h5", data)
            data = packed.getvalue()
            if case.rng.random() < 0.5:
                data = damaged(case.rng, data)
            path = case.write("net.keras", data)
        else:
            path = case.write("net.h5", data)
        # In this process: a new one for each file would take most of the time.
        keras_files.read_here(path)

    fuzz("hdf5", tmp_path, attempt)


def test_hdf5_through_a_process_of_its_own(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed (make compare)")
    network = engine.Network.from_spec(KERAS, device="reference", seed=0)

    def attempt(case: Case):
        data = hdf5(h5py, case.rng, legacy=case.rng.random() < 0.5)
        if case.rng.random() < 0.5:
            data = damaged(case.rng, data)
        keras.load_weights(network, case.write("net.h5", data))

    fuzz("hdf5_apart", tmp_path, attempt)


@pytest.mark.parametrize("fault", ["while True: pass", "import os; os.abort()"])
def test_hdf5_that_does_not_end_or_crashes(fault, tmp_path, monkeypatch):
    """Some damaged files keep the library busy for ever; here a module does so."""
    pytest.importorskip("h5py", reason="h5py is not installed (make compare)")
    (tmp_path / "h5py.py").write_text(fault)
    (tmp_path / "net.h5").write_bytes(b"x")
    monkeypatch.syspath_prepend(tmp_path)
    begin = time.monotonic()
    with pytest.raises(engine.CheckpointError, match=r"net\.h5: .*file is damaged"):
        apart.read(tmp_path / "net.h5", seconds=2)
    assert time.monotonic() - begin < 30
