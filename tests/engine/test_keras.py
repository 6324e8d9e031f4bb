"""Keras's weights: files of all layouts, against a forward pass in Keras's own layout.

Keras is not needed: the files are written as its documentation and source lay them out,
and the expected outputs come from a plain channels-last computation below.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

import engine
from engine.exchange import keras
from tests.engine.cases import relative

SPEC = {
    "input": [3, 7, 5],
    "layers": [
        {
            "conv": {
                "filters": 4,
                "kernel": [3, 2],
                "padding": "same",
                "bias": "learned",
            }
        },
        {"activation": "relu"},
        {"conv": {"filters": 8, "kernel": 3, "groups": 4, "bias": "learned"}},
        {"batch_norm": {"epsilon": 0.001}},
        {"activation": "tanh"},
        "flatten",
        {"dropout": 0.5},
        {"batch_norm": {"epsilon": 0.001}},
        {"dense": {"units": 6}},
        {"activation": "relu"},
        {"dense": {"units": 3, "bias": "none"}},
    ],
    "loss": "softmax_cross_entropy",
}
LAYERS = {  # Keras's class and number -> our layer
    "conv2d": "conv1",
    "depthwise_conv2d": "conv2",
    "batch_normalization": "batch_norm1",
    "batch_normalization_1": "batch_norm2",
    "dense": "dense1",
    "dense_1": "dense2",
}
OURS = list(LAYERS.values())
NORM = ("gamma", "beta", "moving_mean", "moving_variance")


def model(seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """Return the variables of the network in SPEC as Keras names and shapes them."""
    shapes = {
        "entry": {"kernel": (3, 2, 3, 4), "bias": (4,)},
        "middle": {"depthwise_kernel": (3, 3, 4, 2), "bias": (8,)},
        "norm": dict.fromkeys(NORM, (8,)),
        "flat_norm": dict.fromkeys(NORM, (5 * 3 * 8,)),
        "hidden": {"kernel": (5 * 3 * 8, 6), "bias": (6,)},
        "top": {"kernel": (6, 3)},
    }
    generator = np.random.Generator(np.random.PCG64(seed))
    return {
        layer: {
            name: drawn(generator, name, shape) for name, shape in variables.items()
        }
        for layer, variables in shapes.items()
    }


def drawn(generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    low = 0.5 if name == "moving_variance" else -0.5
    return generator.uniform(low, low + 1, shape).astype(np.float32)


def forward(x: np.ndarray, weights: dict[str, dict[str, np.ndarray]]) -> np.ndarray:
    """Return the logits as Keras computes them, x (n, H, W, C), in float64."""
    entry, middle, norm, flat_norm, hidden, top = weights.values()
    # `same`: of the odd rest (kernel width 2) nothing goes to the left.
    x = np.pad(x, ((0, 0), (1, 1), (0, 1), (0, 0)))
    x = np.maximum(conv(x, entry["kernel"]) + entry["bias"], 0)
    x = depthwise(x, middle["depthwise_kernel"]) + middle["bias"]
    x = np.tanh(normalised(x, **norm))
    x = normalised(x.reshape(len(x), -1), **flat_norm)
    x = np.maximum(x @ hidden["kernel"].astype(float) + hidden["bias"], 0)
    return x @ top["kernel"].astype(float)


def normalised(x, gamma, beta, moving_mean, moving_variance) -> np.ndarray:
    sd = np.sqrt(moving_variance.astype(float) + 0.001)
    return gamma * (x - moving_mean) / sd + beta


def windows(x: np.ndarray, kernel: np.ndarray):
    """Yield (u, v, the input that the weight at u, v meets)."""
    kh, kw = kernel.shape[:2]
    h, w = x.shape[1] - kh + 1, x.shape[2] - kw + 1
    for u in range(kh):
        for v in range(kw):
            yield u, v, x[:, u : u + h, v : v + w, :]


def conv(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return sum(part @ kernel[u, v].astype(float) for u, v, part in windows(x, kernel))


def depthwise(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    parts = [part[..., None] * kernel[u, v] for u, v, part in windows(x, kernel)]
    y = sum(parts)
    return y.reshape(*y.shape[:3], -1)


def images(n: int = 4) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(1)).standard_normal((n, 3, 7, 5))


def network(spec=SPEC) -> engine.Network:
    return engine.Network.from_spec(spec, device="reference", seed=1)


def agrees(net: engine.Network, weights) -> bool:
    x = images()
    expected = forward(x.transpose(0, 2, 3, 1), weights)
    return relative(net.predict(x), expected) < 1e-6


# --- files --------------------------------------------------------------------------


@pytest.fixture
def h5py():
    return pytest.importorskip("h5py", reason="h5py is not installed")


def write_npz(path: Path, weights) -> Path:
    arrays = {f"{k}/{name}": a for k, v in weights.items() for name, a in v.items()}
    np.savez(path, **arrays)
    return path


def fill_legacy(group, weights, *, colon: str = ":0", chunks: bool = False) -> None:
    """Write Keras 2's layout: attributes of bytes, layers without variables too."""
    names = [*weights, "flatten"]
    write_names(group, "layer_names", names, chunks)
    group.attrs["backend"] = b"tensorflow"
    for layer in names:
        inner = group.create_group(layer)
        variables = weights.get(layer, {})
        keys = {f"{layer}/{name}{colon}": a for name, a in variables.items()}
        write_names(inner, "weight_names", list(keys), chunks)
        for key, array in keys.items():
            inner[key] = array


def write_names(group, key: str, names: list[str], chunks: bool) -> None:
    encoded = [name.encode() for name in names]
    if not chunks:
        group.attrs[key] = encoded
        return
    for i, name in enumerate(encoded):
        group.attrs[f"{key}{i}"] = [name]


def fill_keras3(file, weights, *, named: bool) -> None:
    """Write Keras 3's layout: numbered variables below /layers/CLASS_NUMBER/vars."""
    for kind, (layer, variables) in zip(LAYERS, weights.items(), strict=True):
        group = file.create_group(f"layers/{kind}/vars")
        if named:
            group.attrs["name"] = layer
        for i, array in enumerate(variables.values()):
            group[str(i)] = array
    file.create_group("layers/flatten/vars")
    file.create_group("layers/dropout/vars")
    file["layers/dropout/seed_generator/vars/0"] = np.array([1, 2], np.uint32)
    file["optimizer/vars/0"] = np.int64(7)
    file.create_group("vars")


LAYOUTS = {
    "legacy": lambda file, w: fill_legacy(file, w),
    "legacy, whole model": lambda file, w: fill_legacy(
        file.create_group("model_weights"), w
    ),
    "legacy, of Keras 3": lambda file, w: fill_legacy(file, w, colon=""),
    "legacy, long lists": lambda file, w: fill_legacy(file, w, chunks=True),
    "Keras 3": lambda file, w: fill_keras3(file, w, named=True),
    "Keras 3, first versions": lambda file, w: fill_keras3(file, w, named=False),
}


@pytest.mark.compare
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_in_order(layout, h5py, tmp_path):
    path, weights = tmp_path / "model.weights.h5", model()
    with h5py.File(path, "w") as file:
        LAYOUTS[layout](file, weights)
    net = network()
    assert not agrees(net, weights)
    keras.load_weights(net, path)
    assert agrees(net, weights)


@pytest.mark.compare
@pytest.mark.parametrize("layout", [x for x in LAYOUTS if "first" not in x])
def test_every_layout_by_name(layout, h5py, tmp_path):
    path, weights = tmp_path / "model.weights.h5", model()
    with h5py.File(path, "w") as file:
        LAYOUTS[layout](file, weights)
    net = network()
    keras.load_weights(net, path, names=dict(zip(OURS, weights, strict=True)))
    assert agrees(net, weights)


@pytest.mark.compare
def test_a_keras_archive(h5py, tmp_path):
    weights = model()
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        fill_keras3(file, weights, named=True)
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(tmp_path / "model.weights.h5", "model.weights.h5")
    net = network()
    keras.load_weights(net, tmp_path / "model.keras")
    assert agrees(net, weights)


@pytest.mark.compare
def test_a_model_within_a_model(h5py, tmp_path):
    weights = model()
    first = dict(list(weights.items())[:2])
    with h5py.File(tmp_path / "legacy.h5", "w") as file:
        others = {name: weights[name] for name in list(weights)[2:]}
        fill_legacy(file, {"base": {}} | others)
        keys = [f"{k}/{name}:0" for k, v in first.items() for name in v]
        file["base"].attrs["weight_names"] = [key.encode() for key in keys]
        for key in keys:
            layer, name = key.removesuffix(":0").split("/")
            file["base"][key] = weights[layer][name]
    net = network()
    keras.load_weights(net, tmp_path / "legacy.h5")
    assert agrees(net, weights)


@pytest.mark.compare
def test_more_than_ten_layers_of_a_class_in_keras_3(h5py, tmp_path):
    """Their numbers are put in order as numbers: conv2d_2 before conv2d_10."""
    spec = {
        "input": [1, 2, 2],
        "layers": [{"conv": {"filters": 1, "kernel": 1}}] * 12 + ["flatten"],
        "loss": "mean_squared_error",
    }
    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        for i in range(12):
            name = f"conv2d_{i}" if i else "conv2d"
            file[f"layers/{name}/vars/0"] = np.full((1, 1, 1, 1), i, np.float32)
    net = network(spec)
    keras.load_weights(net, tmp_path / "w.weights.h5")
    loaded = [float(v.item()) for v in net.parameters().values()]
    assert loaded == list(range(12))


def test_npz_in_order_and_by_name(tmp_path):
    weights = model()
    net = network()
    keras.load_weights(net, write_npz(tmp_path / "a.npz", weights))
    assert agrees(net, weights)
    shuffled = {name: weights[name] for name in sorted(weights)}
    net = network()
    names = dict(zip(OURS, weights, strict=True))
    keras.load_weights(net, write_npz(tmp_path / "b.npz", shuffled), names)
    assert agrees(net, weights)


def test_own_names_need_no_mention(tmp_path):
    weights = model()
    own = dict(zip(OURS, weights.values(), strict=True))
    net = network()
    keras.load_weights(net, write_npz(tmp_path / "w.npz", own), names={})
    assert agrees(net, weights)


def test_on_the_devices(device, tmp_path):
    weights = model()
    net = engine.Network.from_spec(SPEC, device=device)
    keras.load_weights(net, write_npz(tmp_path / "w.npz", weights))
    x = images()
    expected = forward(x.transpose(0, 2, 3, 1), weights)
    assert relative(net.predict(x), expected) < 1e-5


def test_a_part_of_a_network(tmp_path):
    """Transfer: the file's top is left out, our own keeps its initial weights."""
    weights, net = model(), network()
    before = net.parameters()
    path = write_npz(tmp_path / "w.npz", weights)
    names = dict(zip(OURS, weights, strict=True)) | {"dense2": None}
    keras.load_weights(net, path, names, skip=["top"])
    after = net.parameters()
    assert after["dense2.weight"].tobytes() == before["dense2.weight"].tobytes()
    assert after["conv1.bias"].tolist() == weights["entry"]["bias"].tolist()


@pytest.mark.parametrize("left_out", ["gamma", "beta"])
def test_normalisation_without_scale_or_centre(left_out, tmp_path):
    weights = model()
    del weights["norm"][left_out]
    net = network()
    keras.load_weights(net, write_npz(tmp_path / "w.npz", weights))
    value = {"gamma": 1.0, "beta": 0.0}[left_out]
    weights["norm"][left_out] = np.full(8, value)
    assert agrees(net, weights)


# --- the order of features ----------------------------------------------------------


@pytest.mark.parametrize("flatten", [True, False])
def test_features_of_two_flattened_branches(flatten, tmp_path):
    """Behind a concat of flattened maps each part keeps its own order."""
    branches = [
        {"conv": {"filters": 2, "kernel": 1}, "name": "a", "inputs": ["input"]},
        {"conv": {"filters": 3, "kernel": 2}, "name": "b", "inputs": ["input"]},
    ]
    layers = [
        branches[0],
        {"flatten": None, "name": "fa"},
        branches[1],
        {"flatten": None, "name": "fb"},
        {"concat": None, "inputs": ["fa", "fb"]},
        {"dense": {"units": 2, "bias": "none"}},
    ]
    if not flatten:  # one branch alone; the dense layer flattens by itself
        layers = [branches[0], {"dense": {"units": 2, "bias": "none"}}]
    spec = {"input": [2, 3, 4], "layers": layers, "loss": "mean_squared_error"}
    generator = np.random.Generator(np.random.PCG64(2))
    a, b = (
        generator.standard_normal((1, 1, 2, 2)),
        generator.standard_normal((2, 2, 2, 3)),
    )
    features = 24 + 2 * 3 * 3 if flatten else 24
    kernel = generator.standard_normal((features, 2))
    weights = {"a": {"kernel": a}, "b": {"kernel": b}, "dense1": {"kernel": kernel}}
    if not flatten:
        del weights["b"]
    net = network(spec)
    keras.load_weights(net, write_npz(tmp_path / "w.npz", weights), names={})
    x = generator.standard_normal((5, 3, 4, 2))
    maps = [conv(x, a), conv(x, b)][: 2 if flatten else 1]
    flat = np.concatenate([y.reshape(5, -1) for y in maps], axis=1)
    assert relative(net.predict(x.transpose(0, 3, 1, 2)), flat @ kernel) < 1e-6
