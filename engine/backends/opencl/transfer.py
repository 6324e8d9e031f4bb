"""Numbers from the host to the device and back. The kernels: kernels/transfer.cl.

The host's rows are written where the device reads them too, if it can (fine-grained
shared virtual memory, as CPU devices have it), else they are copied. The device turns
them into its blocks of lanes: the host would take ten times as long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyopencl as cl

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, OpenCL

_CHUNK = 256


class Rows:
    """Rows of numbers that host and device reach; arrays of one size share them.

    last: the event of what still reads them, or None.
    """

    def __init__(self, backend: OpenCL, rows: int, features: int):
        shape = rows, features
        if _shares_memory(backend.queue.device):
            self.host = cl.fsvm_empty(backend.context, shape, np.float32)
            self.device, self.copied = cl.SVM(self.host), False
        else:
            self.host = np.empty(shape, np.float32)
            self.device, self.copied = backend.buffer(rows * features), True
        self.host[:] = 0.0
        self.last: cl.Event | None = None


class Transfer:
    """Puts numbers into one batch array, and gets them."""

    def __init__(self, backend: OpenCL, array: BatchArray, rows: Rows):
        self._rows, self._queue = rows, backend.queue
        self._n, self._shape = array.n, (array.n, *array.shape)
        self._items = (array.blocks * -(-array.features // _CHUNK),)
        self._to_blocks, self._to_rows = (
            backend.programs.kernel(("transfer",), name)
            for name in ("to_blocks", "to_rows")
        )
        features = np.uint32(array.features)
        self._to_blocks.set_args(rows.device, array.buffer, features)
        self._to_rows.set_args(array.buffer, rows.device, features)

    def put(self, values: np.ndarray) -> None:
        """Copy (n, *shape) numbers of the host into the array."""
        rows = self._rows
        if rows.last is not None:
            rows.last.wait()
        rows.host[: self._n] = np.asarray(values).reshape(self._n, -1)
        rows.host[self._n :] = 0.0
        if rows.copied:
            cl.enqueue_copy(self._queue, rows.device, rows.host)
        rows.last = self._run(self._to_blocks)

    def get(self) -> np.ndarray:
        """Return the array's numbers as the host's (n, *shape)."""
        rows = self._rows
        self._run(self._to_rows).wait()
        if rows.copied:
            cl.enqueue_copy(self._queue, rows.host, rows.device)
        return np.array(rows.host[: self._n]).reshape(self._shape)

    def _run(self, kernel: cl.Kernel) -> cl.Event:
        return cl.enqueue_nd_range_kernel(self._queue, kernel, self._items, (1,))


def _shares_memory(device: cl.Device) -> bool:
    if not device.type & cl.device_type.CPU:
        return False
    try:
        capabilities = device.svm_capabilities
    except cl.LogicError:  # before OpenCL 2.0
        return False
    return bool(capabilities & cl.device_svm_capabilities.FINE_GRAIN_BUFFER)
