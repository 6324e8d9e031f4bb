"""OpenCL's devices as the runtime gives them: loading drivers, opening a device."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyopencl as cl

from engine.backends.opencl.backend import OpenCL
from engine.backends.opencl.drivers import Driver, alone
from engine.errors import DeviceError, device_errors

Entry = tuple[int, int, cl.Device]

_loaded: list[Entry] | None = None


def loaded(drivers: Iterable[Driver], threads: int | None = None) -> list[Entry]:
    """Return (platform, number, device) of each device of the drivers loaded.

    They are loaded at the first call; a process does so only once. threads: the most
    that a driver for the CPU may start.
    """
    global _loaded
    if _loaded is None:
        with alone(drivers, threads):
            _loaded = _entries()
    return _loaded


def _entries() -> list[Entry]:
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


def kind(device: cl.Device) -> str:
    """Return "gpu" or "cpu"."""
    return "gpu" if device.type & cl.device_type.GPU else "cpu"


def described(entry: Entry) -> dict[str, Any]:
    """Return what there is to tell of a device without computing on it."""
    p, d, device = entry
    return {
        "number": (p, d), "platform": signature(device), "name": device.name.strip(),
        "kind": kind(device), "compute_units": device.max_compute_units,
    }  # fmt: skip


def signature(device: cl.Device) -> tuple[str, str, str]:
    """Return what tells its platform from others: name, version, vendor."""
    platform = device.platform
    return platform.name.strip(), platform.version.strip(), platform.vendor.strip()


def possible_lanes(device: cl.Device) -> tuple[int, ...]:
    """Return how many floats a vector may have: 16 where registers hold so many."""
    wide = kind(device) == "cpu" and device.native_vector_width_float >= 16
    return (8, 16) if wide else (8,)


@device_errors
def opened(
    device: cl.Device, id: str, lanes: int, threads: int | None, *, tune: bool
) -> OpenCL:
    """Return the backend on a device, or on `threads` units of a CPU device.

    Raises: DeviceError if the runtime cannot divide its device.
    """
    return OpenCL(_limited(device, threads), id, lanes=lanes, tune=tune)


def _limited(device: cl.Device, threads: int | None) -> cl.Device:
    is_cpu = kind(device) == "cpu"
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
