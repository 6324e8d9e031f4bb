"""Two steps of one user never compute on one GPU at once, unless they may."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

import engine
from scripts.lib.train import devices

from .conftest import ROOT

# There need be no GPU for it: its turn is a lock that the system keeps.
HOLD = """
import sys
from scripts.lib.train import devices
devices.take_turn("opencl:9:0", "A card")
print("mine", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def hold(tmp_path):
    """A function that starts a process which takes its turn, and holds it."""
    started = []

    def start(**environment) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD],
            env={"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_the_second_waits_and_says_so_until_the_first_has_ended(hold):
    first = hold()
    assert first.stdout.readline() == "mine\n"
    second = hold()
    assert second.stderr.readline().startswith("waiting for A card (opencl:9:0)")
    first.kill()  # however it ends
    assert second.stdout.readline() == "mine\n"


def test_two_cards_that_a_cluster_hands_out_are_two(hold):
    for card in ("0", "1"):
        process = hold(CUDA_VISIBLE_DEVICES=card)
        assert process.stdout.readline() == "mine\n"


@pytest.mark.parametrize(
    ("kind", "shared", "taken"),
    [("gpu", "0", True), ("gpu", "1", False), ("cpu", "0", False)],
)
def test_only_a_gpu_that_is_not_shared_is_waited_for(monkeypatch, kind, shared, taken):
    device = SimpleNamespace(kind=kind, id="opencl:9:0", name="A card")
    turns = []
    monkeypatch.setattr(engine, "open_device", lambda name, **_: device)
    monkeypatch.setattr(devices, "take_turn", lambda *told: turns.append(told))
    monkeypatch.setenv("IGNETLAB_SHARE_GPU", shared)
    assert devices.open_device("auto", 1) is device
    assert turns == ([("opencl:9:0", "A card")] if taken else [])
