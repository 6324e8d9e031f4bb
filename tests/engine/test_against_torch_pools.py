"""Layers of imported networks against PyTorch: outputs and the input's gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.engine.cases import Case, relative

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.compare
functions = torch.nn.functional

TOLERANCE = 1e-4


def agree(layers: Any, theirs: Callable, device, shape=(5, 13, 11)) -> None:
    """Compare one layer or more with PyTorch's function under the loss ½ Σ (y − t)²."""
    layers = layers if isinstance(layers, tuple) else (layers, "flatten")
    loss = {"squared_error": {"reduction": "sum"}}
    case = Case(f"{layers}", shape, layers, loss, n=9)
    network = case.network(device)
    x, t = case.x(), case.t(*network.output_shape)

    inputs = torch.tensor(x, requires_grad=True)
    outputs = theirs(inputs).flatten(1)
    (0.5 * (outputs - torch.tensor(t)) ** 2).sum().backward()

    assert relative(network.predict(x), outputs.detach().numpy()) <= TOLERANCE
    gradient = network.gradients(x, t)["input"]
    assert relative(gradient, inputs.grad.numpy()) <= TOLERANCE


POOLS = [
    {"size": 2},
    {"size": 3, "stride": 2, "padding": 1},
    {"size": [2, 3], "stride": [3, 1], "padding": [1, 0]},
    {"size": 2, "stride": 3},
    {"size": 3, "stride": 2, "ceil_mode": True},
    {"size": 2, "stride": 4, "ceil_mode": True},
    {"size": 4, "stride": [3, 5], "padding": [2, 1], "ceil_mode": True},
]


def described(settings: dict[str, Any]) -> str:
    return "-".join(f"{key}={value}" for key, value in settings.items())


def for_torch(settings: dict[str, Any]) -> dict[str, Any]:
    return {"kernel_size" if k == "size" else k: v for k, v in settings.items()}


@pytest.mark.parametrize(
    "settings",
    [
        *POOLS,
        {"size": 3, "dilation": 2},
        {"size": [3, 2], "stride": 2, "padding": 1, "dilation": [2, 3],
         "ceil_mode": True},
    ],
    ids=described,
)  # fmt: skip
def test_max_pool(settings, device):
    def theirs(x):
        return functions.max_pool2d(x, **for_torch(settings))

    agree({"max_pool": settings}, theirs, device)


@pytest.mark.parametrize("settings", POOLS, ids=described)
@pytest.mark.parametrize("counted", [True, False])
def test_average_pool(settings, counted, device):
    def theirs(x):
        given = for_torch(settings)
        return functions.avg_pool2d(x, count_include_pad=counted, **given)

    agree({"average_pool": settings | {"count_padding": counted}}, theirs, device)


def test_padding_on_four_sides(device):
    sides, torchs_order = [0, 2, 1, 0], (2, 0, 0, 1)  # left, right, top, bottom
    settings = {"size": 3, "stride": 2, "padding": sides}

    def maxima(x):
        return functions.max_pool2d(functions.pad(x, torchs_order, value=-np.inf), 3, 2)

    def means(x):
        return functions.avg_pool2d(functions.pad(x, torchs_order), 3, 2)

    agree({"max_pool": settings}, maxima, device)
    agree({"average_pool": settings}, means, device)


@pytest.mark.parametrize("counted", [True, False])
def test_dilated_means(counted, device):
    """PyTorch has none: a convolution with equal weights stands for it."""
    settings = {"size": [2, 3], "stride": 2, "dilation": [4, 2], "padding": [2, 1]}

    def sums(x):
        ones = torch.ones(x.shape[1], 1, 2, 3)
        return functions.conv2d(
            x, ones, stride=2, dilation=(4, 2), padding=(2, 1), groups=x.shape[1]
        )

    def means(x):
        return sums(x) / (6.0 if counted else sums(torch.ones_like(x)))

    agree({"average_pool": settings | {"count_padding": counted}}, means, device)


def test_global_average_pool(device):
    agree({"global_average_pool": {}}, lambda x: x.mean(dim=(2, 3)), device)


@pytest.mark.parametrize("limits", [(0.0, 6.0), (-0.7, 1.1), (None, 0.5), (-1.5, None)])
def test_clip(limits, device):
    layer = {"clip": dict(zip(("minimum", "maximum"), limits, strict=True))}
    agree(layer, lambda x: torch.clamp(x, *limits), device)
    if None not in limits:
        agree(layer, lambda x: functions.hardtanh(x, *limits), device)


def test_clip_sends_nothing_back_from_its_limits(any_device):
    """As PyTorch's hardtanh and ReLU do, and unlike its clamp."""
    layers = ({"clip": {"minimum": 0, "maximum": 1}},)
    case = Case("at-the-limits", (5,), layers, n=1)
    x = np.array([[-1.0, 0.0, 0.5, 1.0, 2.0]], np.float32)
    t = np.full((1, 5), 9.0, np.float32)
    received = case.network(any_device).gradients(x, t)["input"]
    inputs = torch.tensor(x, requires_grad=True)
    (
        0.5 * (functions.hardtanh(inputs, 0.0, 1.0) - torch.tensor(t)) ** 2
    ).sum().backward()
    np.testing.assert_allclose(received, inputs.grad.numpy())


@pytest.mark.parametrize(
    "settings",
    [
        {"size": 5},
        {"size": 3, "alpha": 0.5, "beta": 1.3, "bias": 2.0},
        {"size": 4, "alpha": 0.5},
        {"size": 12, "alpha": 0.5},
    ],
    ids=described,
)
def test_local_response_norm(settings, device):
    """Of an even window PyTorch has the longer half before the channel, ONNX behind."""
    names = {"size": "size", "alpha": "alpha", "beta": "beta", "bias": "k"}
    theirs = torch.nn.LocalResponseNorm(**{names[k]: v for k, v in settings.items()})
    layer = {"local_response_norm": settings}
    agree(layer, lambda x: theirs(x.flip(1)).flip(1), device)


def test_product_with_a_gate(device):
    layers = (
        {"global_average_pool": {}},
        {"activation": "sigmoid", "name": "gate"},
        {"multiply": {}, "inputs": ["input", "gate"]},
        "flatten",
    )
    agree(layers, lambda x: x * torch.sigmoid(x.mean(dim=(2, 3), keepdim=True)), device)
