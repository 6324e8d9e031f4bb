"""Which devices there are, and opening one by its name."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from engine.backends.base import Backend
from engine.errors import DeviceError, nearest
from engine.settings import is_integer


@dataclass(frozen=True)
class Device:
    """One device. id: what `open_device` takes; kind: reference, cpu or gpu."""

    id: str
    name: str
    kind: str
    compute_units: int


def devices() -> list[Device]:
    """Return all devices: the two that need only NumPy, then OpenCL's."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    found = [
        Device("reference", "NumPy float64", "reference", 1),
        Device("threads", "CPU threads, NumPy float32", "cpu", cores or os.cpu_count()),
    ]
    try:
        from engine.backends.opencl import device as opencl
    except ImportError:
        return found
    return found + [Device(*entry) for entry in opencl.list_devices()]


def open_device(
    name: str = "auto", *, threads: int | None = None, tune: bool = True
) -> Backend:
    """Return the device as a backend to build networks on.

    name: "reference", "threads", "opencl" (a GPU before a CPU), "opencl:P:D" (platform
    and device by number, or by a part of their names), or "auto": an OpenCL GPU, else
    an OpenCL CPU, else `threads` (says so on stderr).
    threads: the most CPU threads it may use; None: all cores.
    tune: OpenCL measures which shapes of its kernels are the fastest, once for each
    device, and keeps that in the user's cache folder; no result depends on it.

    Raises: DeviceError if there is no such device.
    """
    if threads is not None and (not is_integer(threads) or threads < 1):
        raise DeviceError(
            f"threads: expected an integer of at least 1, received {threads!r}"
        )
    if name == "auto":
        return _open_auto(threads, tune)
    if name == "reference":
        from engine.backends.reference import Reference

        return Reference()
    if name == "threads":
        from engine.backends.threads import Threads

        return Threads(threads)
    if str(name).split(":")[0] == "opencl":
        return _open_opencl(name, threads, tune)
    known = ["auto", "reference", "threads", "opencl"]
    raise DeviceError(
        f"device: expected {', '.join(known)} or opencl:PLATFORM:DEVICE, received "
        f"{name!r}{nearest(name, known)}; list them with: python -m engine devices"
    )


def _open_opencl(name: str, threads: int | None, tune: bool) -> Backend:
    try:
        from engine.backends.opencl import device as opencl
    except ImportError as error:
        raise DeviceError(
            f"device {name}: pyopencl cannot be imported ({error}); install "
            "pyopencl[pocl], or use the device threads"
        ) from None
    return opencl.open_named(name, threads, tune=tune)


def _open_auto(threads: int | None, tune: bool) -> Backend:
    try:
        return _open_opencl("opencl", threads, tune)
    except DeviceError as error:
        print(f"engine: no OpenCL device, using threads: {error}", file=sys.stderr)
        return open_device("threads", threads=threads)
