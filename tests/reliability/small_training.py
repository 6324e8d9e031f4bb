"""Train the network of a trial on a device, and print what came of it.

    python -m tests.reliability.small_training [--without-intel] DEVICE
    python -m tests.reliability.small_training [--without-intel] --list

One line of JSON: which device was taken, the loss of each step, a parameter, and the
seconds of one core that all of it took; or OpenCL's devices. Or a line that begins with
"error: ".

The trial has compiled all that is wanted here, which is most of the time that it takes.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import asdict
from typing import Any

import numpy as np

from engine import EngineError, Network, Trainer, devices, open_device
from engine.health.trial import SPEC

BATCH, STEPS = 60, 2


def train(device: str) -> dict[str, Any]:
    """Return what some steps of training come to on that device."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((BATCH, *SPEC["input"])).astype(np.float32)
    t = rng.integers(0, 5, BATCH)
    backend = open_device(device, threads=2, tune=False)
    network = Network.from_spec(SPEC, device=backend, seed=1)
    optimizer = {"momentum": {"learning_rate": 0.05}}
    trainer = Trainer(network, optimizer, batch_size=BATCH, seed=2)
    losses = [float(trainer.step(x, t)) for _ in range(STEPS)]
    learned = network.parameters()["conv1.weight"].ravel()
    backend.close()
    return {"id": backend.id, "losses": losses, "learned": learned.tolist()}


def seconds() -> float:
    """Return the seconds of one core that this process and its trials took."""
    both = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(sum(resource.getrusage(who)[:2]) for who in both)


def main(words: list[str]) -> None:
    *hidden, what = words
    if hidden == ["--without-intel"]:
        sys.prefix = "/no/runtime/here"  # where pip puts Intel's, and no setting can
    if what == "--list":
        print(json.dumps([asdict(d) for d in devices() if "opencl" in d.id]))
    else:
        print(json.dumps(train(what) | {"seconds": seconds()}))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except EngineError as error:
        sys.exit(f"error: {error}")
