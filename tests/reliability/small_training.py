"""Train a small network on a device, and print what came of it.

    python -m tests.reliability.small_training [--without-intel] DEVICE
    python -m tests.reliability.small_training [--without-intel] --list

One line of JSON: which device was taken, the loss of each step, and a parameter; or
OpenCL's devices. Or a line that begins with "error: ".
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from engine import EngineError, Network, Trainer, devices, open_device

SPEC = {
    "input": [1, 14, 14],
    "layers": [
        {"conv": {"filters": 8, "kernel": 3, "padding": 1}},
        {"activation": "tanh"},
        {"max_pool": {"size": 2}},
        {"dense": {"units": 4, "bias": "learned"}},
    ],
    "loss": "softmax_cross_entropy",
}
BATCH, STEPS = 20, 4


def train(device: str) -> dict[str, Any]:
    """Return what four steps of training come to on that device."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((BATCH, *SPEC["input"])).astype(np.float32)
    t = rng.integers(0, 4, BATCH)
    backend = open_device(device, threads=2)
    network = Network.from_spec(SPEC, device=backend, seed=1)
    optimizer = {"sgd": {"learning_rate": 0.1}}
    trainer = Trainer(network, optimizer, batch_size=BATCH, seed=2)
    losses = [float(trainer.step(x, t)) for _ in range(STEPS)]
    learned = network.parameters()["conv1.weight"].ravel()
    backend.close()
    return {"id": backend.id, "losses": losses, "learned": learned.tolist()}


def main(words: list[str]) -> None:
    *hidden, what = words
    if hidden == ["--without-intel"]:
        sys.prefix = "/no/runtime/here"  # where pip puts Intel's, and no setting can
    if what == "--list":
        print(json.dumps([asdict(d) for d in devices() if "opencl" in d.id]))
    else:
        print(json.dumps(train(what)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EngineError as error:
        sys.exit(f"error: {error}")
