"""Keras's weights that do not fit, or cannot be read: the error says all of it."""

from __future__ import annotations

import builtins
import zipfile

import numpy as np
import pytest

import engine
from engine.exchange import keras, keras_files
from tests.engine.test_keras import LAYOUTS, OURS, model, network, write_npz


def refused(tmp_path, weights, text: str, net=None, **arguments) -> None:
    """Load what does not fit: the error says so, and nothing has changed."""
    net = net or network()
    before = net.parameters()
    path = write_npz(tmp_path / "w.npz", weights)
    with pytest.raises(engine.CheckpointError, match=text) as caught:
        keras.load_weights(net, path, **arguments)
    assert str(path) in str(caught.value)
    for name, value in net.parameters().items():
        assert value.tobytes() == before[name].tobytes()


def test_another_shape_is_told_in_our_layout(tmp_path):
    weights = model()
    weights["entry"]["kernel"] = np.zeros((3, 3, 3, 4), np.float32)
    weights["hidden"]["kernel"] = np.zeros((119, 6), np.float32)
    refused(
        tmp_path,
        weights,
        r"conv1.weight from 'entry': expected shape \(4, 3, 3, 2\), received "
        r"\(4, 3, 3, 3\); dense1.weight from 'hidden': expected shape \(6, 120\), "
        r"received \(6, 119\)",
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"top": None}, "nothing is left for the layer dense2"),
        ({"more": {"kernel": np.zeros((3, 3))}}, r"'more' \(kernel\) is left over"),
        (
            {"hidden": {"kernel": np.zeros((120, 6))}},
            r"dense1.bias from 'hidden' is missing \(it holds kernel\)",
        ),
        (
            {"top": {"kernel": np.zeros((6, 3)), "bias": np.zeros(3)}},
            r"dense2.bias from 'top' is left over \(the layer has weight\)",
        ),
        (
            {"top": {"kernel": np.zeros((6, 3), int)}},
            "dense2.weight from 'top': expected floating numbers, received int64",
        ),
        (
            {
                "middle": {
                    "depthwise_kernel": np.zeros((3, 3, 4, 2)),
                    "pointwise": [1.0],
                }
            },
            "conv2.bias from 'middle' is missing.*conv2.pointwise from 'middle' is l",
        ),
    ],
)
def test_missing_and_left_over(change, text, tmp_path):
    weights = {k: v for k, v in (model() | change).items() if v is not None}
    refused(tmp_path, weights, text)


def test_names_that_are_not_there(tmp_path):
    weights = model()
    names = dict(zip(OURS, weights, strict=True))
    refused(
        tmp_path,
        weights,
        r"'hiden' for the layer dense1 is missing \(did you mean 'hidden'\?\); "
        r"'hidden' \(kernel, bias\) is left over",
        names=names | {"dense1": "hiden"},
    )
    path, net = tmp_path / "w.npz", network()
    with pytest.raises(engine.InputError, match=r"no layer 'dense3' with.*'dense2'"):
        keras.load_weights(net, path, names | {"dense3": "top"})
    with pytest.raises(engine.InputError, match=r"has no layer 'topp' \(did you mean"):
        keras.load_weights(net, path, names, skip=["topp"])


def test_behind_a_reshape_nothing_is_guessed(tmp_path):
    layers = [
        {"reshape": {"shape": [2, 3, 1]}},
        {"dense": {"units": 1, "bias": "none"}},
    ]
    spec = {"input": [1, 2, 3], "layers": layers, "loss": "mean_squared_error"}
    path = write_npz(tmp_path / "w.npz", {"dense": {"kernel": np.zeros((6, 1))}})
    with pytest.raises(engine.InputError, match=r"reshape1\): Keras's order is \(hei"):
        keras.load_weights(network(spec), path)


def test_not_finite(tmp_path):
    weights = model()
    weights["top"]["kernel"][0, 0] = np.nan
    with pytest.raises(engine.InputError, match=r"dense2.weight: NaN or infinity"):
        keras.load_weights(network(), write_npz(tmp_path / "w.npz", weights))


def test_endings_and_files_that_are_not_there(tmp_path):
    with pytest.raises(
        engine.InputError, match=r"in \.h5, .*received the ending '.pt'"
    ):
        keras.load_weights(network(), tmp_path / "w.pt")
    with pytest.raises(FileNotFoundError):
        keras.load_weights(network(), tmp_path / "w.npz")


def test_without_h5py_it_says_what_to_install(tmp_path, monkeypatch):
    original = builtins.__import__

    def without(name, *arguments, **others):
        if name == "h5py":
            raise ModuleNotFoundError("No module named 'h5py'")
        return original(name, *arguments, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(engine.PackageError, match="install it: pip install 'h5py"):
        keras.load_weights(network(), tmp_path / "w.h5")


@pytest.mark.compare
def test_missing_and_foreign_h5_files(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    path, net = tmp_path / "w.h5", network()
    with pytest.raises(FileNotFoundError):
        keras.load_weights(net, path)
    with h5py.File(path, "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(engine.CheckpointError, match="neither a group /layers nor"):
        keras.load_weights(net, path)
    with zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(engine.CheckpointError, match="damaged or foreign"):
        keras.load_weights(net, tmp_path / "w.keras")


@pytest.mark.compare
@pytest.mark.parametrize("layout", ["legacy", "Keras 3"])
def test_truncated_anywhere(layout, tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    path, net = tmp_path / "w.h5", network()
    with h5py.File(path, "w") as file:
        LAYOUTS[layout](file, model())
    whole = path.read_bytes()
    for length in range(0, len(whole), 211):
        path.write_bytes(whole[:length])
        # In this process: one of its own for each length would take minutes.
        with pytest.raises(engine.CheckpointError, match="truncated, damaged or for"):
            keras_files.read_here(path)
    with pytest.raises(engine.CheckpointError, match="truncated, damaged or foreign"):
        keras.load_weights(net, path)
