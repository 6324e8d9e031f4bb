"""Arrays of a forward pass that nobody reads any more are written over."""

import numpy as np
import pytest

import engine
from engine.errors import NumericsError
from engine.plan import Plan

# A chain of residual blocks with a shape that comes and goes, and a flattened shortcut.
BLOCK = [
    {"conv": {"filters": 4, "kernel": 3, "padding": 1}},
    {"batch_norm": {}},
    {"activation": "relu"},
    {"conv": {"filters": 4, "kernel": 3, "padding": 1}},
    {"add": {}, "inputs": [-1, "input"]},
    {"activation": "relu"},
]
SPEC = {
    "input": [3, 6, 6],
    "layers": [
        {"conv": {"filters": 4, "kernel": 3, "padding": 1}, "name": "entry"},
        {"repeat": {"times": 6, "layers": BLOCK}},
        {"flatten": {}, "name": "long"},
        {"dense": {"units": 144}},
        {"add": {}, "inputs": [-1, "long"]},
        {"concat": {}, "inputs": [-1, "long"]},
        {"dense": {"units": 3}},
    ],
    "loss": "softmax_cross_entropy",
}


def arrays_of(plan: Plan) -> set[int]:
    """Return the memory that the outputs lie in, by its address."""
    outputs = [y for y in plan._outputs if y is not None]
    return {
        y.ctypes.data if isinstance(y, np.ndarray) else id(y.buffer) for y in outputs
    }


@pytest.fixture
def net(any_device):
    return engine.Network.from_spec(SPEC, device=any_device, seed=0)


def test_a_plan_that_only_predicts_takes_few_arrays(net):
    few, all_ = (Plan(net, 5, training=False, keep=keep) for keep in (False, True))
    assert len(arrays_of(all_)) >= 18
    assert len(arrays_of(few)) <= 6


def test_it_predicts_the_same_bytes(net):
    x = np.random.default_rng(0).normal(size=(5, 3, 6, 6)).astype(np.float32)
    found = []
    for keep in (False, True):
        plan = Plan(net, 5, training=False, keep=keep)
        for _ in range(2):
            plan.run(x)
        found.append(net.backend.get(plan.z))
        np.testing.assert_array_equal(net.backend.get(plan.x), x)
    np.testing.assert_array_equal(*found)


def test_an_output_that_is_not_finite_is_still_named(net):
    x = np.zeros((2, 3, 6, 6), np.float32)
    largest = np.finfo(net.parameters()["entry.weight"].dtype).max
    net.set_parameters({"entry.weight": np.full((4, 3, 3, 3), largest)})
    with pytest.raises(NumericsError, match=r"the output of the layer entry"):
        net.predict(x + 1e3)
