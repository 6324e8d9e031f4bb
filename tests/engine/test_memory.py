"""Memory: counted, given back, and a clear error before there is none left."""

from __future__ import annotations

import gc
import re

import numpy as np
import pytest

import engine

SPEC = {
    "input": [100],
    "layers": [{"dense": {"units": 50}}, {"dense": {"units": 10}}],
    "loss": "squared_error",
}


def network(device) -> engine.Network:
    return engine.Network.from_spec(SPEC, device=device)


@pytest.fixture
def uncollected():
    """Python looks for no circles, as if it had no reason to yet."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
def test_a_network_gives_its_memory_back_at_once(any_device):
    before = any_device.memory.taken
    net = network(any_device)
    net.gradients(np.ones((64, 100)), np.ones((64, 10)))
    itemsize = any_device.dtype.itemsize
    parameters = 2 * (100 * 50 + 50 * 10)  # and as many gradients
    maps = 64 * (100 + 50 + 10)  # and as many gradients of them
    least = itemsize * (parameters + 2 * maps)
    assert least <= any_device.memory.taken - before <= 2 * least
    del net
    assert any_device.memory.taken == before


def test_a_network_that_only_predicts_holds_no_gradients(any_device):
    gc.collect()
    before = any_device.memory.taken
    net = network(any_device)
    net.predict(np.ones((1, 100)))
    parameters = any_device.dtype.itemsize * (100 * 50 + 50 * 10)
    assert parameters <= any_device.memory.taken - before < 1.5 * parameters
    net.gradients(np.ones((1, 100)), np.ones((1, 10)))
    assert any_device.memory.taken - before > 2 * parameters


def test_many_arrays_that_fit_only_one_by_one(any_device, monkeypatch):
    net = network(any_device)
    gc.collect()
    room = any_device.memory.taken + 60_000
    monkeypatch.setattr(any_device.memory, "size", room)
    assert net.predict(np.ones((8, 100))).shape == (8, 10)
    text = (
        rf"{any_device.id}.*: no memory for an array of [\d,]+ bytes \([\d,]+ of its "
        rf"{re.escape(f'{room:,}')} are taken\); use a smaller batch_size or a smaller"
    )
    with pytest.raises(engine.DeviceError, match=text):
        net.predict(np.ones((256, 100)))
    # Nothing is broken by it: a smaller batch still runs.
    assert net.predict(np.ones((256, 100)), batch_size=8).shape == (256, 10)


def test_networks_that_nobody_holds_make_room(any_device, monkeypatch):
    gc.collect()
    taken = any_device.memory.taken
    net = network(any_device)
    one = any_device.memory.taken - taken
    monkeypatch.setattr(any_device.memory, "size", taken + one + one // 2)
    circle = [net]
    circle.append(circle)
    del net, circle
    network(any_device)
