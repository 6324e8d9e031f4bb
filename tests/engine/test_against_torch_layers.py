"""Layers and losses against PyTorch on the CPU: outputs and every gradient, float32.

Pooling: test_against_torch_pools.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

import engine
from tests.engine.cases import Case, relative

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
functions = torch.nn.functional
pytestmark = pytest.mark.compare

TOLERANCE = 1e-4
Tensors = Mapping[str, "torch.Tensor"]
Forward = Callable[["torch.Tensor", Tensors], "torch.Tensor"]


def half_squares(y, t):
    """½ Σ (y − t)², the mean over the samples."""
    return 0.5 * ((y - t) ** 2).sum() / len(y)


def agree(case: Case, theirs: Forward, device, loss: Callable = half_squares) -> None:
    """Compare the network in training mode: outputs, loss, and every gradient.

    theirs(x, p): PyTorch's outputs, with p our network's parameters by name.
    """
    network = case.network(device)
    x, t = case.x(), case.t(*network.output_shape)
    p = {
        name: torch.tensor(values, requires_grad=True)
        for name, values in network.parameters().items()
    }
    inputs = torch.tensor(x, requires_grad=True)
    outputs = theirs(inputs, p)
    value = loss(outputs, torch.tensor(t))
    value.backward()

    plan = network.plan(case.n, training=True)
    plan.run(x)
    received = network.backend.get(plan.z)
    assert relative(received, outputs.detach().numpy()) <= TOLERANCE
    if not any(name.endswith("running_mean") for name in p):
        assert network.loss(x, t) == pytest.approx(value.item(), rel=TOLERANCE)
    for name, gradient in network.gradients(x, t).items():
        expected = inputs.grad if name == "input" else p[name].grad
        error = relative(gradient, expected.numpy())
        assert error <= TOLERANCE, f"{name}: {error:.1e}"


def described(value: Any) -> str:
    if isinstance(value, Mapping):
        return "-".join(f"{key}={each}" for key, each in value.items())
    return str(value)


# --- convolution, dense, padding ------------------------------------------------------

CONVOLUTIONS = [
    {"kernel": 1},
    {"kernel": 1, "stride": 2},
    {"kernel": [3, 2]},
    {"kernel": [1, 5], "bias": "none"},
    {"kernel": [9, 8]},
    {"kernel": 3, "stride": [2, 3]},
    {"kernel": 2, "stride": 4},
    {"kernel": 3, "padding": 1},
    {"kernel": 3, "padding": [2, 0]},
    {"kernel": 3, "padding": [0, 1, 2, 3]},
    {"kernel": 3, "padding": "valid"},
    {"kernel": 3, "padding": "same"},
    {"kernel": [2, 4], "padding": "same"},
    {"kernel": 3, "padding": "same", "dilation": [3, 2]},
    {"kernel": 4, "padding": [1, 1, 2, 1], "stride": [3, 2]},
    {"kernel": 3, "dilation": 2},
    {"kernel": [3, 2], "dilation": [2, 3], "stride": 2, "padding": 1},
    {"kernel": 3, "groups": 2, "padding": 1},
    {"kernel": 3, "groups": 4, "filters": 4, "padding": 1},
    {"kernel": 5, "groups": 4, "filters": 8, "padding": 2, "bias": "none"},
    {"kernel": 3, "filters": 33, "padding": 1},
    {"kernel": 3, "filters": 1},
    {"kernel": 3, "padding": 1, "padding_mode": "edge"},
    {"kernel": 3, "padding": [0, 1, 2, 3], "padding_mode": "edge", "stride": 2},
    {"kernel": 5, "padding": "same", "padding_mode": "edge", "groups": 2},
]


def sides(padding: Any) -> tuple[int, int, int, int]:
    """Return (left, right, top, bottom), the order of PyTorch's `pad`."""
    both = [padding] * 2 if isinstance(padding, int) else list(padding)
    top, left, bottom, right = (both * 2)[:4]
    return left, right, top, bottom


def convolved(x, w, b, settings: Mapping[str, Any]):
    """Return PyTorch's convolution; `same` is its own word, and ours with stride 1."""
    chosen = {k: settings[k] for k in ("stride", "dilation", "groups") if k in settings}
    padding = settings.get("padding", 0)
    edge = settings.get("padding_mode") == "edge"
    if isinstance(padding, str) and not edge:
        return functions.conv2d(x, w, b, padding=padding, **chosen)
    if padding == "same":
        padding = settings["kernel"] // 2
    mode = "replicate" if edge else "constant"
    return functions.conv2d(functions.pad(x, sides(padding), mode=mode), w, b, **chosen)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("n", [1, 33])
@pytest.mark.parametrize("settings", CONVOLUTIONS, ids=described)
def test_convolution(settings, n, device):
    settings = {"filters": 6, "bias": "learned"} | settings
    case = Case(f"conv-{settings}", (4, 9, 8), ({"conv": settings},), n=n)

    def theirs(x, p):
        return convolved(x, p["conv1.weight"], p.get("conv1.bias"), settings)

    agree(case, theirs, device)


@pytest.mark.parametrize("bias", ["none", "learned"])
def test_dense(bias, device):
    case = Case("dense", (3, 5, 4), ({"dense": {"units": 7, "bias": bias}},), n=33)

    def theirs(x, p):
        weight, bias = p["dense1.weight"], p.get("dense1.bias")
        return functions.linear(x.flatten(1), weight, bias)

    agree(case, theirs, device)


@pytest.mark.parametrize("padding", [2, [1, 3], [0, 1, 2, 3]], ids=str)
@pytest.mark.parametrize(
    ("mode", "their_mode"),
    [("constant", "constant"), ("edge", "replicate"), ("reflect", "reflect")],
)
def test_padding(mode, their_mode, padding, device):
    value = 1.5 if mode == "constant" else 0.0
    settings = {"padding": padding, "mode": mode, "value": value}
    case = Case("pad", (3, 6, 5), ({"pad": settings},), n=9)

    def theirs(x, p):
        given = {"value": value} if mode == "constant" else {}
        return functions.pad(x, sides(padding), mode=their_mode, **given)

    agree(case, theirs, device)


# --- activations ----------------------------------------------------------------------

ACTIVATIONS: dict[str, tuple[Any, Callable]] = {
    "identity": ("identity", lambda x: x),
    "relu": ("relu", functions.relu),
    "leaky_relu": ("leaky_relu", lambda x: functions.leaky_relu(x, 0.01)),
    "leaky_relu-0.15": (
        {"leaky_relu": 0.15},
        lambda x: functions.leaky_relu(x, 0.15),
    ),
    "sigmoid": ("sigmoid", torch.sigmoid),
    "bipolar_sigmoid": ("bipolar_sigmoid", lambda x: 2.0 * torch.sigmoid(x) - 1.0),
    "tanh": ("tanh", torch.tanh),
    "softmax": ("softmax", lambda x: torch.softmax(x, dim=1)),
}


@pytest.mark.parametrize("shape", [(17,), (5, 4, 3)], ids=["vector", "image"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name, shape, device):
    ours, theirs = ACTIVATIONS[name]
    case = Case(name, shape, ({"activation": ours},), n=33)
    agree(case, lambda x, p: theirs(x), device)


# --- batch normalisation --------------------------------------------------------------

NORMS = [
    {},
    {"affine": False},
    {"epsilon": 0.1},
    {"momentum": 0.4},
    {"momentum": 0.9, "affine": False},
]


def normalised(x, p: Tensors, name: str, epsilon: float = 1e-5):
    """Return PyTorch's normalisation by the batch."""
    gamma, beta = p.get(f"{name}.gamma"), p.get(f"{name}.beta")
    return functions.batch_norm(x, None, None, gamma, beta, training=True, eps=epsilon)


@pytest.mark.parametrize("settings", NORMS, ids=described)
@pytest.mark.parametrize("shape", [(6,), (3, 7, 5)], ids=["vector", "image"])
def test_batch_norm_in_training(shape, settings, device):
    # Behind the normalisation a tanh, or its gradient would be that of a constant.
    layers = ({"batch_norm": settings}, {"activation": "tanh"})
    case = Case(f"norm-{settings}", shape, layers, n=33)
    epsilon = settings.get("epsilon", 1e-5)
    agree(
        case, lambda x, p: torch.tanh(normalised(x, p, "batch_norm1", epsilon)), device
    )


@pytest.mark.parametrize("settings", NORMS, ids=described)
@pytest.mark.parametrize("shape", [(6,), (3, 7, 5)], ids=["vector", "image"])
def test_batch_norm_in_evaluation_after_some_steps(shape, settings, device):
    layer = {"batch_norm": settings}
    case = Case("norm", shape, (layer,))
    network = engine.Network.from_spec(case.spec, device=device)
    kind = torch.nn.BatchNorm1d if len(shape) == 1 else torch.nn.BatchNorm2d
    theirs = kind(
        shape[0],
        eps=settings.get("epsilon", 1e-5),
        momentum=settings.get("momentum", 0.1),
        affine=settings.get("affine", True),
    )
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.0}})
    generator = np.random.Generator(np.random.PCG64(6))
    for n in (9, 33, 2, 16):
        x = generator.normal(3.0, 2.0, (n, *shape)).astype(np.float32)
        trainer.step(x, np.zeros((n, *shape)))
        theirs(torch.tensor(x))
    running = network.parameters()
    for name, expected in (
        ("running_mean", theirs.running_mean),
        ("running_variance", theirs.running_var),
    ):
        received = running[f"batch_norm1.{name}"]
        assert relative(received, expected.numpy()) <= TOLERANCE
    x = generator.normal(3.0, 2.0, (5, *shape)).astype(np.float32)
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    assert relative(network.predict(x), expected) <= TOLERANCE


# --- losses ---------------------------------------------------------------------------

LOSSES: dict[str, tuple[Any, str, Callable]] = {
    "classes": ("softmax_cross_entropy", "classes", functions.cross_entropy),
    "soft": ("softmax_cross_entropy", "soft", functions.cross_entropy),
    "binary": (
        "binary_cross_entropy",
        "portions",
        functions.binary_cross_entropy_with_logits,
    ),
    "mean-squares": ("mean_squared_error", "values", functions.mse_loss),
    "absolute": ("mean_absolute_error", "values", functions.l1_loss),
    "half-squares": ("squared_error", "values", half_squares),
    "half-squares-sum": (
        {"squared_error": {"reduction": "sum"}},
        "values",
        lambda y, t: 0.5 * functions.mse_loss(y, t, reduction="sum"),
    ),
}


@pytest.mark.parametrize("outputs", [1, 10])
@pytest.mark.parametrize("name", LOSSES)
def test_loss(name, outputs, device):
    ours, targets, theirs = LOSSES[name]
    layers = ({"activation": "identity"},)
    case = Case(name, (outputs,), layers, ours, n=33, targets=targets)
    agree(case, lambda x, p: x, device, theirs)


@pytest.mark.parametrize("name", ["binary", "mean-squares", "absolute"])
def test_loss_of_images(name, device):
    ours, targets, theirs = LOSSES[name]
    layers = ({"activation": "identity"},)
    case = Case(name, (2, 5, 3), layers, ours, n=9, targets=targets)
    agree(case, lambda x, p: x, device, theirs)


# --- together -------------------------------------------------------------------------


def test_a_residual_network(device):
    """S4's blocks: conv, normalisation, leaky ReLU; a sum; means; a dense layer."""
    conv = {"conv": {"filters": 8, "kernel": 3, "padding": 1}}
    block = [conv, {"batch_norm": {}}, {"activation": {"leaky_relu": 0.01}}]
    layers = (
        *block,
        {"repeat": {"times": 2, "layers": [
            *block,
            conv,
            {"batch_norm": {}, "name": "second"},
            {"add": {}, "inputs": ["second", "input"]},
            {"activation": {"leaky_relu": 0.01}},
        ]}},
        {"average_pool": {"size": 2}},
        "global_average_pool",
        {"dense": {"units": 10}},
    )  # fmt: skip
    case = Case("residual", (3, 12, 10), layers, "softmax_cross_entropy", 33, "classes")

    def convolution(x, p, number: int):
        weight = p[f"conv{number}.weight"]
        return functions.conv2d(x, weight, padding=1)

    def theirs(x, p):
        def leaky(x):
            return functions.leaky_relu(x, 0.01)

        x = leaky(normalised(convolution(x, p, 1), p, "batch_norm1"))
        for turn in (1, 2):
            y = convolution(x, p, 2 * turn)
            y = convolution(
                leaky(normalised(y, p, f"batch_norm{2 * turn}")), p, 2 * turn + 1
            )
            x = leaky(x + normalised(y, p, f"second-{turn}"))
        x = functions.avg_pool2d(x, 2).mean(dim=(2, 3))
        return functions.linear(x, p["dense1.weight"], p["dense1.bias"])

    agree(case, theirs, device, functions.cross_entropy)
