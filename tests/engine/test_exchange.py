"""Networks in files: round trips, equal bytes, and files that are refused."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import engine
from tests.engine.cases import relative
from tests.engine.test_training import SPEC, images, steps, trainer_of

ENDINGS = (".npz", ".safetensors")


@pytest.fixture(params=ENDINGS)
def ending(request) -> str:
    return request.param


@pytest.fixture
def trained(any_device) -> engine.Network:
    trainer = trainer_of(SPEC, any_device, seed=3)
    steps(trainer, 3)
    return trainer.network


def test_round_trip_on_one_device(trained, ending, tmp_path):
    path = tmp_path / "deep" / f"net{ending}"
    trained.save(path)
    loaded = engine.load(path, device=trained.backend)
    assert loaded.spec == trained.spec
    x, t = images()
    assert loaded.predict(x).tobytes() == trained.predict(x).tobytes()
    assert loaded.loss(x, t) == trained.loss(x, t)
    for name, value in loaded.parameters().items():
        assert value.tobytes() == trained.parameters()[name].tobytes()


def test_saved_on_one_device_loaded_on_another(trained, ending, reference, tmp_path):
    trained.save(tmp_path / f"net{ending}")
    loaded = engine.load(tmp_path / f"net{ending}", device=reference)
    x, _ = images()
    assert relative(trained.predict(x), loaded.predict(x)) <= 1e-5


def test_a_loaded_network_learns_on(trained, ending, tmp_path):
    trained.save(tmp_path / f"net{ending}")
    loaded = engine.load(tmp_path / f"net{ending}", device=trained.backend)
    x, t = images(16)
    one = engine.Trainer(loaded, {"sgd": {"learning_rate": 0.1}})
    other = engine.Trainer(trained, {"sgd": {"learning_rate": 0.1}})
    assert one.step(x, t) == other.step(x, t)
    one, other = tmp_path / f"one{ending}", tmp_path / f"other{ending}"
    loaded.save(one)
    trained.save(other)
    assert one.read_bytes() == other.read_bytes()


def test_equal_networks_give_equal_bytes(trained, ending, tmp_path):
    first, second, third = (tmp_path / f"{name}{ending}" for name in "abc")
    trained.save(first)
    again = trainer_of(SPEC, trained.backend, seed=3)
    steps(again, 3)
    again.network.save(second)
    reordered = dict(reversed(SPEC.items()))
    other = engine.Network.from_spec(reordered, device=trained.backend, seed=9)
    other.set_parameters(trained.parameters())
    other.save(third)
    assert second.read_bytes() == first.read_bytes()
    assert third.read_bytes() == first.read_bytes()


def test_any_numpy_reads_the_parameters(trained, tmp_path):
    trained.save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
        assert set(file.files) == {"engine.spec", *trained.parameters()}
        assert file["conv1.weight"].shape == (4, 1, 3, 3)
        assert json.loads(str(file["engine.spec"])) == trained.spec


def test_any_program_reads_the_tensors(trained, tmp_path):
    trained.save(tmp_path / "net.safetensors")
    tensors = load_tensors((tmp_path / "net.safetensors").read_bytes())
    expected = trained.parameters()
    assert set(tensors) == set(expected)
    for name, value in tensors.items():
        assert value.dtype == expected[name].dtype
        assert value.tobytes() == expected[name].tobytes()


@pytest.mark.parametrize(
    ("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)]
)
def test_who_may_read_saved_files_is_what_the_umask_says(
    reference, ending, tmp_path, umask, mode
):
    path = tmp_path / "folder" / f"net{ending}"
    net = engine.Network.from_spec(SPEC, device=reference)
    before = os.umask(umask)
    try:
        net.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o777 & ~umask
        part = path.with_name(f".{path.name}-part")
        part.touch()  # left by a process that was killed, for all to read
        part.chmod(0o666)
        net.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        with open(part, "w") as file:  # another process writes the same at this moment
            fcntl.flock(file, fcntl.LOCK_EX)
            net.save(path)
        assert part.exists()
        assert stat.S_IMODE(path.stat().st_mode) == mode
    finally:
        os.umask(before)


def test_importing_the_engine_does_not_import_safetensors():
    text = "import sys, engine; sys.exit('safetensors' in sys.modules)"
    subprocess.run([sys.executable, "-c", text], check=True)


# --- refused ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["net.h5", "net", "net.npz.gz", "safetensors"])
def test_unknown_ending(name, reference, tmp_path):
    net = engine.Network.from_spec(SPEC, device=reference)
    text = r"expected a name that ends in \.npz or \.safetensors, received the ending"
    with pytest.raises(engine.InputError, match=text):
        net.save(tmp_path / name)
    with pytest.raises(engine.InputError, match=text):
        engine.load(tmp_path / name, device=reference)
    assert list(tmp_path.iterdir()) == []


def test_missing_file(ending, reference, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no-such{ending}"):
        engine.load(tmp_path / f"no-such{ending}", device=reference)


def saved(reference, path, **changes) -> None:
    """Save a network whose entries are changed: None takes one away."""
    net = engine.Network.from_spec(SPEC, device=reference)
    arrays = {"engine.spec": json.dumps(net.spec), **net.parameters()} | changes
    arrays = {k: np.array(v) for k, v in arrays.items() if v is not None}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
        return
    spec = arrays.pop("engine.spec", None)
    text = None if spec is None else {"engine.network": f'{{"spec": {spec}}}'}
    path.write_bytes(save_tensors(arrays, text))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"engine.spec": None},
            "its spec is missing, the file holds batch_norm1.beta, .* conv1.weight, d",
        ),
        ({"engine.spec": "{"}, "not a network of this engine|JSONDecodeError"),
        ({"engine.spec": "[" * 100_000}, "not a network of this engine|Recursion"),
        ({"engine.spec": "[]"}, "model: expected keys input, layers, loss"),
        ({"engine.spec": '{"layer": 1}'}, "unknown key 'layer'"),
        ({"conv1.weight": None}, r"the parameters \['conv1.weight'\] are missing"),
        ({"conv1.weight": np.zeros((4, 1, 3))}, r"conv1.weight: .*\(4, 1, 3, 3\), rec"),
        ({"conv1.bias": np.full(4, np.nan)}, "conv1.bias: NaN or infinity"),
        ({"conv9.bias": np.zeros(4)}, r"unknown parameter 'conv9.bias' \(did you mean"),
    ],
)
def test_a_file_that_does_not_fit(changes, text, ending, reference, tmp_path):
    path = tmp_path / f"net{ending}"
    saved(reference, path, **changes)
    before = path.read_bytes()
    with pytest.raises(engine.CheckpointError, match=text) as caught:
        engine.load(path, device=reference)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({}, "its spec is missing"),
        ({"engine.network": "["}, "expected {spec, crc32} as 'engine.network'"),
        ({"engine.network": "[]"}, "expected {spec, crc32}.*damaged or foreign"),
        ({"engine.network": "{}"}, r"expected {spec, crc32}.*KeyError: 'spec'"),
        ({"engine.network": '{"crc32": 1, "spec": {}}'}, "not agree with their checks"),
    ],
)
def test_metadata_of_another_program(metadata, text, reference, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(save_tensors({"w": np.zeros(3, np.float32)}, metadata))
    with pytest.raises(engine.CheckpointError, match=text):
        engine.load(path, device=reference)


def test_tensors_of_a_type_that_numpy_lacks(reference, tmp_path):
    header = b'{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path = tmp_path / "net.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    # The package onnx, once it is imported, gives NumPy this type.
    text = r"expected a \.safetensors file|its spec is missing"
    with pytest.raises(engine.CheckpointError, match=text):
        engine.load(path, device=reference)


def test_truncated_anywhere(ending, reference, tmp_path):
    path = tmp_path / f"net{ending}"
    saved(reference, path)
    whole = path.read_bytes()
    for length in {*range(600), *range(0, len(whole), 97)}:
        path.write_bytes(whole[:length])
        with pytest.raises(engine.CheckpointError, match="truncated, damaged or fore"):
            engine.load(path, device=reference)
    path.write_bytes(whole + b"x")
    if ending == ".safetensors":
        with pytest.raises(engine.CheckpointError, match="truncated, damaged or fore"):
            engine.load(path, device=reference)


def test_one_flipped_bit_is_noticed_or_harmless(ending, reference, tmp_path):
    """Where no checksum looks (a time stamp, say) the network must be the same."""
    path = tmp_path / f"net{ending}"
    engine.Network.from_spec(SPEC, device=reference).save(path)
    whole = path.read_bytes()
    expected = engine.load(path, device=reference)
    noticed, places = 0, range(0, len(whole), 41 if ending == ".npz" else 3)
    for place in places:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(bytes(flipped))
        try:
            received = engine.load(path, device=reference)
        except engine.CheckpointError:
            noticed += 1
            continue
        assert received.spec == expected.spec
        for name, value in received.parameters().items():
            assert value.tobytes() == expected.parameters()[name].tobytes()
    assert noticed > len(places) / 2


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_failed_save_leaves_the_older_file(
    function, ending, reference, tmp_path, monkeypatch
):
    path = tmp_path / f"net{ending}"
    path.write_bytes(b"older")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, function, full)
    with pytest.raises(OSError, match="No space left"):
        engine.Network.from_spec(SPEC, device=reference).save(path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]
