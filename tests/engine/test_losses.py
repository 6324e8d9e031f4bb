"""Losses: the formulas written out by hand, extreme logits, and targets refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import engine
from tests.engine.cases import FLOAT32_FORWARD

Z = [[0.5, -1.25, 2.0], [3.0, 0.25, -0.75]]
T = [[1.0, -1.0, 0.5], [0.0, 1.0, -2.0]]
SOFT = [[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]]
PORTIONS = [[0.2, 1.0, 0.0], [0.9, 0.5, 0.25]]


def identity(device, loss, outputs: int = 3) -> engine.Network:
    """Return the network without parameters whose outputs are its inputs."""
    spec = {"input": [outputs], "layers": [{"activation": "identity"}], "loss": loss}
    return engine.Network.from_spec(spec, device=device)


def log_sum_exp(z: list[float]) -> float:
    return math.log(math.fsum(math.exp(v) for v in z))


def cross_entropy(z: list[float], t: list[float]) -> float:
    return math.fsum(b * (log_sum_exp(z) - a) for a, b in zip(z, t, strict=True))


def differences(z: list[float], t: list[float]) -> list[float]:
    return [a - b for a, b in zip(z, t, strict=True)]


def bits(z: float, t: float) -> float:
    s = 1.0 / (1.0 + math.exp(-z))
    return -t * math.log(s) - (1.0 - t) * math.log(1.0 - s)


BY_HAND = {
    "squared_error": lambda z, t: sum(d * d for d in differences(z, t)) / 2,
    "mean_squared_error": lambda z, t: sum(d * d for d in differences(z, t)) / 3,
    "mean_absolute_error": lambda z, t: sum(map(abs, differences(z, t))) / 3,
    "binary_cross_entropy": lambda z, t: sum(map(bits, z, t)) / 3,
    "softmax_cross_entropy": cross_entropy,
}
TARGETS = dict.fromkeys(BY_HAND, T) | {
    "binary_cross_entropy": PORTIONS,
    "softmax_cross_entropy": SOFT,
}


@pytest.mark.parametrize("loss", BY_HAND)
def test_loss_is_the_mean_over_samples_of_the_formula(loss, any_device):
    targets = TARGETS[loss]
    each = [BY_HAND[loss](z, t) for z, t in zip(Z, targets, strict=True)]
    received = identity(any_device, loss).loss(np.array(Z), np.array(targets))
    assert received == pytest.approx(sum(each) / 2, rel=FLOAT32_FORWARD)


@pytest.mark.parametrize("loss", BY_HAND)
def test_reduction_sum_adds_the_samples_up(loss, any_device):
    x, t = np.array(Z), np.array(TARGETS[loss])
    mean = identity(any_device, loss)
    total = identity(any_device, {loss: {"reduction": "sum"}})
    assert total.loss(x, t) == pytest.approx(2 * mean.loss(x, t), rel=1e-6)
    np.testing.assert_allclose(
        total.gradients(x, t)["input"], 2 * mean.gradients(x, t)["input"], rtol=1e-6
    )


def test_class_numbers_mean_what_their_unit_vectors_do(any_device):
    net, x = identity(any_device, "softmax_cross_entropy"), np.array(Z)
    classes, vectors = np.array([2, 0]), np.eye(3)[[2, 0]]
    assert net.loss(x, classes) == pytest.approx(net.loss(x, vectors), rel=1e-6)
    np.testing.assert_allclose(
        net.gradients(x, classes)["input"],
        net.gradients(x, vectors)["input"],
        atol=1e-7,
    )


@pytest.mark.parametrize(
    ("z", "class_", "loss", "gradient"),
    [
        ([1000.0, 0.0, -1000.0], 0, 0.0, [0.0, 0.0, 0.0]),
        ([1000.0, 0.0, -1000.0], 1, 1000.0, [1.0, -1.0, 0.0]),
        ([1000.0, 0.0, -1000.0], 2, 2000.0, [1.0, 0.0, -1.0]),
        ([-1000.0, -1000.0, -1000.0], 0, math.log(3), [-2 / 3, 1 / 3, 1 / 3]),
        ([1000.0, 1000.0, 0.0], 1, math.log(2), [0.5, -0.5, 0.0]),
    ],
)
def test_cross_entropy_of_extreme_logits(z, class_, loss, gradient, any_device):
    net = identity(any_device, "softmax_cross_entropy")
    x, t = np.array([z]), np.array([class_])
    assert net.loss(x, t) == pytest.approx(loss, rel=FLOAT32_FORWARD, abs=1e-6)
    np.testing.assert_allclose(net.gradients(x, t)["input"][0], gradient, atol=1e-6)
    soft = np.eye(3)[[class_]]
    assert net.loss(x, soft) == pytest.approx(loss, rel=FLOAT32_FORWARD, abs=1e-6)
    np.testing.assert_allclose(net.gradients(x, soft)["input"][0], gradient, atol=1e-6)


@pytest.mark.parametrize(
    ("z", "t", "loss", "gradient"),
    [
        (1000.0, 1.0, 0.0, 0.0),
        (1000.0, 0.0, 1000.0, 1.0),
        (-1000.0, 0.0, 0.0, 0.0),
        (-1000.0, 1.0, 1000.0, -1.0),
        (1000.0, 0.25, 750.0, 0.75),
        (-1000.0, 0.25, 250.0, -0.25),
        (0.0, 0.5, math.log(2), 0.0),
    ],
)
def test_binary_cross_entropy_of_extreme_logits(z, t, loss, gradient, any_device):
    net = identity(any_device, "binary_cross_entropy", outputs=1)
    x, targets = np.array([[z]]), np.array([t])
    assert net.loss(x, targets) == pytest.approx(loss, rel=FLOAT32_FORWARD, abs=1e-6)
    dx = net.gradients(x, targets)["input"]
    np.testing.assert_allclose(dx, [[gradient]], atol=1e-6)


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "binary_cross_entropy"])
@pytest.mark.parametrize("portion", [0.0, 0.3, 1.0])
def test_a_mix_of_two_targets_has_the_mix_of_the_two_losses(loss, portion, any_device):
    """S2, Mixup: targets λ a + (1 − λ) b of two unit vectors."""
    net, x = identity(any_device, loss), np.array(Z)
    first, second = np.eye(3)[[2, 0]], np.eye(3)[[1, 0]]
    mixed = portion * first + (1.0 - portion) * second
    both = portion * net.loss(x, first) + (1.0 - portion) * net.loss(x, second)
    assert net.loss(x, mixed) == pytest.approx(both, rel=FLOAT32_FORWARD)
    expected = sum(
        share * net.gradients(x, t)["input"]
        for share, t in ((portion, first), (1.0 - portion, second))
    )
    np.testing.assert_allclose(net.gradients(x, mixed)["input"], expected, atol=1e-7)


def test_squared_cost_of_sigmoids(any_device):
    """S3 2.1: Σ (d − g)², with ∂/∂w = 2 (d − g) d (1 − d) c, is twice our loss."""
    spec = {
        "input": [4],
        "layers": [{"dense": {"units": 3}}, {"activation": "sigmoid"}],
        "loss": {"squared_error": {"reduction": "sum"}},
    }
    net = engine.Network.from_spec(spec, device=any_device, seed=1)
    c = np.array([[0.5, -1.0, 2.0, 0.25], [1.0, 0.0, -0.5, 3.0]])
    g = np.eye(3)[[2, 0]]
    p = net.parameters()
    d = 1.0 / (1.0 + np.exp(-c @ p["dense1.weight"].T - p["dense1.bias"]))
    assert 2.0 * net.loss(c, g) == pytest.approx(((d - g) ** 2).sum(), rel=1e-5)
    slope = 2.0 * (d - g) * d * (1.0 - d)
    gradients = net.gradients(c, g)
    np.testing.assert_allclose(2.0 * gradients["dense1.weight"], slope.T @ c, atol=1e-6)
    np.testing.assert_allclose(2.0 * gradients["dense1.bias"], slope.sum(0), atol=1e-6)


def test_outputs_that_are_images(any_device):
    """The mean over all numbers of a sample, whatever their arrangement."""
    spec = {"input": [2, 1, 3], "layers": [{"activation": "identity"}]}
    generator = np.random.Generator(np.random.PCG64(0))
    x, t = generator.random((2, 7, 2, 1, 3))
    for loss in ("mean_squared_error", "mean_absolute_error", "binary_cross_entropy"):
        net = engine.Network.from_spec(spec | {"loss": loss}, device=any_device)
        flat = identity(any_device, loss, outputs=6)
        rows = x.reshape(7, 6), t.reshape(7, 6)
        assert net.loss(x, t) == pytest.approx(flat.loss(*rows), rel=1e-6)
        np.testing.assert_array_equal(
            net.gradients(x, t)["input"].reshape(7, 6), flat.gradients(*rows)["input"]
        )
        np.testing.assert_array_equal(net.predict(x), x.astype(np.float32))
        with pytest.raises(
            engine.InputError, match=r"expected shape \(7, 2, 1, 3\), r"
        ):
            net.loss(x, rows[1])


def test_training_on_images_hands_the_score_images(any_device):
    spec = {
        "input": [1, 3, 4],
        "layers": [{"conv": {"filters": 1, "kernel": 3, "padding": 1}}],
        "loss": "mean_squared_error",
    }
    net = engine.Network.from_spec(spec, device=any_device, seed=0)
    generator = np.random.Generator(np.random.PCG64(0))
    x = generator.standard_normal((20, 1, 3, 4))
    shapes = []

    def score(outputs, t):
        shapes.append((outputs.shape, t.shape))
        return float(np.square(outputs - t).mean())

    trainer = engine.Trainer(net, {"adam": {"learning_rate": 0.05}}, batch_size=4)
    history = trainer.fit((x, 2 * x), (x, 2 * x), passes=20, score=score)
    assert set(shapes) == {((20, 1, 3, 4), (20, 1, 3, 4))}
    losses = [row["validation_loss"] for row in history.rows]
    assert min(losses) < 0.1 * losses[0]


def test_absolute_error_at_its_target_has_gradient_zero(any_device):
    net = identity(any_device, "mean_absolute_error")
    dx = net.gradients(np.array(Z), np.array(Z))["input"]
    np.testing.assert_array_equal(dx, np.zeros((2, 3)))


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mean_squared_error"])
def test_loss_does_not_depend_on_how_evaluation_is_batched(loss, any_device):
    net = identity(any_device, loss)
    generator = np.random.Generator(np.random.PCG64(0))
    x = generator.standard_normal((37, 3))
    t = generator.random((37, 3))
    t /= t.sum(axis=1, keepdims=True)
    whole = net.loss(x, t)
    assert net.loss(x, t, batch_size=5) == pytest.approx(whole, rel=1e-6)


SQUARED, ENTROPY = "squared_error", "softmax_cross_entropy"
BINARY = "binary_cross_entropy"


@pytest.mark.parametrize(
    ("loss", "targets", "text"),
    [
        (SQUARED, np.zeros((3, 3)), r"as many as inputs \(=2\), received shape \(3, 3"),
        (SQUARED, np.zeros((2, 4)), r"expected shape \(2, 3\), received \(2, 4\)"),
        (SQUARED, np.zeros(2), r"expected shape \(2, 3\), received \(2,\) of dtype fl"),
        (SQUARED, np.array(1.0), r"as many as inputs \(=2\), received shape \(\)"),
        (SQUARED, [["a"] * 3] * 2, "expected numbers, received dtype <U1"),
        (SQUARED, np.zeros((2, 3), bool), "expected numbers, received dtype bool"),
        (SQUARED, [[0, 0, 0], [0, np.nan, 0]], "NaN or infinity in row 1"),
        (SQUARED, [[0, np.inf, 0], [0, 0, 0]], "NaN or infinity in row 0"),
        (
            BINARY,
            [[0, 1, 0], [0, 1.5, 0]],
            r"numbers in \[0, 1\], received 1.5 in row 1",
        ),
        (BINARY, [[-0.1, 1, 0], [0, 1, 0]], "binary_cross_entropy: .*-0.1 in row 0"),
        (
            BINARY,
            np.array([0, 1]),
            r"expected shape \(2, 3\), received \(2,\) of dtype i",
        ),
        (BINARY, [[0, np.nan, 1], [0, 1, 0]], "NaN or infinity in row 0"),
        (ENTROPY, np.array([0, 3]), r"numbers 0 \.\.\. 2 .*received 3 in row 1"),
        (ENTROPY, np.array([-1, 0]), r"numbers 0 \.\.\. 2 .*received -1 in row 0"),
        (ENTROPY, np.array([0, 1, 2]), r"as many as inputs \(=2\)"),
        (ENTROPY, np.zeros((2, 2), int), r"expected shape \(2,\), received \(2, 2\)"),
        (ENTROPY, np.array([0.0, 1.0]), r"int classes \(n,\), received \(2,\)"),
    ],
)
def test_targets_that_do_not_fit(loss, targets, text, any_device):
    net = identity(any_device, loss)
    with pytest.raises(engine.InputError, match=text):
        net.loss(np.array(Z), targets)
    with pytest.raises(engine.InputError, match=text):
        net.gradients(np.array(Z), targets)


def test_integers_are_values_for_a_regression(any_device):
    net = identity(any_device, "squared_error", outputs=1)
    x = np.array([[1.5], [2.0]])
    assert net.loss(x, np.array([1, 4])) == pytest.approx((0.125 + 2.0) / 2)
