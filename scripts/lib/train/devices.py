"""The device of a step; of a GPU one training has the use at a time."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import IO

import engine
from scripts.lib.io import cli

# What sets GPUs apart that a cluster hands out: in each job they have the same number.
_HANDED_OUT = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
_turns: list[IO[str]] = []  # open, and so locked, until the process ends


def open_device(name: str, threads: int | None) -> engine.Device:
    """Return the device that the setting `device` names.

    If it is a GPU that another of this user's steps computes on, wait until that has
    ended; the setting share_gpu: true does without.
    Raises: DeviceError if there is no such device.
    """
    device = engine.open_device(name, threads=threads, tune=cli.tune())
    if device.kind == "gpu" and os.environ.get("IGNETLAB_SHARE_GPU") != "1":
        take_turn(device.id, device.name)
    return device


def take_turn(id: str, name: str) -> None:
    """Wait until no other process holds this GPU; then hold it until this one ends.

    By a lock on a file in the folder for temporary files, which the system gives back
    however the process ends.
    """
    from scripts.lib.io.locks import lock

    handed = "-".join(os.environ.get(variable, "") for variable in _HANDED_OUT)
    words = "".join(c if c.isalnum() else "-" for c in f"{id}-{handed}")
    file = Path(tempfile.gettempdir()) / f"ignetlab-{os.getuid()}-gpu-{words}.lock"
    handle = open(file, "a")  # noqa: SIM115
    _turns.append(handle)
    lock(
        handle,
        lambda text: print(text, file=sys.stderr, flush=True),
        waiting=f"waiting for {name} ({id}): another step computes on it (share_gpu: "
        "true lets steps share a GPU)",
        without=f"{file}: this file system has no locks, so two steps may share {name}",
    )
