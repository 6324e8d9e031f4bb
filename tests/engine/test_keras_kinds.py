"""Keras's models within models, separable convolutions, partial batch normalisation.

And that weights are never paired by a guess: what the file's order, shapes and names do
not settle is an error that lists the pairs.
"""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

import engine
from engine.exchange import hdf5, keras, keras_files
from tests.engine.cases import relative
from tests.engine.test_keras import conv, depthwise, network, normalised, write_npz

pytestmark = pytest.mark.compare
h5py = pytest.importorskip("h5py", reason="h5py is not installed")


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Read HDF5 here: a process for each file takes half a second."""
    monkeypatch.setattr(hdf5, "read", keras_files.read_here)


RANDOM = np.random.Generator(np.random.PCG64(3))


def drawn(*shape: int) -> np.ndarray:
    return RANDOM.uniform(0.5, 1.5, shape).astype(np.float32)


def spec(shape, *layers) -> dict:
    return {"input": list(shape), "layers": [*layers], "loss": "mean_squared_error"}


def ours(filters: int, kernel: int = 1, **others) -> dict:
    """Return a conv layer."""
    name = {"name": others.pop("name")} if "name" in others else {}
    settings = {"filters": filters, "kernel": kernel, "bias": "learned"} | others
    return {"conv": settings} | name


# --- files --------------------------------------------------------------------------


def write(path, layers, **settings) -> None:
    """Write Keras 3's file of {name: (class, arrays or the layers of a model)}.

    settings: of layers by name, beside their names, for config.json.
    """
    with h5py.File(path.with_suffix(".weights.h5"), "w") as file:
        config = fill(file, layers, settings)
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(path.with_suffix(".weights.h5"), "model.weights.h5")
            archive.writestr("config.json", json.dumps(config))


def fill(group, layers, settings) -> dict:
    counts: dict[str, int] = {}
    told = []
    for name, (kind, content) in layers.items():
        number = counts[kind] = counts.get(kind, -1) + 1
        place = f"layers/{SNAKE[kind]}{f'_{number}' if number else ''}"
        variables = group.create_group(f"{place}/vars")
        variables.attrs["name"] = name
        config = {"name": name} | settings.get(name, {})
        if isinstance(content, dict):
            config |= fill(group[place], content, settings)["config"]
        else:
            for i, array in enumerate(content):
                variables[str(i)] = array
        told.append({"class_name": kind, "config": config})
    return {"class_name": "Functional", "config": {"name": "model", "layers": told}}


SNAKE = {
    "Conv2D": "conv2d",
    "DepthwiseConv2D": "depthwise_conv2d",
    "SeparableConv2D": "separable_conv2d",
    "BatchNormalization": "batch_normalization",
    "Dense": "dense",
    "MyConv": "my_conv",
    "ReLU": "re_lu",
    "Sequential": "sequential",
    "Functional": "functional",
}


def kernels(net: engine.Network) -> list[float]:
    """Return the one number of each layer's weight."""
    return [float(v.ravel()[0]) for k, v in net.parameters().items() if "weight" in k]


def point(number: float, channels: int = 1):
    """Return a Conv2D of 1×1 whose numbers are all the same."""
    kernel = np.full((1, 1, channels, channels), number, np.float32)
    return "Conv2D", [kernel, np.zeros(channels, np.float32)]


# --- models within models -----------------------------------------------------------

# In the order of the model: 1, 2, 3, 4; each class begins anew in each inner model.
DEEP = {
    "stem": point(1.0),
    "base": (
        "Sequential",
        {
            "early": point(2.0),
            "act": ("ReLU", []),
            "core": ("Functional", {"late": point(3.0)}),
        },
    ),
    "head": point(4.0),
}
FOUR = spec([1, 2, 2], ours(1), ours(1), ours(1), ours(1))


def test_the_archive_tells_the_order_of_inner_models(tmp_path, monkeypatch):
    monkeypatch.undo()  # as users do, in a process of its own
    write(tmp_path / "m.keras", DEEP)
    net = network(FOUR)
    keras.load_weights(net, tmp_path / "m.keras")
    assert kernels(net) == [1, 2, 3, 4]


def test_without_it_layers_of_one_shape_are_not_guessed(tmp_path, monkeypatch):
    monkeypatch.undo()
    write(tmp_path / "m", DEEP)
    net = network(FOUR)
    with pytest.raises(
        engine.CheckpointError, match=r"conv1 could be 'stem' or 'early' or 'late', of"
    ):
        keras.load_weights(net, tmp_path / "m.weights.h5")
    names = dict(
        zip(
            ("conv1", "conv2", "conv3", "conv4"),
            ("stem", "early", "late", "head"),
            strict=True,
        )
    )
    keras.load_weights(net, tmp_path / "m.weights.h5", names)
    assert kernels(net) == [1, 2, 3, 4]


def test_without_it_the_shapes_may_tell_the_order(tmp_path):
    layers = {
        "base": ("Sequential", {"a": point(1.0, 2), "b": point(2.0, 2)}),
        "head": ("Conv2D", [np.full((1, 1, 2, 3), 3.0), np.zeros(3)]),
    }
    write(tmp_path / "m", layers)
    net = network(spec([2, 2, 2], ours(2), ours(2), ours(3)))
    keras.load_weights(net, tmp_path / "m.weights.h5")
    assert kernels(net) == [1, 2, 3]


def test_names_that_all_agree_pair(tmp_path):
    """Also where the file's order is another: here head stands before base."""
    write(tmp_path / "m", DEEP)
    named = [ours(1, name=name) for name in ("stem", "early", "late", "head")]
    net = network(spec([1, 2, 2], *named))
    keras.load_weights(net, tmp_path / "m.weights.h5")
    assert kernels(net) == [1, 2, 3, 4]


def test_two_inner_models_may_share_a_name(tmp_path):
    layers = {
        "left": ("Sequential", {"same": point(1.0)}),
        "right": ("Sequential", {"same": point(2.0)}),
    }
    write(tmp_path / "m.keras", layers)
    net = network(spec([1, 2, 2], ours(1), ours(1)))
    keras.load_weights(net, tmp_path / "m.keras")
    assert kernels(net) == [1, 2]
    keras.load_weights(net, tmp_path / "m.keras", {"conv1": "same/2", "conv2": "same"})
    assert kernels(net) == [2, 1]


def legacy(path, inner: dict[str, float], config=None) -> None:
    """Write a Keras 2 file of an inner model, its layers in the order given."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"base"]
        if config:
            file.attrs["model_config"] = json.dumps(config)
        keys = [f"{name}/{v}:0" for name in inner for v in ("kernel", "bias")]
        group = file.create_group("base")
        group.attrs["weight_names"] = [key.encode() for key in keys]
        for name, number in inner.items():
            group[f"{name}/kernel:0"], group[f"{name}/bias:0"] = point(number)[1]


@pytest.mark.parametrize(
    ("names", "certain"),
    [
        (("conv2d", "conv2d_1"), True),
        (("conv2d_9", "conv2d_10"), True),
        (("block1_conv2", "block2_conv1"), True),
        (("conv2d_5", "conv2d_4"), False),
        (("stem", "head"), False),
    ],
)
def test_an_inner_model_of_a_legacy_file_that_is_partly_frozen(
    names, certain, tmp_path
):
    """What is learned comes first: names that do not count upwards say nothing."""
    legacy(tmp_path / "m.h5", dict(zip(names, (1.0, 2.0), strict=True)))
    net = network(spec([1, 2, 2], ours(1), ours(1)))
    if certain:
        keras.load_weights(net, tmp_path / "m.h5")
        assert kernels(net) == [1, 2]
        return
    with pytest.raises(engine.CheckpointError, match=f"could be {names[0]!r} or "):
        keras.load_weights(net, tmp_path / "m.h5")


def test_the_description_in_a_legacy_file_tells_the_order(tmp_path):
    inner = [
        {"class_name": "Conv2D", "config": {"name": name}} for name in ("stem", "head")
    ]
    base = {"class_name": "Sequential", "config": {"name": "base", "layers": inner}}
    config = {"class_name": "Functional", "config": {"layers": [base]}}
    legacy(tmp_path / "m.h5", {"head": 2.0, "stem": 1.0}, config)
    net = network(spec([1, 2, 2], ours(1), ours(1)))
    keras.load_weights(net, tmp_path / "m.h5")
    assert kernels(net) == [1, 2]


@pytest.mark.parametrize(
    "config", [b"{", b"[]", b'{"config": {"layers": [1]}}', b"[" * 9999]
)
def test_a_description_that_says_nothing_is_no_harm(config, tmp_path):
    write(tmp_path / "m", {"a": point(1.0), "b": point(2.0)})
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.write(tmp_path / "m.weights.h5", "model.weights.h5")
        archive.writestr("config.json", config)
    net = network(spec([1, 2, 2], ours(1), ours(1)))
    keras.load_weights(net, tmp_path / "m.keras")
    assert kernels(net) == [1, 2]


def test_a_class_of_the_author_goes_by_name(tmp_path):
    write(tmp_path / "m.keras", {"a": ("MyConv", point(1.0)[1]), "b": point(2.0)})
    net = network(spec([1, 2, 2], ours(1, name="a"), ours(1, name="b")))
    keras.load_weights(net, tmp_path / "m.keras")
    assert kernels(net) == [1, 2]


# --- pairs that would be a guess ----------------------------------------------------


@pytest.mark.parametrize("path", ["m.npz", "m.weights.h5"])
def test_names_that_disagree_with_the_order(path, tmp_path):
    layers = {"two": point(1.0), "one": point(2.0)}
    write(tmp_path / "m", layers)
    arrays = {
        k: dict(zip(("kernel", "bias"), v[1], strict=True)) for k, v in layers.items()
    }
    write_npz(tmp_path / "m.npz", arrays)
    net = network(spec([1, 2, 2], ours(1, name="one"), ours(1, name="other")))
    with pytest.raises(
        engine.CheckpointError,
        match=r"the names disagree; .*names=\{'one': 'two', 'other': 'one'\}",
    ):
        keras.load_weights(net, tmp_path / path)
    keras.load_weights(net, tmp_path / path, {"one": "two", "other": "one"})
    assert kernels(net) == [1, 2]


def test_branches_of_the_same_shapes(tmp_path):
    """Keras orders side by side by other rules than a spec does."""
    write(tmp_path / "m.keras", {"a": point(1.0), "b": point(2.0), "c": point(3.0)})
    branches = [
        ours(1, name="left") | {"inputs": ["input"]},
        ours(1, name="right") | {"inputs": ["input"]},
        {"add": None, "inputs": ["left", "right"]},
        ours(1, name="joined"),
    ]
    net = network(spec([1, 2, 2], *branches))
    with pytest.raises(
        engine.CheckpointError,
        match="left and right have the same shapes and stand side by side, so that "
        "their order tells nothing; they would get 'a' and 'b'",
    ):
        keras.load_weights(net, tmp_path / "m.keras")
    names = {"left": "b", "right": "a", "joined": "c"}
    keras.load_weights(net, tmp_path / "m.keras", names)
    assert kernels(net) == [2, 1, 3]


# --- separable convolutions ---------------------------------------------------------

HEAD = {"flatten": None}


@pytest.mark.parametrize("form", ["m.keras", "m.weights.h5", "m.npz"])
@pytest.mark.parametrize(
    ("channels", "maps", "bias"), [(3, 1, True), (3, 2, False), (1, 2, True)]
)
def test_a_separable_convolution_is_two_layers(channels, maps, bias, form, tmp_path):
    deep = drawn(3, 2, channels, maps)
    wide, b = drawn(1, 1, channels * maps, 5), drawn(5)
    plain = drawn(2, 2, 5, 4)
    layers = {
        "sep": ("SeparableConv2D", [deep, wide, *([b] if bias else [])]),
        "plain": ("Conv2D", [plain]),
    }
    write(tmp_path / "m.keras", layers)
    names = ("depthwise_kernel", "pointwise_kernel", "bias")
    arrays = {
        "sep": dict(zip(names, layers["sep"][1], strict=False)),
        "plain": {"kernel": plain},
    }
    write_npz(tmp_path / "m.npz", arrays)
    net = network(
        spec(
            [channels, 6, 5],
            ours(channels * maps, [3, 2], groups=channels, bias="none"),
            ours(5, bias="learned" if bias else "none"),
            ours(4, 2, bias="none"),
        )
    )
    keras.load_weights(net, tmp_path / form)
    x = RANDOM.standard_normal((2, 6, 5, channels))
    y = conv(conv(depthwise(x, deep), wide) + (b if bias else 0.0), plain)
    found = net.predict(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert relative(found, y) < 1e-6


def test_the_two_layers_have_names(tmp_path):
    write(
        tmp_path / "m",
        {"sep": ("SeparableConv2D", [drawn(1, 1, 2, 1), drawn(1, 1, 2, 2)])},
    )
    layers = [
        ours(2, groups=2, bias="none", name="sep_depthwise"),
        ours(2, bias="none", name="sep_pointwise"),
    ]
    keras.load_weights(network(spec([2, 1, 1], *layers)), tmp_path / "m.weights.h5")
    with pytest.raises(
        engine.CheckpointError, match=r"'sep_pointwise' .* is left over"
    ):
        keras.load_weights(
            network(spec([2, 1, 1], layers[0])), tmp_path / "m.weights.h5"
        )


@pytest.mark.parametrize("kind", ["DepthwiseConv2D", "Conv2D"])
def test_one_channel_and_grouped_convolutions(kind, tmp_path):
    """A depthwise one of one channel is a plain one; a plain one may be depthwise."""
    shape = (2, 2, 1, 4)
    write(tmp_path / "m", {"a": (kind, [drawn(*shape), drawn(4)])})
    channels = 1 if kind == "DepthwiseConv2D" else 4
    net = network(spec([channels, 3, 3], ours(4, 2, groups=channels)))
    keras.load_weights(net, tmp_path / "m.weights.h5")


# --- batch normalisation ------------------------------------------------------------

PARTS = {
    "both": (True, True),
    "gamma": (True, False),
    "beta": (False, True),
    "neither": (False, False),
}


@pytest.mark.parametrize("affine", [True, "as the file"])
@pytest.mark.parametrize("form", ["m.keras", "m.weights.h5"])
@pytest.mark.parametrize("has", PARTS)
def test_batch_normalisation_has_what_it_has(has, form, affine, tmp_path):
    scale, centre = PARTS[has]
    gamma, beta, mean, variance = (drawn(4) for _ in range(4))
    arrays = [gamma] * scale + [beta] * centre + [mean, variance]
    write(
        tmp_path / "m.keras",
        {"norm": ("BatchNormalization", arrays)},
        norm={"scale": scale, "center": centre},
    )
    if affine is not True:
        affine = {"both": True, "neither": False}.get(has, has)
    layer = {"batch_norm": {"epsilon": 0.001, "affine": affine}}
    net = network(spec([4, 2, 3], layer))
    if form == "m.weights.h5" and len(arrays) == 3 and affine is True:
        with pytest.raises(
            engine.CheckpointError,
            match=r"'norm' has one of gamma and beta, and the file does not say which: "
            r"write `affine: gamma` or `affine: beta` for batch_norm1, or load the \.k",
        ):
            keras.load_weights(net, tmp_path / form)
        return
    keras.load_weights(net, tmp_path / form)
    x = RANDOM.standard_normal((2, 2, 3, 4))
    y = normalised(x, gamma if scale else 1.0, beta if centre else 0.0, mean, variance)
    found = net.predict(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert relative(found, y) < 1e-6


@pytest.mark.parametrize("affine", ["gamma", "beta"])
def test_what_a_normalisation_lacks_is_not_learned(affine, any_device):
    layers = [{"batch_norm": {"affine": affine}}, {"activation": "tanh"}]
    net = engine.Network.from_spec(spec([4], *layers), device=any_device)
    x, t = RANDOM.standard_normal((8, 4)), RANDOM.standard_normal((8, 4))
    before = net.parameters()
    trainer = engine.Trainer(net, {"sgd": {"learning_rate": 0.1}})
    for _ in range(3):
        trainer.step(x, t)
    changed = {k for k, v in net.parameters().items() if (v != before[k]).any()}
    statistics = {"batch_norm1.running_mean", "batch_norm1.running_variance"}
    assert changed == {f"batch_norm1.{affine}"} | statistics
