"""Networks in files: round trips, equal bytes, and files that are refused."""

from __future__ import annotations

import json
import os
import stat

import numpy as np
import pytest

import engine
from tests.engine.cases import relative
from tests.engine.test_training import SPEC, images, steps, trainer_of


@pytest.fixture
def trained(any_device) -> engine.Network:
    trainer = trainer_of(SPEC, any_device, seed=3)
    steps(trainer, 3)
    return trainer.network


def test_round_trip_on_one_device(trained, tmp_path):
    path = tmp_path / "deep" / "net.npz"
    trained.save(path)
    loaded = engine.load(path, device=trained.backend)
    assert loaded.spec == trained.spec
    x, t = images()
    assert loaded.predict(x).tobytes() == trained.predict(x).tobytes()
    assert loaded.loss(x, t) == trained.loss(x, t)
    for name, value in loaded.parameters().items():
        assert value.tobytes() == trained.parameters()[name].tobytes()


def test_saved_on_one_device_loaded_on_another(trained, reference, tmp_path):
    trained.save(tmp_path / "net.npz")
    loaded = engine.load(tmp_path / "net.npz", device=reference)
    x, _ = images()
    assert relative(trained.predict(x), loaded.predict(x)) <= 1e-5


def test_a_loaded_network_learns_on(trained, tmp_path):
    trained.save(tmp_path / "net.npz")
    loaded = engine.load(tmp_path / "net.npz", device=trained.backend)
    x, t = images(16)
    one = engine.Trainer(loaded, {"sgd": {"learning_rate": 0.1}})
    other = engine.Trainer(trained, {"sgd": {"learning_rate": 0.1}})
    assert one.step(x, t) == other.step(x, t)
    loaded.save(tmp_path / "one.npz")
    trained.save(tmp_path / "other.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()


def test_equal_networks_give_equal_bytes(trained, tmp_path):
    trained.save(tmp_path / "a.npz")
    again = trainer_of(SPEC, trained.backend, seed=3)
    steps(again, 3)
    again.network.save(tmp_path / "b.npz")
    reordered = dict(reversed(SPEC.items()))
    third = engine.Network.from_spec(reordered, device=trained.backend, seed=9)
    third.set_parameters(trained.parameters())
    third.save(tmp_path / "c.npz")
    first = (tmp_path / "a.npz").read_bytes()
    assert (tmp_path / "b.npz").read_bytes() == first
    assert (tmp_path / "c.npz").read_bytes() == first


def test_any_numpy_reads_the_parameters(trained, tmp_path):
    trained.save(tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz", allow_pickle=False) as file:
        assert set(file.files) == {"engine.spec", *trained.parameters()}
        assert file["conv1.weight"].shape == (4, 1, 3, 3)
        assert json.loads(str(file["engine.spec"])) == trained.spec


def test_saved_files_are_readable_by_all(trained, tmp_path):
    trained.save(tmp_path / "net.npz")
    assert stat.S_IMODE((tmp_path / "net.npz").stat().st_mode) == 0o644


# --- refused ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["net.h5", "net", "net.npz.gz", "net.pkl"])
def test_unknown_ending(name, reference, tmp_path):
    net = engine.Network.from_spec(SPEC, device=reference)
    text = r"expected a name that ends in \.npz.*received the ending"
    with pytest.raises(engine.InputError, match=text):
        net.save(tmp_path / name)
    with pytest.raises(engine.InputError, match=text):
        engine.load(tmp_path / name, device=reference)
    assert list(tmp_path.iterdir()) == []


def test_missing_file(reference, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no-such\.npz"):
        engine.load(tmp_path / "no-such.npz", device=reference)


def saved(reference, path, **changes) -> None:
    """Save a network whose entries are changed: None takes one away."""
    net = engine.Network.from_spec(SPEC, device=reference)
    spec = np.array(json.dumps(net.spec))
    arrays = {"engine.spec": spec, **net.parameters()} | changes
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"engine.spec": None},
            "the entry 'engine.spec' is missing, it holds conv1.bia",
        ),
        ({"engine.spec": np.array("{")}, "not a network of this engine"),
        ({"engine.spec": np.array("[]")}, "model: expected keys input, layers, loss"),
        ({"engine.spec": np.array('{"layer": 1}')}, "unknown key 'layer'"),
        ({"conv1.weight": None}, r"the parameters \['conv1.weight'\] are missing"),
        ({"conv1.weight": np.zeros((4, 1, 3))}, r"conv1.weight: .*\(4, 1, 3, 3\), rec"),
        ({"conv1.bias": np.full(4, np.nan)}, "conv1.bias: NaN or infinity"),
        ({"conv9.bias": np.zeros(4)}, r"unknown parameter 'conv9.bias' \(did you mean"),
    ],
)
def test_a_file_that_does_not_fit(changes, text, reference, tmp_path):
    path = tmp_path / "net.npz"
    saved(reference, path, **changes)
    before = path.read_bytes()
    with pytest.raises(engine.CheckpointError, match=text) as caught:
        engine.load(path, device=reference)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == before


def test_truncated_anywhere(reference, tmp_path):
    path = tmp_path / "net.npz"
    saved(reference, path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(engine.CheckpointError, match="truncated, damaged or fore"):
            engine.load(path, device=reference)


def test_one_flipped_bit_is_noticed_or_harmless(reference, tmp_path):
    """Where no checksum looks (a time stamp, say) the network must be the same."""
    path = tmp_path / "net.npz"
    saved(reference, path)
    whole = path.read_bytes()
    expected = engine.load(path, device=reference).parameters()
    noticed = 0
    for place in range(0, len(whole), 41):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(bytes(flipped))
        try:
            received = engine.load(path, device=reference).parameters()
        except engine.CheckpointError:
            noticed += 1
            continue
        for name, value in received.items():
            assert value.tobytes() == expected[name].tobytes()
    assert noticed > 30


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_failed_save_leaves_the_older_file(
    function, reference, tmp_path, monkeypatch
):
    path = tmp_path / "net.npz"
    path.write_bytes(b"older")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, function, full)
    with pytest.raises(OSError, match="No space left"):
        engine.Network.from_spec(SPEC, device=reference).save(path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]
