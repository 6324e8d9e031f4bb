"""Devices for the engine's tests, each opened once."""

from __future__ import annotations

import contextlib

import pytest

import engine

# OpenCL on the CPU takes its number of threads once per process, from whoever opens the
# first device. Only this process is told, for those that tests start are to find what a
# user's find.
with pytest.MonkeyPatch.context() as patch, contextlib.suppress(engine.DeviceError):
    patch.setenv("POCL_MAX_PTHREAD_COUNT", "2")
    patch.setenv("CL_CONFIG_CPU_TBB_NUM_WORKERS", "2")
    engine.open_device("opencl", threads=2).close()

FLOAT32_DEVICES = ("threads", "opencl")


@pytest.fixture(scope="session")
def reference():
    return engine.open_device("reference")


@pytest.fixture(scope="session")
def opened():
    """Return a function id -> device; each is opened once and closed at the end."""
    devices = {}

    def get(name: str):
        if name not in devices:
            try:
                # 3 threads, also on 2 cores: the threads backend must not mind.
                count = 3 if name == "threads" else None
                devices[name] = engine.open_device(name, threads=count)
            except engine.DeviceError as error:
                if name != "opencl":
                    raise
                pytest.skip(f"no OpenCL device: {error}")
        return devices[name]

    yield get
    for device in devices.values():
        device.close()


@pytest.fixture(scope="session", params=FLOAT32_DEVICES)
def device(request, opened):
    """Each device that computes in float32."""
    return opened(request.param)


@pytest.fixture(scope="session", params=("reference", *FLOAT32_DEVICES))
def any_device(request, opened):
    """Each device."""
    return opened(request.param)
