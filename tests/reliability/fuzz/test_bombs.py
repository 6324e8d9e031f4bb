"""Small files that ask for much: refused by size, in little memory and time."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import struct
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

import engine
from engine import __main__ as command
from engine import plain_data
from engine.errors import EngineError
from engine.exchange import keras, npz
from scripts.lib.data import cifar_files
from scripts.lib.data.picture_files import read_image
from scripts.lib.download import archives
from scripts.lib.io import files
from scripts.lib.io.schema import read_yaml
from tests.reliability.fuzz.harness import bounded

pytestmark = pytest.mark.reliability

ROOM = 300_000_000  # bytes, less than any of these asks for
SECONDS = 10.0  # of computing
BLOCK = bytes(1 << 20)


@contextlib.contextmanager
def refused(match: str):
    """Expect one of this project's errors, in little room and time."""
    begin = time.process_time()
    with pytest.raises((ValueError, EngineError), match=match) as raised, bounded(ROOM):
        yield
    assert type(raised.value).__module__ == "builtins" or isinstance(
        raised.value, ValueError | EngineError
    )
    assert time.process_time() - begin < SECONDS


def zip_of(name: str, blocks: int, front: bytes = b"") -> bytes:
    """Return a zip archive whose one member is so many MiB of zeros."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        member.write(front)
        for _ in range(blocks):
            member.write(BLOCK)
    return packed.getvalue()


def header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def test_npz_that_claims_a_huge_array(tmp_path):
    path = tmp_path / "net.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header("(1000000000000,)") + bytes(100))
    with refused("net.npz.*4,000,000,000,000 bytes by its header, 100 in the file"):
        npz.read(path)


def test_npz_that_unpacks_to_a_thousand_times_its_size(tmp_path):
    path = tmp_path / "net.npz"
    data = zip_of("a.npy", 400, header("(104857600,)"))
    path.write_bytes(data)
    assert len(data) < 500_000
    with refused("net.npz: expected arrays of at most 67,108,864 bytes"):
        npz.read(path)
    with refused("net.npz: expected arrays of at most"):
        engine.load(path)


def test_npz_that_lies_about_the_size_of_a_member(tmp_path):
    path = tmp_path / "net.npz"
    data = bytearray(zip_of("a.npy", 400, header("(16,)")))
    size = struct.pack("<Q", 400 * len(BLOCK) + len(header("(16,)")))
    assert size in data or struct.pack("<L", 400 * len(BLOCK) + 74) in data
    small = len(header("(16,)")) + 64
    for wide, pack in ((8, "<Q"), (4, "<L")):
        old = struct.pack(pack, 400 * len(BLOCK) + len(header("(16,)")))
        at = data.find(old)
        while at >= 0:
            data[at : at + wide] = struct.pack(pack, small)
            at = data.find(old)
    path.write_bytes(data)
    with refused("net.npz: expected an .npz file of arrays"):
        npz.read(path)


def test_an_honest_array_of_many_zeros_is_read(tmp_path):
    path = tmp_path / "net.npz"
    np.savez_compressed(path, a=np.zeros(10_000_000, np.uint8))
    assert npz.read(path)["a"].size == 10_000_000


def test_network_whose_spec_is_nested_deep(tmp_path):
    path = tmp_path / "net.npz"
    npz.save(path, "[" * 100_000, {"conv1.weight": np.zeros(3)})
    with refused("net.npz: not a network of this engine"):
        engine.load(path)


def test_safetensors_header_of_2_to_the_60(tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    with refused("net.safetensors: expected a .safetensors file"):
        engine.load(path)


def test_safetensors_tensor_of_2_to_the_60(tmp_path):
    path = tmp_path / "net.safetensors"
    tensor = {"dtype": "F32", "shape": [2**58], "data_offsets": [0, 2**60]}
    text = json.dumps({"a": tensor}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(64))
    with refused("net.safetensors: expected a .safetensors file"):
        engine.load(path)


LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
)
YAML = {
    "a billion laughs": (LAUGHS, "more than 200,000 values"),
    "a billion keys": (
        "\n".join(
            ["a0: &a0 {x: 1}"]
            + [
                f"a{i}: &a{i} {{{', '.join(f'k{j}: *a{i - 1}' for j in range(9))}}}"
                for i in range(1, 12)
            ]
        ),
        "more than 200,000 values",
    ),
    "itself": ("a: &a [1, *a]", "the value in line 1 holds itself"),
    "deep": ("[" * 100_000, "too deep"),
    "many digits": ("a: " + "9" * 1_000_000, "digits"),
    "many digits and a letter": ("a: " + "9" * 1_000_000 + "x\nb: [", "expected"),
    "large": ("a: " + "x" * 5_000_000, "a file of 5,000,003 bytes"),
}


@pytest.mark.parametrize("name", YAML)
def test_yaml(name, tmp_path):
    path = tmp_path / "model.yaml"
    text, told = YAML[name]
    path.write_text(text)
    with refused(f"model.yaml: (?s:.*){told}"):
        read_yaml(path, str(path))
    with refused(f"model.yaml: (?s:.*){told}"):
        command.summarise(path)


def test_json_nested_100_000_deep(tmp_path):
    path = tmp_path / "source.json"
    path.write_text('{"a":' * 100_000)
    with refused(r"source\.json: expected JSON"):
        files.read_json(path)


SPECS = {
    "repeat": [{"repeat": {"times": 10**9, "layers": [{"activation": "relu"}]}}],
    "repeats": [
        {"repeat": {"times": 10**6, "layers": [
            {"repeat": {"times": 10**6, "layers": [{"activation": "relu"}]}}]}}
    ],
    "filters": [{"conv": {"filters": 10**12, "kernel": 3}}],
    "padding": [{"conv": {"filters": 1, "kernel": 3, "padding": 10**9}}],
    "pool": [{"average_pool": {"size": 2**40, "stride": 1, "padding": 2**40}}],
    "units": [{"dense": {"units": 10**15}}],
}  # fmt: skip


@pytest.mark.parametrize("name", SPECS)
def test_spec(name):
    spec = {"input": [1, 8, 8], "layers": SPECS[name], "loss": "squared_error"}
    with refused("expected|no memory"):
        network = engine.Network.from_spec(spec, device="reference")
        network.predict(np.zeros((1, 1, 8, 8)))


def png(columns: int, rows: int) -> bytes:
    """Return a PNG of one grey line that says it has so many."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(columns + 1))),
        (b"IEND", b""),
    )
    packed = b"".join(
        struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c))
        for n, c in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + packed


def test_png_of_100_000_by_100_000(tmp_path):
    path = tmp_path / "d.png"
    path.write_bytes(png(100_000, 100_000))
    with refused("100000 × 100000 pixels, expected at most 250,000,000"):
        read_image(path, 9, 9)


def test_jpeg_of_65_535_by_65_535(tmp_path):
    path = tmp_path / "d.jpg"
    frame = b"\xff\xc0\x00\x0b\x08\xff\xff\xff\xff\x01\x01\x11\x00"
    path.write_bytes(b"\xff\xd8" + frame + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
                     + bytes(99) + b"\xff\xd9")  # fmt: skip
    with refused("65535 × 65535 pixels"):
        read_image(path, 9, 9)


def test_image_file_of_a_terabyte(tmp_path):
    path = tmp_path / "d.png"
    with open(path, "wb") as file:
        file.write(png(9, 9))
        file.truncate(1 << 40)  # holes: it takes no room
    with refused("1,099,511,627,776 bytes, expected at most"):
        read_image(path, 9, 9)


def test_cifar_file_that_numbers_its_values_in_billions(tmp_path):
    path = tmp_path / "train"
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\xff.")
    with refused("train: no file of CIFAR-100.*it numbers a value 4,294,967,295"):
        cifar_files.read_pickle(path)


def test_cifar_file_with_an_array_of_a_terabyte(tmp_path):
    path = tmp_path / "train"
    path.write_bytes(b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.")
    with refused("train: truncated or damaged"):
        cifar_files.read_pickle(path)


def unpack(path: Path) -> None:
    archives.unpack(path, {"set/train": "train"}, path.parent, size_limit=50_000_000)


def test_zip_member_of_gigabytes(tmp_path):
    path = tmp_path / "set.zip"
    path.write_bytes(zip_of("set/train", 400))
    with refused("set.zip: .*expected at most 50000000 bytes"):
        unpack(path)
    assert [p.name for p in tmp_path.iterdir()] == ["set.zip"]


@pytest.mark.parametrize("name", ["set/train", "set/other"])
def test_tar_of_gigabytes(name, tmp_path):
    path = tmp_path / "set.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        info = tarfile.TarInfo(name)
        info.size = 400 * len(BLOCK)
        file.write(info.tobuf())
        for _ in range(400):
            file.write(BLOCK)
    with refused("set.tar.gz: .*expected at most 50000000 bytes"):
        unpack(path)
    assert [p.name for p in tmp_path.iterdir()] == ["set.tar.gz"]


def test_tar_with_holes_of_a_terabyte(tmp_path):
    path = tmp_path / "set.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("set/train")
        info.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.name": "set/train",
            "GNU.sparse.size": str(1 << 40),
            "GNU.sparse.numblocks": "1",
            "GNU.sparse.map": f"{(1 << 40) - 1},1",
        }
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    with refused("set.tar.gz: "):
        unpack(path)
    assert [p.name for p in tmp_path.iterdir()] == ["set.tar.gz"]


def onnx_model(onnx, nodes, constants, shape):
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(kind, i, o, **more) for kind, i, o, more in nodes],
        "g",
        [value("x", 1, shape)],
        [value("y", 1, None)],
        constants,
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opset).SerializeToString()


def test_onnx_of_huge_sizes(tmp_path):
    onnx = pytest.importorskip("onnx", reason="onnx is not installed (make compare)")
    tensor = onnx.TensorProto(name="w", dims=[2**31, 2**31], data_type=1)
    big = onnx.numpy_helper.from_array(np.array([2**20, 2**20]), "s")
    wide = onnx.numpy_helper.from_array(np.ones(2, np.float32), "v")
    found = {
        "a constant": ([("MatMul", ["x", "w"], ["y"], {})], [tensor], ["n", 4]),
        "made": (
            [("ConstantOfShape", ["s"], ["w"], {}), ("MatMul", ["x", "w"], ["y"], {})],
            [big],
            ["n", 2**20],
        ),
        "expanded": (
            [("Expand", ["v", "s"], ["w"], {}), ("MatMul", ["x", "w"], ["y"], {})],
            [big, wide],
            ["n", 2**20],
        ),
        "tiled": (
            [("Tile", ["v", "s"], ["w"], {}), ("MatMul", ["x", "w"], ["y"], {})],
            [big, wide],
            ["n", 2**20],
        ),
    }
    for name, (nodes, constants, shape) in found.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(onnx_model(onnx, nodes, constants, shape))
        with refused(f"{name}.onnx: "):
            engine.exchange.onnx.load(path, device="reference")


def test_hdf5_of_huge_sizes(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed (make compare)")
    spec = {"input": [4], "layers": [{"dense": {"units": 3}}], "loss": "squared_error"}
    network = engine.Network.from_spec(spec, device="reference")
    path = tmp_path / "net.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/dense/vars/0", (2**20, 2**20), "f4")
    with refused("net.weights.h5: expected arrays of at most"):
        keras.load_weights(network, path)
    path = tmp_path / "net.keras"
    path.write_bytes(zip_of("model.weights.h5", 400))
    with refused("net.keras: expected arrays of at most"):
        keras.load_weights(network, path)


def test_hdf5_that_shows_another_file(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed (make compare)")
    spec = {"input": [4], "layers": [{"dense": {"units": 3}}], "loss": "squared_error"}
    network = engine.Network.from_spec(spec, device="reference")
    secret = tmp_path / "secret"
    secret.write_bytes(np.ones(12, np.float32).tobytes())
    path = tmp_path / "net.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "layers/dense/vars/0", (4, 3), "f4", external=[(str(secret), 0, 48)]
        )
    with refused("net.weights.h5: layers/dense/vars/0 is kept in another file"):
        keras.load_weights(network, path)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["0"] = np.ones((4, 3), np.float32)
    with h5py.File(path, "w") as file:
        file.create_group("layers/dense/vars")
        file["layers/dense/vars/0"] = h5py.ExternalLink(
            str(tmp_path / "other.h5"), "/0"
        )
    with refused("net.weights.h5: "):
        keras.load_weights(network, path)


def test_plain_data_reads_aliases_that_are_few(tmp_path):
    assert plain_data.parse(b"a: &a [1, 2]\nb: *a\n") == {"a": [1, 2], "b": [1, 2]}
