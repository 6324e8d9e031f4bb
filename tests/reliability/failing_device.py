"""Run the step `train` on an OpenCL device that vanishes in the middle.

    python -m tests.reliability.failing_device LAUNCHES WORD ...

After so many launches every further one is refused with the error that a runtime gives
for a device that is gone. Here only the call that enqueues a kernel is replaced.
"""

from __future__ import annotations

import sys

import pyopencl as cl

from scripts import train
from scripts.lib.io import cli

_LOST = -2  # CL_DEVICE_NOT_AVAILABLE


def vanish(after: int) -> None:
    """Let the device refuse all launches after so many."""
    enqueue, launched = cl.enqueue_nd_range_kernel, 0

    def counted(*arguments, **named):
        nonlocal launched
        launched += 1
        if launched > after:
            routine = "clEnqueueNDRangeKernel"
            raise cl.RuntimeError(cl._cl._ErrorRecord("device lost", _LOST, routine))
        return enqueue(*arguments, **named)

    cl.enqueue_nd_range_kernel = counted


if __name__ == "__main__":
    vanish(int(sys.argv.pop(1)))
    cli.run(train.main)
