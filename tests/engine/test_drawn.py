"""Batches that the device draws: they are those that the host would hand over."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import engine
from engine.backends.base import Drawn

SPEC = {
    "input": [1, 5, 53],  # 265 features: more than a work-item takes, and a rest
    "layers": [
        {"conv": {"filters": 3, "kernel": 3}},
        {"activation": "tanh"},
        {"dense": {"units": 2}},
    ],
    "loss": "squared_error",
}
N = 43  # batches of 20: two, and a rest of 3


def data(dtype=np.float32) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(2))
    x = generator.normal(size=(N, 1, 5, 53)).astype(dtype)
    return x, generator.normal(size=(N, 2)).astype(np.float32)


def trained(device, x, t, **settings) -> dict[str, np.ndarray]:
    network = engine.Network.from_spec(SPEC, device=device, seed=1)
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.01}}, batch_size=20)
    trainer.fit((x, t), passes=2, **settings)
    return network.parameters()


def same(a, b) -> None:
    for name, values in a.items():
        np.testing.assert_array_equal(values, b[name], err_msg=name)


def test_a_training_is_the_same_as_with_the_hosts_batches(any_device):
    x, t = data()
    by_host = trained(any_device, x, t, transform=lambda x, t, samples, number: (x, t))
    same(trained(any_device, x, t), by_host)


@pytest.mark.parametrize("n", [1, 8, 20])
def test_what_is_drawn_is_what_the_host_would_put(n, opened):
    backend, (x, _) = opened("opencl"), data()
    source = backend.source(x)
    array = backend.empty(n, x.shape[1:])
    for seed in (1, 2, 3):  # one after another: two are under way at a time
        rows = np.random.Generator(np.random.PCG64(seed)).permutation(N)[:n]
        backend.put(array, Drawn(source, rows))
        np.testing.assert_array_equal(backend.get(array), x[rows])


def test_the_last_block_is_filled_with_zeros(opened):
    backend, (x, _) = opened("opencl"), data()
    array, whole = backend.empty(3, x.shape[1:]), backend.empty(8, x.shape[1:])
    backend.put(array, np.ones((3, *x.shape[1:]), np.float32))
    backend.put(array, Drawn(backend.source(x), np.array([4, 0, 9])))
    whole.buffer = array.buffer
    if backend.lanes == 8:
        assert not backend.get(whole)[3:].any()


OTHERS = {
    "float64": lambda x: x.astype(np.float64),
    "not in C order": lambda x: np.asfortranarray(x),
    "every second": lambda x: np.repeat(x, 2, axis=0)[::2],
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_other_arrays_are_drawn_by_the_host(other, opened):
    device, (x, t) = opened("opencl"), data()
    assert device.source(x) is not None
    assert device.source(other(x)) is None
    same(trained(device, other(x), t), trained(device, x, t))


def test_two_sources_of_one_network(opened):
    """The network's arrays are the same; the second training has its own samples."""
    device, (x, t) = opened("opencl"), data()
    network = engine.Network.from_spec(SPEC, device=device, seed=1)
    start = network.parameters()
    results = []
    for images in (x, -x, x):
        network.set_parameters(start)
        trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.01}}, 20)
        trainer.fit((images, t), passes=1)
        results.append(network.parameters())
    same(results[0], results[2])
    assert (results[0]["dense1.weight"] != results[1]["dense1.weight"]).any()


def test_samples_are_not_kept_alive(opened):
    device, (x, t) = opened("opencl"), data()
    network = engine.Network.from_spec(SPEC, device=device, seed=1)
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.01}}, 20)
    trainer.fit((x, t), passes=1)
    kept = weakref.ref(x)
    del x
    gc.collect()
    assert kept() is None


def test_a_step_that_diverges_is_named(opened):
    """Its batch is drawn once more."""
    device, (x, t) = opened("opencl"), data()
    network = engine.Network.from_spec(SPEC, device=device, seed=1)
    trainer = engine.Trainer(network, {"sgd": {"learning_rate": 1e6}}, 20)
    with pytest.raises(engine.NumericsError, match="step 1: "):
        trainer.fit((x, 1e15 * t), passes=3)
