"""What a device must compute before it is trusted, and how fast it does.

    python -m engine.health.trial DESCRIPTOR PROCESSOR list LIBRARY
    python -m engine.health.trial DESCRIPTOR PROCESSOR opencl LIBRARY PLATFORM DEVICE N
    python -m engine.health.trial DESCRIPTOR PROCESSOR threads

runs in a process of its own, for a driver may end it or never answer. It writes what
it finds to an open file, a line of JSON at a time: its parent knows how far it came.
It computes on one thread: a trial may run in a job that was given no more.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from engine.errors import EngineError, NumericsError
from engine.health import processor, verdicts

Say = Callable[[dict[str, Any]], None]

# Direct and Winograd's convolution, batch norm, pooling, dropout's mask, a dense layer.
SPEC = {
    "input": [2, 12, 12],
    "layers": [
        {"conv": {"filters": 16, "kernel": 3, "padding": 1, "bias": "learned"}},
        {"activation": "tanh"},
        {"conv": {"filters": 16, "kernel": 3, "padding": 1}},
        {"batch_norm": {}},
        {"activation": "relu"},
        {"max_pool": {"size": 2}},
        {"dropout": 0.25},
        {"dense": {"units": 5, "bias": "learned"}},
    ],
    "loss": "softmax_cross_entropy",
}
_BATCH, _STEPS = 60, 2  # no multiple of 8 or 16 samples
# How far float32 may be from float64, relative to the largest number: seen are 1e-6.
_TOLERANCE = 1e-3
_ROUNDS, _SECONDS = 40, 0.5
# So short that on a busy machine, too, some launches are left alone: 0.3 ms.
_LAUNCH = 10_000
# Vectors of 512 bits are taken where they compute so many times as much as those of
# 256: twice as much with units of that width, as much without.
_WORTH_WIDE = 1.5


class Unhealthy(Exception):
    """The device errs or computes wrong numbers; the text says which."""


def main(words: list[str]) -> None:
    """Do what the command line says; see the module's text."""
    descriptor, expected, what, *of = words
    # Its parent ends it sooner, unless that is killed meanwhile.
    signal.alarm(int(min(verdicts.limit_of_time(), 1e6)) + 5)
    with open(int(descriptor), "w", buffering=1) as file:

        def say(found: dict[str, Any]) -> None:
            file.write(json.dumps(found) + "\n")

        if expected != processor.signature():
            say({"processor": processor.signature()})
            return
        try:
            if what == "list":
                say({"devices": _list(*of)})
            else:
                say(_threads(say) if what == "threads" else _opencl(say, *of))
        except (Unhealthy, EngineError) as error:
            say({"unhealthy": str(error)})
        except Exception as error:  # whatever it is, it is the device's
            say({"unhealthy": f"{type(error).__name__}: {error}"})


def _reason(text: str) -> str:
    """Return an error's text without advice; of a compiler's log what is wrong."""
    what, _, rest = text.partition("; the device threads")
    log = rest.partition("It says: ")[2].splitlines()
    errors = [line for line in log if line.startswith("error:")]
    return ": ".join([what, *(errors or log)[:1]])


def _list(library: str) -> list[dict[str, Any]]:
    """Return what there is to tell of each of a driver's devices."""
    from engine.backends.opencl import device as opencl
    from engine.backends.opencl.drivers import Driver

    return [opencl.described(entry) for entry in opencl.loaded([Driver(library, "")])]


def _opencl(say: Say, library: str, p: str, d: str, widest: str) -> dict[str, Any]:
    from engine.backends.opencl import device as opencl
    from engine.backends.opencl.drivers import Driver
    from engine.backends.opencl.meter import Meter

    entries = opencl.loaded([Driver(library, "")], threads=1)
    device = next(c for i, j, c in entries if (i, j) == (int(p), int(d)))
    meters = {}
    for lanes in opencl.possible_lanes(device):
        if lanes <= int(widest):
            with _named(say, lanes):
                backend = opencl.opened(device, "trial", lanes, 1, tune=False)
                meters[lanes] = Meter(backend, _LAUNCH)
                meters[lanes].gflops()
    # In turns: what else the machine does disturbs all alike.
    with _named(say, max(meters)):
        found = _turns(lambda: {n: meter.gflops() for n, meter in meters.items()}, 60)
    speeds = {lanes: max(turn[lanes] for turn in found) for lanes in meters}
    lanes = best_lanes(speeds)
    with _named(say, lanes):
        return {
            "lanes": lanes, "gflops": speeds[lanes],
            "gigabytes": max(_turns(meters[lanes].gigabytes, 3)),
            "seconds": examine(meters[lanes].device),
        }  # fmt: skip


def best_lanes(speeds: dict[int, float]) -> int:
    """Return how many lanes to compute with, given 10^9 operations a second of each."""
    return 16 if speeds.get(16, 0.0) > _WORTH_WIDE * speeds[8] else 8


@contextmanager
def _named(say: Say, lanes: int) -> Iterator[None]:
    """Let whatever goes wrong in the block name the number of lanes."""
    say({"stage": f"computing with {lanes} lanes"})
    try:
        yield
    except (Unhealthy, EngineError) as error:
        raise Unhealthy(f"with {lanes} lanes {_reason(str(error))}") from None


def _threads(say: Say) -> dict[str, Any]:
    from engine.backends.threads import Threads

    say({"stage": "computing"})
    backend = Threads(1)  # BLAS keeps to one thread, too, while it is open
    a, big = np.ones((384, 384), np.float32), np.ones(1 << 24, np.float32)
    c = np.empty_like(big)
    product = _least(lambda: a @ a, 20)
    triad = _least(lambda: np.multiply(big, 2.0, out=c), 3)
    return {
        "lanes": None, "gflops": 2 * 384**3 / product / 1e9,
        "gigabytes": 2 * big.nbytes / triad / 1e9, "seconds": examine(backend),
    }  # fmt: skip


def examine(backend) -> float:
    """Train a small network on a device; return the least seconds of a step.

    Raises: Unhealthy if the numbers are not those of the reference, or the guard lets
    infinity into a parameter.
    """
    from engine.backends.reference import Reference
    from engine.network import Network
    from engine.training.loop import Trainer

    rng = np.random.default_rng(0)
    x = rng.standard_normal((_BATCH, *SPEC["input"])).astype(np.float32)
    t = rng.integers(0, 5, _BATCH)

    # As the reference reads it: a device that reads wrong must not hide that by a
    # difference.
    before = Network.from_spec(SPEC, device=Reference(), seed=0).parameters()

    def train(device) -> tuple[Trainer, list[np.ndarray]]:
        network = Network.from_spec(SPEC, device=device, seed=0)
        optimizer = {"momentum": {"learning_rate": 0.05}}
        trainer = Trainer(network, optimizer, batch_size=_BATCH, seed=0)
        found = [np.array([trainer.step(x, t) for _ in range(_STEPS)])]
        after = network.parameters()
        return trainer, found + [after[name] - before[name] for name in after]

    names = ["the loss", *before]
    _, expected = train(Reference())
    trainer, found = train(backend)
    for name, right, number in zip(names, expected, found, strict=True):
        error = np.abs(number - right).max() / np.abs(right).max()
        if not error <= _TOLERANCE:
            raise Unhealthy(
                f"it computes wrong numbers: {name} after {_STEPS} steps is off by "
                f"{error:.2g}, relative to the reference in NumPy (at most "
                f"{_TOLERANCE:g} is rounding)"
            )
    least = _least(lambda: trainer.step(x, t), _ROUNDS)
    _check_guard(trainer, x, t)
    return least


def _check_guard(trainer, x: np.ndarray, t: np.ndarray) -> None:
    """Raise Unhealthy unless a step that overflows is refused and changes nothing."""
    network = trainer.network
    huge = {"dense1.weight": np.full_like(network.parameters()["dense1.weight"], 1e38)}
    network.set_parameters(huge)
    before = network.parameters()
    try:
        trainer.step(x, t)
    except NumericsError:
        after = network.parameters()
        if all(np.array_equal(after[name], before[name]) for name in before):
            return
    raise Unhealthy("the guard against NaN and infinity does not hold")


def _least(work: Callable[[], Any], rounds: int) -> float:
    """Return the least seconds of some rounds of work."""

    def timed() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(_turns(timed, rounds))


def _turns(measure: Callable[[], Any], most: int) -> list[Any]:
    """Return what was measured, at least once; no more often when that takes long."""
    begin, found = time.perf_counter(), []
    while not found or (len(found) < most and time.perf_counter() - begin < _SECONDS):
        found.append(measure())
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # a driver's own end may fail; what it found is told
