"""One side of a comparison, in a process of its own that works when it is told to.

`python -m scripts.lib.speed.worker --config CONFIG --work NAME --side SIDE --threads
N`. Its first line is {"peak_mib": m}; then a line {"n": n} on standard input is
answered by {"seconds": s, "peak_mib": m, "found": f}: the time of n steps and the
process's peak memory; for `learn` n is the seed and f the passes. {"failed": text} ends
it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.speed.works import Work, read_works

# Batches of a pass, where the engine trains by its `fit`: few, so that they are no more
# than a cache holds, as the one batch of PyTorch's loop is.
_BATCHES = 8

# (steps) -> None, back when they are done; of `learn` (seed) -> the passes
Runner = Callable[[int], Any]


def ours(work: Work, device: str, threads: int) -> Runner:
    """Return the runner of the engine on one of its devices."""
    import engine

    backend = engine.open_device(device, threads=threads)
    if work.what == "learn":
        from scripts.lib.speed.learning import Ours

        return Ours(work.learning, backend)
    network = engine.Network.from_spec(work.spec, device=backend)
    if work.what in ("train", "fit"):
        return _fit(work, network)
    x, t = work.data()
    if work.trains:
        trainer = engine.Trainer(network, work.optimizer, batch_size=work.batch)
        return lambda steps: [trainer.step(x, t) for _ in range(steps)] and None
    plan = network.plan(work.batch, training=work.what != "forward")
    if work.what == "forward":
        plan.run(x)
        stages = plan.forward
    else:
        (layer,), backward = network.layers, plan.bounds[0]
        backend.put(plan.x, x)
        backend.put(plan.dz, np.ones((work.batch, *layer.out_shape)))
        weight = network.arrays_of(layer)["weight"]
        if work.what == "data":
            dx = backend.empty(work.batch, layer.in_shape)
            stages = [backend.conv_backward_data(plan.dz, weight, dx, layer.geometry)]
        else:
            dw = network.gradients_of(layer)["weight"]
            stages = [
                backend.conv_backward_weights(
                    backward.x, plan.dz, dw, None, layer.geometry
                )
            ]

    def run(steps: int) -> None:
        for _ in range(steps):
            for stage in stages:
                stage()
        backend.finish()

    return run


def _fit(work: Work, network: Any) -> Runner:
    import engine

    trainer = engine.Trainer(network, work.optimizer, batch_size=work.batch)
    x, t = work.data(_BATCHES)

    def run(steps: int) -> None:
        passes, rest = divmod(steps, _BATCHES)
        if passes:
            trainer.fit((x, t), passes=passes)
        if rest:
            n = rest * work.batch
            trainer.fit((x[:n], t[:n]), passes=1)

    return run


def torch_side(work: Work, kind: str, threads: int) -> Runner:
    """Return the runner of PyTorch: eager, channels_last or compile."""
    import torch
    import torch.nn.functional as F

    import engine
    from scripts.lib.speed.torch_network import TorchNetwork

    torch.set_num_threads(threads)
    module = TorchNetwork(engine.Network.from_spec(work.spec, device="reference"))
    x, t = (torch.tensor(array) for array in work.data())
    module = module.float()
    if kind != "eager" and x.dim() == 4:
        module = module.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)
    if work.what in ("data", "weights"):
        return _torch_convolution(module, x, work)
    call = torch.compile(module) if kind == "compile" else module
    if work.what == "forward":

        def forward(steps: int) -> None:
            with torch.no_grad():
                for _ in range(steps):
                    call(x)

        module.eval()
        return forward
    ((name, settings),) = work.optimizer.items()
    kinds = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    optimizer = kinds[name](module.parameters(), lr=settings["learning_rate"])
    classes = work.spec["loss"] == "softmax_cross_entropy"
    loss_of = F.cross_entropy if classes else F.l1_loss

    def train(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of(call(x), t)
            loss.backward()
            optimizer.step()
            loss.item()

    return train


def _torch_convolution(module, x, work: Work) -> Runner:
    import torch

    (conv,) = module.modules_.values()
    wanted = [work.what == "data", work.what == "weights", False]
    dy = torch.ones_like(conv(x))  # in the order of x

    def run(steps: int) -> None:
        with torch.no_grad():
            for _ in range(steps):
                torch.ops.aten.convolution_backward(
                    dy, x, conv.weight, None, conv.stride, conv.padding, conv.dilation,
                    False, [0, 0], conv.groups, wanted,
                )  # fmt: skip

    return run


def keras_side(work: Work, threads: int) -> Runner:
    """Return the runner of Keras 3 on PyTorch."""
    from scripts.lib.speed import keras_side as keras

    if work.what == "learn":
        return keras.learn(work.learning, threads)
    return keras.steps(work, threads)


SIDES = {
    "opencl": lambda work, threads: ours(work, "opencl", threads),
    "threads": lambda work, threads: ours(work, "threads", threads),
    "torch-eager": lambda work, threads: torch_side(work, "eager", threads),
    "torch-channels_last": lambda w, threads: torch_side(w, "channels_last", threads),
    "torch-compile": lambda work, threads: torch_side(work, "compile", threads),
    "keras-fit": keras_side,
}


def main() -> None:
    """Answer the lines of standard input until it ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--side", choices=SIDES, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    # Answers go to the standard output alone, whatever a library prints there.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        run = SIDES[args.side](read_works(args.config)[args.work], args.threads)
        print(json.dumps({"peak_mib": _peak_mib()}), file=answers)
        for line in sys.stdin:
            begin = time.perf_counter()
            found = run(json.loads(line)["n"])
            seconds = time.perf_counter() - begin
            answer = {"seconds": seconds, "peak_mib": _peak_mib(), "found": found}
            print(json.dumps(answer), file=answers)
    except Exception as error:  # told to whoever asks, who knows what to do without it
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        print(json.dumps({"failed": text}), file=answers)
        sys.exit(1)


def _peak_mib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    main()
