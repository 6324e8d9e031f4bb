"""Damaged networks and checkpoints: .npz and .safetensors."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest

import engine
from engine.exchange import npz, safetensors
from engine.training import checkpoint
from tests.reliability.fuzz.harness import Case, fuzz
from tests.reliability.fuzz.mutate import (
    INTEGERS,
    TEXTS,
    damaged,
    damaged_tree,
    rezipped,
)

pytestmark = pytest.mark.reliability

SPEC = {
    "input": [1, 6, 5],
    "layers": [
        {"conv": {"filters": 2, "kernel": 3, "bias": "learned"}},
        {"batch_norm": {}},
        {"activation": "relu"},
        {"dense": {"units": 3}},
    ],
    "loss": "softmax_cross_entropy",
}
IDENTITY = "an identity"


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> dict[str, bytes]:
    """The bytes of one network in each format, and of a checkpoint."""
    folder = tmp_path_factory.mktemp("saved")
    network = engine.Network.from_spec(SPEC, device="reference", seed=0)
    found = {}
    for ending in ("npz", "safetensors"):
        network.save(folder / f"net.{ending}")
        found[ending] = (folder / f"net.{ending}").read_bytes()
    progress = checkpoint.Progress(
        IDENTITY, 1, 0, 0.0, 1.0, 5, [{"pass": 1, "training_loss": 0.5}], 0.5, 1, 0
    )
    arrays = {"flat": np.arange(6, dtype=np.float32), "best": np.ones(3)}
    checkpoint.write(folder / "fit.npz", progress, arrays)
    return found | {"checkpoint": (folder / "fit.npz").read_bytes()}


def array_damage(rng, content: bytes) -> bytes:
    """Damage one member of an .npz: its bytes, or its header alone."""
    if rng.random() < 0.5:
        return damaged(rng, content)
    header = {
        "descr": rng.choice(["<f4", "|O", "<U9", "<M8[s]", "V0", "<c16", ">i8", "?"]),
        "fortran_order": rng.choice([True, False, 1]),
        "shape": tuple(rng.choice(INTEGERS) for _ in range(rng.randrange(4))),
    }
    text = repr(header)
    if rng.random() < 0.3:
        text = damaged(rng, text.encode()).decode("latin-1")
    head = text.encode("latin-1") + b"\n"
    magic = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head) % 65536)
    return magic + head + content[128:]


def damaged_npz(rng, data: bytes) -> bytes:
    return (
        damaged(rng, data) if rng.random() < 0.4 else rezipped(rng, data, array_damage)
    )


def with_text(rng, data: bytes, key: str) -> bytes:
    """Return an .npz whose JSON text `key` is damaged as a value."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = dict(file)
    tree = damaged_tree(rng, json.loads(str(arrays[key])))
    text = json.dumps(tree).replace("\x00", "")
    packed = io.BytesIO()
    np.savez(packed, **{**arrays, key: np.array(text)})
    return packed.getvalue()


def test_npz(saved, tmp_path):
    def attempt(case: Case):
        npz.read(case.write("net.npz", damaged_npz(case.rng, saved["npz"])))

    fuzz("npz", tmp_path, attempt)


def test_networks(saved, tmp_path):
    def attempt(case: Case):
        data = saved["npz"]
        if case.rng.random() < 0.5:
            data = with_text(case.rng, data, "engine.spec")
        else:
            data = damaged_npz(case.rng, data)
        path = case.write("net.npz", data)
        network = engine.load(path, device="reference")
        assert all(np.isfinite(p).all() for p in network.parameters().values())

    fuzz("networks", tmp_path, attempt)


def test_checkpoints(saved, tmp_path):
    def attempt(case: Case):
        data = saved["checkpoint"]
        if case.rng.random() < 0.6:
            data = with_text(case.rng, data, "engine.checkpoint")
        else:
            data = damaged_npz(case.rng, data)
        checkpoint.read(case.write("fit.npz", data), IDENTITY, 3)

    fuzz("checkpoints", tmp_path, attempt)


def safetensors_damage(rng, data: bytes) -> bytes:
    """Damage the bytes, or the header's JSON with its length right again."""
    if rng.random() < 0.4:
        return damaged(rng, data)
    (size,) = struct.unpack("<Q", data[:8])
    header, rest = json.loads(data[8 : 8 + size]), data[8 + size :]
    if rng.random() < 0.5:
        meta = header["__metadata__"]
        network = damaged_tree(rng, json.loads(meta["engine.network"]))
        if rng.random() < 0.5 and isinstance(network, dict):
            network["crc32"] = None
        meta["engine.network"] = rng.choice([json.dumps(network), rng.choice(TEXTS)])
    else:
        header = damaged_tree(rng, header)
    text = json.dumps(header).encode()
    length = rng.choice([len(text)] * 8 + [2**60, 2**64 - 1])
    return struct.pack("<Q", length) + text + rest


def test_safetensors(saved, tmp_path):
    def attempt(case: Case):
        data = safetensors_damage(case.rng, saved["safetensors"])
        path = case.write("net.safetensors", data)
        if case.rng.random() < 0.5:
            safetensors.load(path)
        else:
            engine.load(path, device="reference")

    fuzz("safetensors", tmp_path, attempt)
