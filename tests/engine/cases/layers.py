"""Cases of the other layers: each alone, and its output the network's."""

from __future__ import annotations

from typing import Any

from tests.engine.cases.case import Case


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
    _pool("average_pool", "ceil-beyond-padding", [2, 6, 9], size=4, stride=3,
          padding=1, ceil_mode=True),
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
    _norm("gamma", [3, 5, 4], n=33, affine="gamma"),
    _norm("beta", [3, 5, 4], n=33, affine="beta"),
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
