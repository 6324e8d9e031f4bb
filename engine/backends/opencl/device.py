"""OpenCL's platforms and devices: listing them, opening one."""

from __future__ import annotations

import functools
import os

import pyopencl as cl

from engine.backends.opencl.backend import OpenCL
from engine.errors import DeviceError

# PoCL reads this once, when the platform is loaded.
_POCL_THREADS = "POCL_MAX_PTHREAD_COUNT"


def list_devices() -> list[tuple[str, str, str, int]]:
    """Return (id, name, kind, compute units) of every OpenCL device."""
    found = []
    for p, d, device in _all():
        kind = "gpu" if device.type & cl.device_type.GPU else "cpu"
        units = device.max_compute_units
        found.append((f"opencl:{p}:{d}", device.name.strip(), kind, units))
    return found


def open_named(name: str, threads: int | None) -> OpenCL:
    """Return the backend of "opencl", "opencl:P" or "opencl:P:D".

    P and D are numbers or parts of names (any case). "opencl" alone takes a GPU, else
    the first device. `threads` binds PoCL only, and only before its first use in a
    process.

    Raises: DeviceError if nothing fits, or PoCL already runs with other threads.
    """
    _limit_threads(threads)
    entries = _all()
    if not entries:
        raise DeviceError(
            "no OpenCL platform was found; install pyopencl[pocl] for a CPU device, or "
            "use the device threads"
        )
    wanted = name.split(":")[1:]
    if len(wanted) > 2:
        raise DeviceError(f"device: expected opencl:PLATFORM:DEVICE, received {name!r}")
    fitting = [entry for entry in entries if _fits(entry, wanted)]
    if not fitting:
        listed = ", ".join(f"opencl:{p}:{d} ({e.name.strip()})" for p, d, e in entries)
        raise DeviceError(
            f"device: no OpenCL device fits {name!r}; there are: {listed}"
        )
    if not wanted:
        fitting.sort(key=lambda entry: not entry[2].type & cl.device_type.GPU)
    p, d, device = fitting[0]
    return OpenCL(device, f"opencl:{p}:{d}")


def _limit_threads(threads: int | None) -> None:
    if threads is None:
        return
    if _all.cache_info().currsize and os.environ.get(_POCL_THREADS) != str(threads):
        raise DeviceError(
            f"threads: OpenCL is already loaded with {_POCL_THREADS}="
            f"{os.environ.get(_POCL_THREADS, 'all cores')}, received {threads}; the "
            "number of threads of a process is decided when it opens its first device"
        )
    os.environ[_POCL_THREADS] = str(threads)


@functools.cache
def _all() -> list[tuple[int, int, cl.Device]]:
    try:
        platforms = cl.get_platforms()
    except cl.Error:
        return []
    found = []
    for p, platform in enumerate(platforms):
        try:
            devices = platform.get_devices()
        except cl.Error:  # a platform without a device says so by an error
            continue
        found += [(p, d, device) for d, device in enumerate(devices)]
    return found


def _fits(entry: tuple[int, int, cl.Device], wanted: list[str]) -> bool:
    p, d, device = entry
    for text, number, full in zip(
        wanted, (p, d), (device.platform.name, device.name), strict=False
    ):
        right = int(text) == number if text.isdigit() else text.lower() in full.lower()
        if not right:
            return False
    return True
