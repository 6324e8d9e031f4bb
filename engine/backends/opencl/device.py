"""OpenCL's platforms and devices: listing them, opening one."""

from __future__ import annotations

import functools
import os

import pyopencl as cl

from engine.backends.opencl.backend import OpenCL
from engine.errors import DeviceError, device_errors

# PoCL reads this once, when the platform is loaded, and then starts no more threads.
_POCL_THREADS = "POCL_MAX_PTHREAD_COUNT"


def list_devices() -> list[tuple[str, str, str, int]]:
    """Return (id, name, kind, compute units) of every OpenCL device."""
    found = []
    for p, d, device in _all():
        kind = "gpu" if device.type & cl.device_type.GPU else "cpu"
        units = device.max_compute_units
        found.append((f"opencl:{p}:{d}", device.name.strip(), kind, units))
    return found


def open_named(name: str, threads: int | None, *, tune: bool = True) -> OpenCL:
    """Return the backend of "opencl", "opencl:P" or "opencl:P:D".

    P and D are numbers or parts of names (any case). "opencl" alone takes a GPU, else
    the first device. `threads` limits a CPU device to that many of its compute units;
    tune: measure which tiles are the fastest, or read what was measured before.

    Raises: DeviceError if nothing fits, the device does not answer, or a CPU device
    cannot be limited.
    """
    if threads is not None and not _all.cache_info().currsize:
        _start_no_more_than(threads)
    entries = _all()
    if not entries:
        raise DeviceError(
            f"device {name}: {_platforms()}; install pyopencl[pocl] for a CPU device, "
            "or use one of those there are: threads, reference"
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
    return _opened(_limited(device, threads), f"opencl:{p}:{d}", tune)


def _start_no_more_than(threads: int) -> None:
    """Have PoCL start that many threads, or the fewer that the environment asks for."""
    said = os.environ.get(_POCL_THREADS, "")
    fewer = said.isdecimal() and 0 < int(said) < threads
    os.environ[_POCL_THREADS] = said if fewer else str(threads)


@device_errors
def _opened(device: cl.Device, id: str, tune: bool) -> OpenCL:
    return OpenCL(device, id, tune=tune)


def _limited(device: cl.Device, threads: int | None) -> cl.Device:
    """Return the device, or the part of a CPU device that has `threads` compute units.

    Raises: DeviceError if the runtime cannot divide its device.
    """
    is_cpu = device.type & cl.device_type.CPU
    if threads is None or not is_cpu or device.max_compute_units <= threads:
        return device
    by_counts = [cl.device_partition_property.BY_COUNTS, threads]
    try:
        return device.create_sub_devices(by_counts)[0]
    except cl.Error as error:
        raise DeviceError(
            f"threads: {device.name.strip()} cannot be limited to {threads} of its "
            f"{device.max_compute_units} compute units ({error}); leave threads out"
        ) from None


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


def _platforms() -> str:
    """Return why there is no device, in words."""
    try:
        names = [platform.name.strip() for platform in cl.get_platforms()]
    except cl.Error as error:
        return f"no OpenCL platform was found ({error})"
    return f"no OpenCL device was found (platforms: {', '.join(names) or 'none'})"


def _fits(entry: tuple[int, int, cl.Device], wanted: list[str]) -> bool:
    p, d, device = entry
    for text, number, full in zip(
        wanted, (p, d), (device.platform.name, device.name), strict=False
    ):
        right = int(text) == number if text.isdigit() else text.lower() in full.lower()
        if not right:
            return False
    return True
