"""Every device against the reference: forward, loss, and all gradients."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.cases import (
    CASES,
    DROPOUTS,
    FLOAT32_FORWARD,
    FLOAT32_GRADIENT,
    Case,
    relative,
)


def outputs_in_training(network, case: Case, step: int = 0) -> np.ndarray:
    """Return the outputs with dropout's masks of `step`."""
    plan = network.plan(case.n, training=True)
    network.backend.state.seed, network.backend.state.step = network.seed, step
    plan.run(case.x())
    return network.backend.get(plan.z)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_device_computes_what_the_reference_does(case, device, reference):
    ours, definition = case.network(device), case.network(reference)
    x, t = case.x(), case.t(*definition.output_shape)

    assert relative(ours.predict(x), definition.predict(x)) <= FLOAT32_FORWARD
    expected_loss = definition.loss(x, t)
    assert ours.loss(x, t) == pytest.approx(expected_loss, rel=FLOAT32_FORWARD)

    expected = definition.gradients(x, t)
    received = ours.gradients(x, t)
    assert list(received) == list(expected)
    for name in expected:
        assert received[name].dtype == np.float32
        error = relative(received[name], expected[name])
        assert error <= FLOAT32_GRADIENT, f"{name}: {error:.1e}"


@pytest.mark.parametrize("case", DROPOUTS, ids=lambda case: case.name)
@pytest.mark.parametrize("step", [0, 7])
def test_dropout_masks_are_the_same_on_every_device(case, step, device, reference):
    expected = outputs_in_training(case.network(reference), case, step)
    received = outputs_in_training(case.network(device), case, step)
    np.testing.assert_array_equal(received == 0.0, expected == 0.0)
    assert relative(received, expected) <= FLOAT32_FORWARD


def test_dropout_keeps_its_portion_and_changes_with_the_step(any_device):
    case = next(case for case in DROPOUTS if case.name == "dropout-image")
    network = case.network(any_device)
    zeros = [outputs_in_training(network, case, step) == 0.0 for step in (0, 1)]
    assert abs(zeros[0].mean() - 0.25) < 0.03
    assert (zeros[0] != zeros[1]).mean() > 0.25


def test_dropout_sends_gradients_through_the_same_mask(any_device):
    case = next(case for case in DROPOUTS if case.name == "dropout-image")
    network = case.network(any_device)
    y = outputs_in_training(network, case)
    dx = network.gradients(case.x(), case.t(y.shape[1]))["input"]
    np.testing.assert_array_equal(dx.reshape(y.shape) == 0.0, y == 0.0)


def test_gradients_are_of_step_0_whatever_the_device_did_before(any_device):
    case = next(case for case in DROPOUTS if case.name == "dropout-image")
    network = case.network(any_device)
    x, t = case.x(), case.t(75)
    first = network.gradients(x, t)["input"]
    any_device.state.seed, any_device.state.step = 9, 41
    np.testing.assert_array_equal(network.gradients(x, t)["input"], first)


def test_evaluation_drops_nothing(any_device):
    case = next(case for case in DROPOUTS if case.name == "dropout-image")
    y = case.network(any_device).predict(case.x())
    np.testing.assert_array_equal(y, case.x().reshape(y.shape))


def test_of_equal_maxima_the_first_in_row_order_takes_the_gradient(any_device):
    case = Case("ties", (1, 4, 4), ({"max_pool": {"size": 2}}, "flatten"), n=1)
    network = case.network(any_device)
    x = np.ones((1, 1, 4, 4), np.float32)
    dx = network.gradients(x, np.zeros((1, 4), np.float32))["input"][0, 0]
    expected = np.zeros((4, 4))
    expected[::2, ::2] = 1.0  # z − t of the squared error
    np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_second_batch_leaves_nothing_of_the_first(case, opened):
    """Scratch arrays are used again: the same input must give the same bytes."""
    network = case.network(opened("threads"))
    x, t = case.x(), case.t(*network.output_shape)
    first = network.gradients(x, t)
    network.gradients(x[::-1] * 3.0, t)
    again = network.gradients(x, t)
    for name in first:
        assert first[name].tobytes() == again[name].tobytes(), name
