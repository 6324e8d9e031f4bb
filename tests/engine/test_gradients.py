"""The reference's backward against finite differences of its forward, in float64."""

from __future__ import annotations

import numpy as np
import pytest

import engine
from engine.diagnostics import gradient_check
from tests.engine.cases import CASES, FINITE_DIFFERENCES, Case

SMALL = [case for case in CASES if not case.big]
DENSE = Case(
    "dense-check", (6,), ({"dense": {"units": 4}}, {"activation": "tanh"}), n=3
)


def learned(network: engine.Network) -> set[str]:
    return {
        f"{layer.name}.{parameter.name}"
        for layer in network.layers
        for parameter in layer.parameters
        if parameter.learned
    }


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_reference_agrees_with_finite_differences(case, reference):
    network = case.network(reference)
    errors = gradient_check(network, case.x(), case.t(*network.output_shape))
    assert set(errors) == learned(network) | {"input"}
    for name, error in errors.items():
        assert error <= FINITE_DIFFERENCES, f"{name}: {error:.1e}"


def test_check_finds_one_wrong_element(reference, monkeypatch):
    network = DENSE.network(reference)
    x, t = DENSE.x(), DENSE.t(4)
    right = network.gradients(x, t)
    right["dense1.weight"][2, 1] *= 1.0 + 1e-3
    monkeypatch.setattr(network, "gradients", lambda x, t: right)
    errors = gradient_check(network, x, t)
    assert errors["dense1.weight"] > FINITE_DIFFERENCES
    assert errors["dense1.bias"] <= FINITE_DIFFERENCES


def test_check_leaves_network_and_input_as_they_were(reference):
    network = DENSE.network(reference)
    x, before = DENSE.x(), network.parameters()
    kept = x.copy()
    gradient_check(network, x, DENSE.t(4))
    np.testing.assert_array_equal(x, kept)
    for name, values in network.parameters().items():
        assert values.tobytes() == before[name].tobytes()


def test_check_puts_parameters_back_when_it_breaks_off(reference, monkeypatch):
    network = DENSE.network(reference)
    before = network.parameters()
    plan_type = type(network.plan(3, training=True))
    calls = []

    def run_loss(self, t):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return np.zeros(3)

    monkeypatch.setattr(plan_type, "run_loss", run_loss)
    with pytest.raises(KeyboardInterrupt):
        gradient_check(network, DENSE.x(), DENSE.t(4))
    for name, values in network.parameters().items():
        assert values.tobytes() == before[name].tobytes()


def test_check_refuses_a_float32_device(device):
    network = DENSE.network(device)
    with pytest.raises(engine.DeviceError, match=r"reference \(float64\), received"):
        gradient_check(network, DENSE.x(), DENSE.t(4))


def test_a_kink_shows_up_as_an_error(reference):
    """Why the table's inputs keep away from kinks: the ReLU at 0 has two slopes."""
    case = Case("kink", (3,), ({"activation": "relu"},), n=2)
    x = np.zeros((2, 3), np.float32)
    assert gradient_check(case.network(reference), x, case.t(3))["input"] > 0.01
