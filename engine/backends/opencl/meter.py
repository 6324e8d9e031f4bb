"""What the device can do at this moment: multiply-adds and memory traffic a second."""

from __future__ import annotations

import functools
import time

import numpy as np
import pyopencl as cl

from engine.backends.opencl.backend import OpenCL
from engine.backends.opencl.program import Kernel

_ITEMS, _ROUNDS, _FLOPS = 16, 300_000, 2 * 10
_FLOATS = 1 << 24  # 64 MiB an array: more than any cache


class Meter:
    """Runs the two kernels of kernels/meter.cl on a device.

    rounds: how long a launch of multiply-adds is.
    """

    def __init__(self, device: OpenCL, rounds: int = _ROUNDS):
        self.device, self.lanes, self.rounds = device, device.lanes, rounds
        self.fma = device.programs.kernel(("meter",), "fma_peak")
        self.registers = device.buffer((16 + _ITEMS) * self.lanes)
        self.fma.set_args(self.registers, np.int32(rounds))

    @functools.cached_property
    def _triad(self) -> cl.Kernel:
        triad = self.device.programs.kernel(("meter",), "triad")
        self.arrays = [self.device.buffer(_FLOATS) for _ in range(3)]
        each = _FLOATS // self.lanes // _ITEMS
        triad.set_args(*self.arrays, np.uint64(each))
        return triad

    def _seconds(self, kernel: Kernel) -> float:
        begin = time.perf_counter()
        cl.enqueue_nd_range_kernel(self.device.queue, kernel.built, (_ITEMS,), (1,))
        self.device.finish()
        return time.perf_counter() - begin

    def gflops(self, best_of: int = 1) -> float:
        """Return 10^9 operations a second, a multiply-add counted as two."""
        work = _ITEMS * self.rounds * _FLOPS * self.lanes
        return work / min(self._seconds(self.fma) for _ in range(best_of)) / 1e9

    def gigabytes(self) -> float:
        """Return 10^9 bytes a second of c = a + 2 b."""
        return 3 * 4 * _FLOATS / self._seconds(self._triad) / 1e9
