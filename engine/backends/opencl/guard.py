"""The guard against NaN on OpenCL, and the losses' way to the host in the same launch.

The kernel: kernels/loss.cl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyopencl as cl

from engine.backends.base import Stage
from engine.backends.opencl.transfer import Rows

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL

_CHUNK = 2048


def guard(
    backend: OpenCL, gradients: FlatArray, size: int, losses: BatchArray
) -> Stage:
    """Return the stage of `Backend.guard` alone."""
    rows = backend.flat(losses.blocks * backend.lanes + 1)
    return backend.launch(*_launch(backend, gradients, size, losses, rows))


class Guard:
    """Runs the guard, each time into rows that no reader of an earlier time needs."""

    def __init__(
        self, backend: OpenCL, gradients: FlatArray, size: int, losses: BatchArray
    ):
        self._backend, self._arrays = backend, (gradients, size, losses)
        self._free = [self._new()]  # at once: its kernel is wanted

    def __call__(self) -> Callable[[], np.ndarray]:
        """Run; return what gives the losses (n, 1), the first NaN at a fault."""
        run, rows = self._free.pop() if self._free else self._new()
        rows.host[-1] = 0.0
        event, n = run(), self._arrays[2].n

        def read() -> np.ndarray:
            event.wait()
            values = np.array(rows.host[:n])
            if rows.host[-1] != 0.0:
                values[0] = np.nan
            self._free.append((run, rows))
            return values

        return read

    def _new(self) -> tuple[Callable[[], cl.Event], Rows]:
        """Return a launch, and its rows: for the losses, and one for a fault."""
        losses = self._arrays[2]
        rows = Rows(self._backend, losses.blocks * self._backend.lanes + 1, 1)
        run = self._backend.launch(*_launch(self._backend, *self._arrays, rows.device))
        return run, rows


def _launch(
    backend: OpenCL, gradients: FlatArray, size: int, losses: BatchArray, rows
) -> tuple:
    """Return the kernel, its number of work-items, and its arguments."""
    return (
        backend.programs.kernel(("loss",), "guard"),
        max(-(-size // _CHUNK), 1),
        *(gradients, losses, backend.fault, rows),
        *(np.uint64(size), np.uint32(losses.blocks)),
    )
