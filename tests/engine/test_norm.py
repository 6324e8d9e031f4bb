"""Batch normalisation: its formulas, and what happens to its running statistics."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine.diagnostics import gradient_check
from tests.engine.cases import FLOAT32_FORWARD, NORMS, Case, relative
from tests.engine.test_training import digest

MOMENTUM = 0.3
IMAGES = {"input": [3, 5, 4], "loss": "softmax_cross_entropy", "layers": [
    {"conv": {"filters": 4, "kernel": 2}},
    {"batch_norm": {"momentum": MOMENTUM}, "name": "norm"},
    {"dense": {"units": 2}},
]}  # fmt: skip


def batch(n: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(seed))
    return generator.normal(1.0, 2.0, (n, 3, 5, 4)), generator.integers(0, 2, n)


def axes(x: np.ndarray) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def channels(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    return values.reshape(-1, *[1] * (x.ndim - 2))


def in_training(network: engine.Network, layer: int, x: np.ndarray) -> np.ndarray:
    """Return a layer's output in training mode."""
    plan = network.plan(len(x), training=True)
    plan.run(x)
    return network.backend.get(plan.output(layer))


def running(network: engine.Network) -> dict[str, np.ndarray]:
    return {k: v for k, v in network.parameters().items() if "running" in k}


# --- formulas -------------------------------------------------------------------------


@pytest.mark.parametrize("case", NORMS, ids=lambda case: case.name)
def test_training_normalises_by_the_batch(case, reference):
    network, x = case.network(reference), case.x().astype(np.float64)
    p = {k.split(".")[1]: v for k, v in network.parameters().items()}
    mean = x.mean(axis=axes(x), keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=axes(x), keepdims=True)
    epsilon = case.layers[0]["batch_norm"].get("epsilon", 1e-5)
    expected = (x - mean) / np.sqrt(variance + epsilon)
    if "gamma" in p:
        expected = channels(p["gamma"], x) * expected + channels(p["beta"], x)
    assert relative(in_training(network, 0, x), expected) <= 1e-12


@pytest.mark.parametrize("case", NORMS, ids=lambda case: case.name)
def test_evaluation_normalises_by_the_running_statistics(case, reference):
    network, x = case.network(reference), case.x().astype(np.float64)
    p = {k.split(".")[1]: channels(v, x) for k, v in network.parameters().items()}
    epsilon = case.layers[0]["batch_norm"].get("epsilon", 1e-5)
    expected = (x - p["running_mean"]) / np.sqrt(p["running_variance"] + epsilon)
    expected = np.tanh(p.get("gamma", 1.0) * expected + p.get("beta", 0.0))
    received = network.predict(x)
    assert relative(received, expected.reshape(received.shape)) <= 1e-6


def test_a_new_layer_changes_nothing_in_evaluation(any_device):
    layer = {"batch_norm": {"epsilon": 0.0}}
    case = Case("new", (3, 5, 4), (layer, "flatten"))
    network = engine.Network.from_spec(case.spec, device=any_device)
    shapes = {"gamma": 1.0, "beta": 0.0, "running_mean": 0.0, "running_variance": 1.0}
    for name, value in shapes.items():
        parameter = network.parameters()[f"batch_norm1.{name}"]
        np.testing.assert_array_equal(parameter, np.full(3, value))
    x = case.x()
    np.testing.assert_array_equal(network.predict(x), x.reshape(len(x), -1))


@pytest.mark.parametrize("shape", [(4, 9, 7), (6,), (1, 64, 64)], ids=str)
@pytest.mark.parametrize("n", [33, 160])
def test_a_mean_of_1000_and_a_deviation_of_1(shape, n, device):
    """The mean of the squares minus the square of the mean would be wrong by 6 %."""
    case = Case("far", shape, ({"batch_norm": {}}, "flatten"), n=n)
    generator = np.random.Generator(np.random.PCG64(1))
    x = generator.normal(1000.0, 1.0, (n, *shape)).astype(np.float32)
    network = engine.Network.from_spec(case.spec, device=device)
    exact = x.astype(np.float64)
    mean = exact.mean(axis=axes(x), keepdims=True)
    expected = (exact - mean) / np.sqrt(exact.var(axis=axes(x), keepdims=True) + 1e-5)
    # float32 holds a mean of 1000 to 6e-5 at best, against a deviation of 1
    np.testing.assert_allclose(in_training(network, 0, x), expected, atol=1e-4)


def test_what_fills_up_a_batch_does_not_grow_beyond_the_largest_number(any_device):
    """Where equal samples are divided by 1e-15, other numbers would be multiplied."""
    layer = {"batch_norm": {"epsilon": 1e-30, "affine": False}}
    conv = {"conv": {"filters": 2, "kernel": 1, "bias": "learned"}}
    case = Case("equal", (3, 1, 1), (*[layer] * 4, conv, "flatten"), n=33)
    network = case.network(any_device)
    gradients = network.gradients(np.ones((33, 3, 1, 1)), case.t(2))
    assert not gradients["conv1.weight"].any()
    assert gradients["conv1.bias"].all()


# --- running statistics ---------------------------------------------------------------


def test_steps_move_the_running_statistics_towards_the_batches(any_device):
    """m ← (1 − a) m + a μ and v ← (1 − a) v + a σ² M / (M − 1)."""
    network = engine.Network.from_spec(IMAGES, device=any_device, seed=2)
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.0}})
    mean, variance = np.zeros(4), np.ones(4)
    for turn, n in enumerate((12, 33, 5)):
        x, t = batch(n, turn)
        seen = in_training(network, 0, x).astype(np.float64)
        trainer.step(x, t)
        mean += MOMENTUM * (seen.mean(axis=axes(seen)) - mean)
        variance += MOMENTUM * (seen.var(axis=axes(seen), ddof=1) - variance)
    p = network.parameters()
    assert relative(p["norm.running_mean"], mean) <= FLOAT32_FORWARD
    assert relative(p["norm.running_variance"], variance) <= FLOAT32_FORWARD


def test_only_training_moves_them(any_device):
    network = engine.Network.from_spec(IMAGES, device=any_device)
    x, t = batch()
    before = digest(network)
    network.gradients(x, t)
    network.predict(x)
    network.evaluate(x, t)
    assert digest(network) == before
    engine.Trainer(network, {"sgd": {"learning_rate": 0.0}}).step(x, t)
    assert digest(network) != before


def test_the_gradient_check_leaves_them_alone(reference):
    network = engine.Network.from_spec(IMAGES, device=reference)
    before = digest(network)
    assert max(gradient_check(network, *batch()).values()) < 1e-6
    assert digest(network) == before


def test_a_step_that_is_refused_does_not_move_them(device):
    network = engine.Network.from_spec(IMAGES, device=device)
    before = digest(network)
    x, t = batch()
    with pytest.raises(engine.NumericsError):
        engine.Trainer(network, {"sgd": {"learning_rate": 0.1}}).step(x * 1e38, t)
    assert digest(network) == before


def test_evaluation_does_not_depend_on_the_batch(any_device):
    network = engine.Network.from_spec(IMAGES, device=any_device)
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.1}})
    x, t = batch()
    trainer.step(x, t)
    whole = network.predict(x)
    assert relative(network.predict(x, batch_size=5), whole) <= FLOAT32_FORWARD
    assert relative(network.predict(x[:1]), whole[:1]) <= FLOAT32_FORWARD


def test_the_best_pass_brings_its_running_statistics_back(any_device):
    """Scores 0, 1, 2: the first pass is the best; two more move the statistics."""
    network = engine.Network.from_spec(IMAGES, device=any_device)
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.1}}, batch_size=5)
    kept, scores = [], iter((0.0, 1.0, 2.0))

    def score(outputs, t):
        kept.append(running(network))
        return next(scores)

    trainer.fit(batch(), batch(seed=1), passes=3, score=score)
    assert kept[2]["norm.running_mean"].any()
    for name, values in running(network).items():
        np.testing.assert_array_equal(values, kept[0][name])
        assert (values != kept[2][name]).all()


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_a_file_holds_them(ending, any_device, tmp_path):
    network = engine.Network.from_spec(IMAGES, device=any_device)
    x, t = batch()
    engine.Trainer(network, {"sgd": {"learning_rate": 0.1}}).step(x, t)
    network.save(tmp_path / f"net{ending}")
    loaded = engine.load(tmp_path / f"net{ending}", device=any_device)
    assert digest(loaded) == digest(network)
    np.testing.assert_array_equal(loaded.predict(x), network.predict(x))


def test_they_are_no_parameters_that_learn(any_device):
    network = engine.Network.from_spec(IMAGES, device=any_device)
    gradients = network.gradients(*batch())
    assert set(gradients) == {
        "conv1.weight", "norm.gamma", "norm.beta", "dense1.weight", "dense1.bias",
        "input",
    }  # fmt: skip


# --- a batch of one value -------------------------------------------------------------


def test_a_single_value_has_no_deviation(any_device):
    spec = {"input": [4], "loss": "squared_error", "layers": [
        {"dense": {"units": 3}},
        {"batch_norm": {}, "name": "norm"},
    ]}  # fmt: skip
    network = engine.Network.from_spec(spec, device=any_device)
    x, t = np.ones((5, 4)), np.ones((5, 3))
    text = (
        r"layers\[1\] batch_norm \(norm\): training .* at least two values, received a "
        "batch of 1; choose a batch_size that leaves no single sample"
    )
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.1}}, batch_size=4)
    for run in (network.gradients, trainer.step):
        with pytest.raises(engine.InputError, match=text):
            run(x[:1], t[:1])
    before = network.parameters()
    with pytest.raises(engine.InputError, match=text):
        trainer.fit((x, t), passes=1)
    for name, values in network.parameters().items():
        # ... before the first step, though the batch of 1 is the second one.
        np.testing.assert_array_equal(values, before[name])
    assert network.predict(x[:1]).shape == (1, 3)
    assert np.isfinite(network.loss(x[:1], t[:1]))


def test_a_single_image_has_many_values(any_device):
    network = engine.Network.from_spec(IMAGES, device=any_device)
    x, t = batch(1)
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.1}})
    assert np.isfinite(trainer.step(x, t))
