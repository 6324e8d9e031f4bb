"""One table of small networks for every layer and loss, and one set of tolerances.

Each case isolates one thing: the layer under test stands on the input and its output is
the network's, so that a comparison sees every number of forward and backward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import engine
from engine import random

# Relative to the largest number of the array that is compared.
FLOAT32_FORWARD = 1e-5
FLOAT32_GRADIENT = 2e-5
# Finite differences in float64, relative to the gradient's norm.
FINITE_DIFFERENCES = 1e-6


@dataclass(frozen=True)
class Case:
    """A network, a batch of n samples and what its targets are.

    targets: values; far (values that no output comes near, for kinks at the target);
    classes; soft (probabilities); portions (each in [0, 1]). big: too slow for finite
    differences, whose shapes the small ones cover; it is there to be cut into several
    pieces.
    """

    name: str
    input: tuple[int, ...]
    layers: tuple[Any, ...]
    loss: Any = "squared_error"
    n: int = 5
    targets: str = "values"
    big: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        return {
            "input": list(self.input),
            "layers": list(self.layers),
            "loss": self.loss,
        }

    def network(self, device: engine.backends.base.Backend) -> engine.Network:
        """Return the network with parameters that float32 holds exactly, none 0."""
        network = engine.Network.from_spec(self.spec, device=device, seed=3)
        values = {}
        for name, old in network.parameters().items():
            drawn = random.stream(1, "init", self.name, name).normal(size=old.shape)
            values[name] = (0.4 * drawn).astype(np.float32)
            if name.endswith("variance"):
                values[name] = 0.5 + abs(values[name])
        network.set_parameters(values)
        return network

    def x(self) -> np.ndarray:
        """Return float32 inputs in (-2, 2), no two the same and none 0.

        So no maximum is shared and no ReLU stands at its kink.
        """
        size = self.n * int(np.prod(self.input))
        order = random.stream(2, "order", self.name).permutation(size)
        grid = (order + 0.5) * (4.0 / size) - 2.0
        if size % 2:  # the middle of an odd grid is 0
            grid += 0.25 / size
        return grid.astype(np.float32).reshape(self.n, *self.input)

    def t(self, *shape: int) -> np.ndarray:
        """Return targets for outputs of this shape, without the batch."""
        stream = random.stream(3, "noise", self.name)
        if self.targets == "classes":
            return stream.integers(0, *shape, size=self.n)
        values = stream.normal(size=(self.n, *shape))
        if self.targets == "far":
            values = np.where(values > 0, 60.0 + values, values - 60.0)
        if self.targets == "soft":
            values = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
        if self.targets == "portions":
            values = 1.0 / (1.0 + np.exp(-values))
        return values.astype(np.float32)


def _conv(name: str, input: list[int], n: int = 5, big: bool = False, **settings):
    settings = {"filters": 4, "bias": "learned"} | settings
    layers = ({"conv": settings}, "flatten")
    return Case(f"conv-{name}", tuple(input), layers, n=n, big=big)


def _dense(name: str, input: list[int], n: int = 5, **settings):
    return Case(f"dense-{name}", tuple(input), ({"dense": settings},), n=n)


def _pool(kind: str, name: str, input: list[int], n: int = 5, **settings):
    return Case(f"{kind}-{name}", tuple(input), ({kind: settings}, "flatten"), n=n)


def _pad(name: str, input: list[int], n: int = 5, big: bool = False, **settings):
    return Case(
        f"pad-{name}", tuple(input), ({"pad": settings}, "flatten"), n=n, big=big
    )


def _norm(name: str, input: list[int], n: int = 5, big: bool = False, **settings):
    """Behind the normalisation a tanh, or its sums would be those of the targets."""
    layers = ({"batch_norm": settings}, {"activation": "tanh"}, "flatten")
    return Case(f"norm-{name}", tuple(input), layers, n=n, big=big)


def _layer(name: str, entry: Any, input: tuple[int, ...] = (17,), **others: Any):
    tail = () if len(input) == 1 else ("flatten",)
    return Case(name, input, (entry, *tail), **others)


def _loss(name: str, loss: Any, outputs: int, targets: str = "values", n: int = 5):
    return Case(
        f"loss-{name}", (outputs,), ({"activation": "identity"},), loss, n, targets
    )


CONVOLUTIONS = [
    _conv("1x1", [3, 6, 5], kernel=1),
    _conv("1x1-stride", [3, 6, 5], kernel=1, stride=2),
    _conv("odd", [2, 7, 6], kernel=3),
    _conv("odd-5", [2, 8, 9], kernel=5),
    _conv("even", [2, 7, 6], kernel=2),
    _conv("even-4", [2, 9, 7], kernel=4, padding=1),
    _conv("wide", [2, 6, 9], kernel=[1, 5]),
    _conv("tall", [2, 9, 6], kernel=[5, 2]),
    _conv("whole-map", [2, 5, 4], kernel=[5, 4]),
    _conv("stride", [2, 9, 8], kernel=3, stride=2),
    _conv("stride-pair", [2, 9, 8], kernel=3, stride=[3, 1]),
    _conv("stride-beyond-kernel", [2, 11, 9], kernel=2, stride=[4, 3]),
    _conv("ignet", [1, 20, 15], filters=8, kernel=9, stride=3, bias="none"),
    _conv("padding", [2, 6, 5], kernel=3, padding=1),
    _conv("padding-pair", [2, 6, 5], kernel=3, padding=[2, 0]),
    _conv("padding-beyond-kernel", [2, 4, 5], kernel=2, padding=3),
    _conv("valid", [2, 6, 5], kernel=3, padding="valid"),
    _conv("same", [2, 6, 5], kernel=3, padding="same"),
    _conv("same-even", [2, 6, 5], kernel=[2, 4], padding="same"),
    _conv("same-stride", [2, 7, 8], kernel=3, stride=2, padding="same"),
    _conv("same-stride-even", [2, 7, 8], kernel=4, stride=[3, 2], padding="same"),
    _conv("four-sides", [2, 6, 5], kernel=3, padding=[0, 1, 2, 3]),
    _conv("edge", [2, 6, 5], kernel=3, padding=1, padding_mode="edge"),
    _conv("edge-none", [2, 6, 5], kernel=3, padding_mode="edge"),
    _conv("edge-sides", [1, 3, 4], n=33, kernel=[2, 3], padding=[4, 0, 1, 5],
          padding_mode="edge"),
    _conv("edge-same-stride", [4, 7, 8], filters=2, groups=2, kernel=4, stride=[3, 2],
          padding="same", padding_mode="edge"),
    _conv("dilation", [2, 9, 8], kernel=3, dilation=2),
    _conv("dilation-pair", [2, 9, 11], kernel=[3, 2], dilation=[2, 3], padding=1),
    _conv("dilation-same-stride", [2, 9, 8], kernel=3, dilation=2, stride=2,
          padding="same"),
    _conv("groups", [4, 6, 5], filters=6, kernel=3, groups=2, padding=1),
    _conv("groups-stride", [6, 7, 6], filters=3, kernel=3, groups=3, stride=2),
    _conv("depthwise", [5, 7, 6], filters=5, kernel=3, groups=5, padding="same"),
    _conv("depthwise-twofold", [3, 7, 6], filters=6, kernel=5, groups=3, padding=2),
    _conv("1-to-1", [1, 6, 5], filters=1, kernel=3),
    _conv("17-to-17", [17, 5, 4], filters=17, kernel=3, padding=1),
    _conv("17-to-1", [17, 5, 4], filters=1, kernel=2),
    _conv("batch-1", [2, 7, 6], n=1, kernel=3, padding=1),
    _conv("batch-16", [2, 7, 6], n=16, kernel=3, padding=1),
    _conv("batch-33", [2, 7, 6], n=33, kernel=3, padding=1),
    _conv("no-bias", [2, 7, 6], kernel=3, bias="none"),
    _conv("fixed-bias", [2, 7, 6], kernel=3, bias="fixed"),
    # Many channels: what OpenCL computes by Winograd's F(4×4, 3×3).
    _conv("winograd", [32, 8, 12], filters=32, kernel=3, padding=1, n=9, big=True),
    _conv("winograd-odd", [9, 13, 10], filters=11, kernel=3, padding="same", n=3),
    _conv("winograd-valid", [16, 9, 7], filters=8, kernel=3),
    _conv("winograd-padding-3", [8, 6, 5], filters=10, kernel=3, padding=3),
    _conv("winograd-one-tile", [24, 4, 4], filters=40, kernel=3, padding=1, big=True),
    _conv("winograd-sides", [8, 7, 9], filters=8, kernel=3, padding=[0, 2, 1, 0]),
    # Several pieces of a batch; several blocks of a piece; several bands of a sample.
    _conv("pieces", [16, 20, 18], n=9, big=True, filters=24, kernel=3, padding=1),
    _conv("blocks", [16, 27, 27], n=33, big=True, filters=1, kernel=3, stride=1),
    _conv("bands", [48, 38, 38], n=2, big=True, kernel=3, padding=1),
    _conv("bands-stride", [64, 79, 79], n=1, big=True, filters=2, kernel=3, stride=2),
]  # fmt: skip

DENSE = [
    _dense("vector", [17], units=7),
    _dense("image", [3, 5, 4], units=7),
    _dense("one-unit", [3, 5, 4], units=1),
    _dense("one-feature", [1], units=3),
    _dense("no-bias", [6], units=4, bias="none"),
    _dense("fixed-bias", [6], units=4, bias="fixed"),
    _dense("batch-1", [9], n=1, units=5),
    _dense("batch-16", [9], n=16, units=5),
    _dense("batch-33", [9], n=33, units=33),
    _dense("long", [700], n=33, units=200),
]

POOLS = [
    _pool("max_pool", "2", [3, 8, 6], size=2),
    _pool("max_pool", "rest-left-over", [3, 7, 5], size=2),
    _pool("max_pool", "overlap", [3, 8, 7], size=3, stride=2),
    _pool("max_pool", "padding", [3, 8, 7], size=3, stride=2, padding=1),
    _pool("max_pool", "pairs", [2, 9, 8], size=[2, 3], stride=[3, 1], padding=[1, 0]),
    _pool("max_pool", "stride-beyond-size", [2, 9, 8], size=2, stride=3),
    _pool("max_pool", "17-maps", [17, 6, 6], n=33, size=2),
    _pool("max_pool", "1-map-batch-1", [1, 6, 6], n=1, size=2),
    _pool("max_pool", "padding-4", [2, 7, 5], size=3, padding=[0, 2, 1, 1], stride=2),
    _pool("max_pool", "padding-beyond-half", [2, 7, 6], size=3, padding=2, stride=2),
    _pool("max_pool", "dilation", [2, 9, 8], n=33, size=3, dilation=2, stride=1),
    _pool("max_pool", "dilation-pair", [2, 9, 8], size=[2, 3], dilation=[4, 2],
          padding=[2, 1]),
    _pool("max_pool", "ceil", [3, 8, 7], size=3, stride=2, ceil_mode=True),
    _pool("max_pool", "ceil-padding", [3, 7, 8], size=3, stride=[4, 3], padding=1,
          ceil_mode=True),
    _pool("max_pool", "ceil-beyond-map", [17, 2, 1], n=1, size=3, ceil_mode=True),
    _pool("max_pool", "1", [3, 5, 4], size=1),
    _pool("average_pool", "2", [3, 8, 6], size=2),
    _pool("average_pool", "overlap", [3, 8, 7], size=3, stride=2, padding=1),
    _pool("average_pool", "pairs", [2, 9, 8], n=16, size=[2, 3], stride=[3, 1]),
    _pool("average_pool", "1-map-batch-1", [1, 6, 5], n=1, size=2),
    _pool("average_pool", "17-maps", [17, 6, 6], n=33, size=3, stride=1, padding=1),
    _pool("average_pool", "stride-beyond-size", [2, 9, 8], size=2, stride=3),
    _pool("average_pool", "padding-4", [2, 7, 5], size=3, padding=[0, 2, 1, 1],
          stride=2, count_padding=False),
    _pool("average_pool", "without-padding", [2, 8, 7], n=33, size=3, stride=2,
          padding=1, count_padding=False),
    _pool("average_pool", "windows-in-padding", [2, 4, 5], size=2, padding=3),
    _pool("average_pool", "whole-map-padded-behind", [3, 4, 3], size=[4, 3], stride=1,
          padding=[0, 0, 1, 2]),
    _pool("average_pool", "dilation", [2, 9, 8], size=3, dilation=2, stride=1,
          padding=2, count_padding=False),
    _pool("average_pool", "dilation-counted", [2, 9, 8], size=[2, 3],
          dilation=[4, 2], padding=[2, 1]),
    _pool("average_pool", "ceil", [3, 8, 7], size=3, stride=2, ceil_mode=True),
    _pool("average_pool", "ceil-padding", [3, 7, 8], size=3, stride=[4, 3],
          padding=1, ceil_mode=True),
    _pool("average_pool", "ceil-padding-4", [3, 7, 8], size=[3, 4], stride=[4, 3],
          padding=[1, 0, 0, 2], ceil_mode=True, count_padding=False),
    _pool("average_pool", "ceil-beyond-map", [17, 2, 1], n=1, size=3, ceil_mode=True),
    _pool("average_pool", "ceil-dilated-whole-map", [2, 3, 2], size=[3, 2],
          dilation=3, stride=9, ceil_mode=True),
    _pool("global_average_pool", "odd", [17, 5, 3]),
    _pool("global_average_pool", "1x1", [3, 1, 1], n=1),
]  # fmt: skip

PADS = [
    _pad("zeros", [3, 5, 4], padding=2),
    _pad("value", [3, 5, 4], padding=[1, 2], value=-2.5),
    _pad("sides", [2, 3, 4], n=16, padding=[0, 3, 1, 0], value=1.5),
    _pad("edge", [3, 5, 4], padding=1, mode="edge"),
    _pad("edge-sides", [17, 2, 3], n=33, padding=[5, 0, 1, 4], mode="edge"),
    _pad("edge-of-one", [1, 1, 1], n=1, padding=[1, 2], mode="edge"),
    _pad("reflect", [3, 5, 4], padding=1, mode="reflect"),
    _pad("reflect-whole", [2, 5, 4], n=33, padding=[4, 3], mode="reflect"),
    _pad("reflect-sides", [1, 4, 2], padding=[3, 0, 1, 1], mode="reflect"),
    _pad("nothing", [2, 5, 4], padding=0, mode="edge"),
    _pad("pieces", [16, 26, 24], n=33, padding=[1, 2], mode="edge", big=True),
]

ACTIVATIONS = [
    _layer("activation-identity", {"activation": "identity"}),
    _layer("activation-relu", {"activation": "relu"}),
    _layer("activation-leaky_relu", {"activation": "leaky_relu"}),
    _layer("activation-leaky_relu-0.15", {"activation": {"leaky_relu": 0.15}}),
    _layer("activation-leaky_relu-1.5", {"activation": {"leaky_relu": 1.5}}),
    _layer("activation-sigmoid", {"activation": "sigmoid"}, n=33),
    _layer("activation-bipolar_sigmoid", {"activation": "bipolar_sigmoid"}),
    _layer("activation-tanh", {"activation": "tanh"}, input=(3, 5, 4)),
]

CLIPS = [
    _layer("clip-both", {"clip": {"minimum": -0.7, "maximum": 1.1}}, n=33),
    _layer("clip-relu6", {"clip": {"minimum": 0, "maximum": 6}}, input=(3, 5, 4)),
    _layer("clip-minimum", {"clip": {"minimum": 0.3}}, n=1),
    _layer("clip-maximum", {"clip": {"maximum": -0.3}}, input=(1,)),
    _layer("clip-none", {"clip": {}}),
]

SCALES = [
    _layer("scale-channel", {"scale": {}}, input=(3, 5, 4)),
    _layer("scale-channel-bias", {"scale": {"bias": "learned"}}, input=(2, 7, 10),
           n=9),
    _layer("scale-17-channels", {"scale": {"bias": "fixed"}}, input=(17, 1, 1)),
    _layer("scale-1-channel", {"scale": {"bias": "learned"}}, input=(1, 9, 8), n=1),
    _layer("scale-vector", {"scale": {"bias": "learned"}}, n=16),
    _layer("scale-element", {"scale": {"per": "element", "bias": "learned"}},
           input=(3, 5, 4), n=33),
    _layer("scale-all", {"scale": {"per": "all", "bias": "learned"}},
           input=(3, 5, 5)),
    _layer("scale-fixed", {"scale": {"weight": "fixed", "bias": "fixed"}},
           input=(3, 5, 4)),
    _layer("scale-fixed-weight", {"scale": {"weight": "fixed", "bias": "learned"}},
           input=(3, 5, 4)),
    _layer("scale-pieces", {"scale": {"bias": "learned"}}, input=(5, 41, 33), n=33,
           big=True),
]  # fmt: skip

RESPONSE_NORMS = [
    _layer(f"local_response_norm-{name}",
           {"local_response_norm": {"alpha": 0.5} | settings}, input=shape, n=n)
    for name, shape, n, settings in (
        ("odd", (7, 3, 2), 5, {"size": 3}),
        ("odd-5", (17, 2, 1), 33, {"size": 5, "beta": 0.5, "bias": 2.0}),
        ("even", (6, 1, 3), 16, {"size": 4, "beta": 1.3}),
        ("two", (5, 2, 2), 1, {"size": 2}),
        ("one", (3, 2, 2), 5, {"size": 1}),
        ("beyond-channels", (3, 2, 2), 5, {"size": 10}),
        ("1-channel", (1, 4, 3), 5, {"size": 3}),
        ("alexnet", (8, 2, 2), 5, {"size": 5, "alpha": 1e-4, "bias": 1.0}),
    )
] + [
    _layer("local_response_norm-pieces", {"local_response_norm": {"size": 5}},
           input=(6, 41, 33), n=33, big=True),
]  # fmt: skip
SOFTMAXES = [
    _layer("softmax", {"activation": "softmax"}),
    _layer("softmax-batch-33", {"activation": "softmax"}, n=33),
    _layer("softmax-of-one", {"activation": "softmax"}, input=(1,), n=1),
    _layer("softmax-image", {"activation": "softmax"}, input=(5, 3, 2), n=16),
    _layer("softmax-maps", {"activation": "softmax"}, input=(17, 7, 5), n=33),
]

NORMS = [
    _norm("vector", [17], n=33),
    _norm("vector-batch-2", [6], n=2, epsilon=0.5),  # without ε dx would be 0
    _norm("vector-long", [130], n=16),
    _norm("one-feature", [1], n=5),
    _norm("image", [3, 5, 4]),
    _norm("batch-1", [3, 5, 4], n=1),
    _norm("batch-16", [2, 7, 6], n=16),
    _norm("one-channel", [1, 6, 5], n=33),
    _norm("17-maps", [17, 5, 4], n=33),
    _norm("1x1-maps", [5, 1, 1], n=33),
    _norm("plain", [3, 5, 4], n=33, affine=False),
    _norm("plain-vector", [6], n=5, affine=False, epsilon=0.0),
    _norm("epsilon", [3, 5, 4], epsilon=0.5),
    _norm("pieces", [16, 26, 24], n=33, big=True),
]

DROPOUTS = [
    _layer("dropout-vector", {"dropout": 0.5}),
    _layer("dropout-image", {"dropout": 0.25}, input=(3, 5, 5), n=33),
    _layer("dropout-none", {"dropout": 0.0}),
    _layer("dropout-nearly-all", {"dropout": 0.99}, input=(3, 9, 7), n=16),
    _layer("dropout-pieces", {"dropout": 0.3}, input=(6, 41, 33), n=33, big=True),
]

CONNECTIONS = [
    _dense("dropconnect", [17], units=7, dropconnect=0.4),
    _dense("dropconnect-image", [3, 5, 4], n=33, units=9, dropconnect=0.25),
    _dense("dropconnect-1x1", [1], n=1, units=1, dropconnect=0.1),
    _dense("dropconnect-long", [700], n=33, units=200, dropconnect=0.5),
    _dense("freezeconnect", [17], units=7, freezeconnect=0.4),
    _conv("dropconnect", [3, 7, 6], kernel=3, padding=1, dropconnect=0.4),
    _conv("dropconnect-groups", [6, 7, 6], filters=3, kernel=3, groups=3, stride=2,
          dropconnect=0.3),
    _conv("dropconnect-17-to-17", [17, 5, 4], filters=17, kernel=3, padding=1, n=33,
          dropconnect=0.5),
    _conv("dropconnect-edge", [3, 7, 6], kernel=3, padding=1, padding_mode="edge",
          dropconnect=0.4),
    _conv("freezeconnect", [3, 7, 6], kernel=3, freezeconnect=0.5, dropconnect=0.2),
]  # fmt: skip

MERGES = [
    Case("add", (3, 5, 4), (
        {"activation": "tanh", "name": "a"},
        {"activation": "sigmoid", "name": "b", "inputs": ["input"]},
        {"activation": {"leaky_relu": 0.5}, "name": "c"},
        {"add": {}, "inputs": ["a", "b", "c", "input"]},
        "flatten",
    )),
    Case("concat", (3, 5, 4), (
        {"activation": "tanh", "name": "a"},
        {"conv": {"filters": 2, "kernel": 1}, "name": "b", "inputs": ["input"]},
        {"concat": {}, "inputs": ["a", "input", "b"]},
        "flatten",
    )),
    Case("concat-vectors", (7,), (
        {"activation": "tanh", "name": "a"},
        {"concat": {}, "inputs": ["input", "a"]},
    ), n=33),
    Case("reshape", (3, 4, 5), (
        {"reshape": {"shape": [5, 6, 2]}},
        {"conv": {"filters": 2, "kernel": 2}},
        {"reshape": {"shape": [5, 2]}},
        {"scale": {}},
        {"reshape": {"shape": [10]}},
    )),
    Case("multiply", (3, 5, 4), (
        {"activation": "tanh", "name": "a"},
        {"multiply": {}, "inputs": ["a", "input"]},
        "flatten",
    ), n=33),
    Case("multiply-itself", (7,), (
        {"multiply": {}, "inputs": ["input", "input", "input"]},
    ), n=1),
    Case("multiply-vectors", (17,), (
        {"activation": "tanh", "name": "a"},
        {"activation": "sigmoid", "name": "b", "inputs": ["input"]},
        {"multiply": {}, "inputs": ["a", "b", "input", "b"]},
    ), n=33),
    Case("multiply-squeeze-excite", (3, 9, 8), (
        {"global_average_pool": {}},
        {"activation": "sigmoid", "name": "gate"},
        {"multiply": {}, "inputs": ["input", "gate"]},
        "flatten",
    )),
    Case("multiply-two-gates", (3, 5, 4), (
        {"max_pool": {"size": [5, 4]}, "name": "a"},
        {"global_average_pool": {}, "name": "b", "inputs": ["input"]},
        {"multiply": {}, "inputs": ["a", "b", "input"]},
        "flatten",
    )),
    Case("multiply-map-between-gates", (1, 5, 3), (
        {"max_pool": {"size": [5, 3]}, "name": "a"},
        {"global_average_pool": {}, "name": "b", "inputs": ["input"]},
        {"multiply": {}, "inputs": ["a", "input", "b"]},
        "flatten",
    ), n=33),
    Case("multiply-gate-of-one-place", (17, 1, 1), (
        {"global_average_pool": {}, "name": "gate"},
        {"multiply": {}, "inputs": ["gate", "input"]},
        "flatten",
    ), n=16),
    Case("multiply-pieces", (5, 41, 33), (
        {"global_average_pool": {}, "name": "gate"},
        {"multiply": {}, "inputs": ["gate", "input"]},
        "flatten",
    ), n=33, big=True),
    Case("repeat-residual", (2, 5, 4), (
        {"repeat": {"times": 3, "layers": [
            {"conv": {"filters": 2, "kernel": 3, "padding": 1}},
            {"activation": "tanh", "name": "inner"},
            {"add": {}, "inputs": ["inner", "input"]},
        ]}},
        "flatten",
    )),
]  # fmt: skip

LOSSES = [
    _loss("squared_error", "squared_error", 10),
    _loss("squared_error-sum", {"squared_error": {"reduction": "sum"}}, 3, n=16),
    _loss("mean_squared_error", "mean_squared_error", 10),
    _loss("mean_squared_error-1", "mean_squared_error", 1, n=33),
    _loss("mean_absolute_error", "mean_absolute_error", 10, "far"),
    _loss("mean_absolute_error-1", "mean_absolute_error", 1, "far", n=1),
    _loss("binary_cross_entropy", "binary_cross_entropy", 10, "portions"),
    _loss("binary_cross_entropy-1", "binary_cross_entropy", 1, "portions", n=33),
    _loss(
        "binary_cross_entropy-sum",
        {"binary_cross_entropy": {"reduction": "sum"}},
        17,
        "portions",
        n=1,
    ),
    _loss("cross_entropy-classes", "softmax_cross_entropy", 10, "classes", n=33),
    _loss("cross_entropy-soft", "softmax_cross_entropy", 17, "soft"),
    _loss("cross_entropy-values", "softmax_cross_entropy", 5, "values"),
    _loss("cross_entropy-1", "softmax_cross_entropy", 1, "classes"),
    *(
        Case(
            f"loss-image-{loss}",
            (2, 3, 5),
            ({"activation": "identity"},),
            loss,
            n,
            targets,
        )
        for loss, n, targets in (
            ("squared_error", 33, "values"),
            ("mean_squared_error", 1, "values"),
            ("mean_absolute_error", 16, "far"),
            ("binary_cross_entropy", 5, "portions"),
        )
    ),
]

WHOLE = [
    Case("whole-keras", (1, 12, 9), (
        {"conv": {"filters": 5, "kernel": 3, "padding": "same", "bias": "learned"}},
        {"activation": "relu"},
        {"max_pool": {"size": 2}},
        {"dropout": 0.25},
        {"dense": {"units": 6}},
        {"activation": "sigmoid"},
        {"dropout": 0.5},
        {"dense": {"units": 4}},
    ), "softmax_cross_entropy", n=33, targets="classes"),
    # The layers before a normalisation sum what it gives them over all the lanes.
    Case("whole-norm", (2, 9, 7), (
        {"conv": {"filters": 3, "kernel": 3}},
        {"batch_norm": {"affine": False}},
        {"activation": {"leaky_relu": 0.01}, "name": "a"},
        {"conv": {"filters": 3, "kernel": 3, "padding": 1}},
        {"batch_norm": {}},
        {"add": {}, "inputs": ["batch_norm2", "a"]},
        {"activation": "tanh"},
        {"dense": {"units": 6, "bias": "none"}},
        {"batch_norm": {}},
        {"activation": "softmax"},
    ), "squared_error", n=33),
    Case("whole-image-to-image", (2, 9, 7), (
        {"conv": {"filters": 5, "kernel": 3, "stride": 2, "padding": 1}},
        {"activation": "tanh"},
        {"conv": {"filters": 3, "kernel": 3, "padding": "same", "bias": "learned",
                  "padding_mode": "edge"}},
    ), "binary_cross_entropy", n=33, targets="portions"),
    Case("whole-ignet", (1, 20, 15), (
        {"conv": {"filters": 8, "kernel": 9, "stride": 3}},
        {"activation": "identity"},
        {"conv": {"filters": 3, "kernel": 2, "bias": "fixed"}},
        {"activation": "bipolar_sigmoid"},
        {"dense": {"units": 1, "bias": "none"}},
    ), "mean_absolute_error", n=16, targets="far"),
]  # fmt: skip

CASES = [
    *CONVOLUTIONS,
    *DENSE,
    *POOLS,
    *PADS,
    *ACTIVATIONS,
    *CLIPS,
    *SCALES,
    *RESPONSE_NORMS,
    *SOFTMAXES,
    *NORMS,
    *DROPOUTS,
    *CONNECTIONS,
    *MERGES,
    *LOSSES,
    *WHOLE,
]


def relative(received: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference over the largest expected number."""
    assert received.shape == expected.shape
    largest = np.abs(expected).max()
    worst = np.abs(received - expected).max()
    return float(worst / largest) if largest > 0.0 else float(worst)
