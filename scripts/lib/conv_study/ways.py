"""The ways to convolve: S4's three in NumPy, and the engine's kernels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import engine
from engine.backends.three_convolutions import CONVOLUTIONS, GRADIENTS
from engine.errors import EngineError
from scripts.lib.conv_study.cases import FORWARD, Case
from scripts.lib.io import cli
from scripts.lib.io.clock import clock_of

NUMPY = tuple(CONVOLUTIONS)
DEVICES = ("threads", "opencl")

# How far a way may be from the plain sums, over their largest: Winograd's transforms
# round more than a sum of products does.
_APART = 1e-3


def in_numpy(way: str, case: Case, which: str, seed: int) -> Callable[[], np.ndarray]:
    """Return one of S4's ways with its arrays bound; a call makes the result anew."""
    given, w = case.arrays(which, seed)
    g = case.geometry
    if which == FORWARD:
        return lambda: CONVOLUTIONS[way](given, w, None, g)
    return lambda: GRADIENTS[way](given, w, g)


def open_device(way: str):
    """Return the engine's device of this name with one thread.

    Raises: EngineError where there is none.
    """
    return engine.open_device(way, threads=1, tune=cli.tune())


class OnDevice:
    """A case's arrays on one of the engine's devices, all of them written once."""

    def __init__(self, backend, case: Case, which: str, seed: int):
        self.backend, self._which, self._g = backend, which, case.geometry
        given, w = case.arrays(which, seed)
        self._given = backend.empty(len(given), given.shape[1:])
        backend.put(self._given, given)
        self._w = backend.part(backend.flat(w.size), 0, w.shape)
        backend.put_flat(self._w, w)
        maps, size = case.maps_out, case.out_size
        if which != FORWARD:
            maps, size = case.maps_in, case.size
        self._result = backend.empty(case.batch, (maps, size, size))
        # Memory that was never written is not the process's yet.
        backend.put(
            self._result, np.ones((case.batch, maps, size, size), backend.dtype)
        )
        backend.finish()

    def call(self) -> Callable[[], None]:
        """Return what computes the result once and waits for it."""
        if self._which == FORWARD:
            stage = self.backend.conv_forward(
                self._given, self._w, None, self._result, self._g
            )
        else:
            stage = self.backend.conv_backward_data(
                self._given, self._w, self._result, self._g
            )

        def run() -> None:
            stage()
            self.backend.finish()

        return run

    def result(self) -> np.ndarray:
        """Return what was computed."""
        return self.backend.get(self._result)


class Ways:
    """All ways that can be run here; missing: why the others cannot.

    clocks: of each way its name and the clock.
    """

    def __init__(self, names: list[str]):
        self.missing: dict[str, str] = {}
        self.clocks: dict[str, tuple[str, Callable[[], float]]] = {}
        self._devices = {}
        host = engine.open_device("reference")
        for name in names:
            device = host
            if name in DEVICES:
                try:
                    device = self._devices[name] = open_device(name)
                except EngineError as error:
                    self.missing[name] = f"not run: {error}"
                    continue
            self.clocks[name] = clock_of(device)

    def device_name(self, way: str) -> str:
        """Return what computes, for the tables."""
        return self._devices[way].name if way in self._devices else "NumPy float32"

    def call(self, way: str, case: Case, which: str, seed: int) -> Callable[[], object]:
        """Return a way's call for one case, which was run once and found right.

        Raises: ValueError if it computes something else than S4's serialisation.
        """
        if way in NUMPY:
            call = in_numpy(way, case, which, seed)
            result = call()
        else:
            on_device = OnDevice(self._devices[way], case, which, seed)
            call = on_device.call()
            call()
            result = on_device.result()
        expected = in_numpy("serialisation", case, which, seed)()
        apart = float(np.max(np.abs(result - expected)) / np.max(np.abs(expected)))
        if not apart <= _APART:
            raise ValueError(
                f"{way}, {which}, {case.name}: expected the sums of the serialisation "
                f"within {_APART:g} of the largest, received {apart:.2g}"
            )
        return call

    def close(self) -> None:
        """Give the devices back."""
        for device in self._devices.values():
            device.close()
