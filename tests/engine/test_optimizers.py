"""Each optimiser on every device against its formula, written out in float64."""

import numpy as np
import pytest

import engine

SPEC = {
    "input": [5],
    "layers": [{"dense": {"units": 3}}],
    "loss": "mean_squared_error",
}


def _sgd(w, g, state, t):
    return w - 0.1 * g


def _adam(w, g, state, t):
    m = state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * g
    v = state["v"] = 0.99 * state.get("v", 0.0) + 0.01 * g**2
    return w - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-6)


CASES = {
    "sgd": ({"sgd": {"learning_rate": 0.1}}, _sgd),
    "adam": (
        {"adam": {"learning_rate": 0.1, "beta2": 0.99, "epsilon": 1e-6}},
        _adam,
    ),
}


@pytest.mark.parametrize("device", ["reference", "threads", "opencl"])
@pytest.mark.parametrize("case", CASES)
def test_twenty_steps_follow_the_formula(case, device):
    setting, rule = CASES[case]
    net = engine.Network.from_spec(SPEC, device=engine.open_device(device), seed=3)
    trainer = engine.Trainer(net, setting, batch_size=8)
    rng = np.random.default_rng(0)
    w = {k: v.astype(float) for k, v in net.parameters().items()}
    state = {k: {} for k in w}
    for t in range(1, 21):
        x, y = rng.random((8, 5)), rng.random((8, 3))
        error = x @ w["dense1.weight"].T + w["dense1.bias"] - y
        d = 2 * error / 3 / 8
        gradients = {"dense1.weight": d.T @ x, "dense1.bias": d.sum(axis=0)}
        trainer.step(x, y)
        w = {k: rule(w[k], gradients[k], state[k], t) for k in w}
    tolerance = 1e-12 if device == "reference" else 2e-5
    for name, values in net.parameters().items():
        np.testing.assert_allclose(values, w[name], rtol=tolerance, atol=tolerance)


def test_unknown_optimiser_and_setting_name_the_nearest():
    net = engine.Network.from_spec(SPEC, device="reference")
    with pytest.raises(
        engine.SpecError, match=r"unknown optimiser 'adm' \(did you mean 'adam'"
    ):
        engine.Trainer(net, {"adm": {}})
    with pytest.raises(engine.SpecError, match="unknown setting 'rate'"):
        engine.Trainer(net, {"sgd": {"rate": 0.1}})
    with pytest.raises(engine.SpecError, match="'learning_rate' is missing"):
        engine.Trainer(net, "sgd")
