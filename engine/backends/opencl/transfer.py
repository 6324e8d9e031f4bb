"""Numbers from the host to the device and back. The kernels: kernels/transfer.cl.

The host's rows are written where the device reads them too, if it can (fine-grained
shared virtual memory, as CPU devices have it), else they are copied. The device turns
them into its blocks of lanes: the host would take ten times as long.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyopencl as cl

from engine.backends.base import Drawn

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, OpenCL
    from engine.backends.opencl.program import Kernel

_CHUNK = 256


class Rows:
    """Rows of numbers that host and device reach; arrays of one size share them.

    last: the event of what still reads them, or None.
    """

    def __init__(self, backend: OpenCL, rows: int, features: int):
        shape, self._queue = (rows, features), backend.queue
        if shares_memory(backend.queue.device):
            self.host = cl.fsvm_empty(backend.context, shape, np.float32)
            self.device, self.copied = cl.SVM(self.host), False
        else:
            self.host = np.empty(shape, np.float32)
            self.device, self.copied = backend.buffer(rows * features), True
        self.host[:] = 0.0
        self.last: cl.Event | None = None

    def __del__(self) -> None:
        # OpenCL counts the references to its buffers, but not to shared memory: a
        # kernel that was begun may still write there. (PoCL 3.0 crashes where the
        # queue is told to free it.)
        self._queue.finish()


class Source:
    """Samples of the host, (N, *shape), that the device reads where they are.

    Drawn by the device, a batch need not be copied twice: by the host, whose cores are
    the device's too.
    """

    def __init__(self, backend: OpenCL, values: np.ndarray):
        flags = cl.mem_flags.READ_ONLY | cl.mem_flags.USE_HOST_PTR
        self.device = cl.Buffer(backend.context, flags, hostbuf=values)
        self._values, self._queue = values, backend.queue

    @staticmethod
    def fits(backend: OpenCL, values: np.ndarray) -> bool:
        """Return whether the device can read these values as they are."""
        return (
            shares_memory(backend.queue.device)
            and values.dtype == np.float32
            and values.flags.c_contiguous
            and 0 < len(values) < 1 << 31
        )

    def __del__(self) -> None:
        self._queue.finish()  # a kernel that was begun may still read


class _Draw:
    """A launch that draws rows of a source, and puts targets into t unless it is None.

    numbers, targets: of the rows and for t, which host and device see; last: the event
    of what still reads them, or None.
    """

    def __init__(
        self, backend: OpenCL, source: Source, x: BatchArray, t: BatchArray | None
    ):
        self.source, self.t = weakref.ref(source), t
        rows = x.blocks * backend.lanes
        self.numbers = cl.fsvm_empty(backend.context, rows, np.int32)
        self.targets = cl.fsvm_empty(backend.context, rows, np.float32)
        self.numbers[:], self.targets[:] = -1, 0.0
        # Compiled now, as it is about to run: a kernel that waits for that would keep
        # the source alive.
        self.kernel = backend.programs.kernel(("transfer",), "draw_blocks")
        self.kernel.built.set_args(
            source.device, cl.SVM(self.numbers), cl.SVM(self.targets), x.buffer,
            (x if t is None else t).buffer, np.uint32(x.features),
            np.uint32(0 if t is None else t.blocks),
        )  # fmt: skip
        self._queue, self.last = backend.queue, None

    def __del__(self) -> None:
        self._queue.finish()  # as of Rows


class Transfer:
    """Puts numbers into one batch array, and gets them.

    rows: of all arrays of this size, for `put`; `getting` has its own.
    """

    def __init__(self, backend: OpenCL, array: BatchArray, rows: Rows):
        self._rows, self._queue = rows, backend.queue
        self._free: list[tuple[Kernel, Rows]] = []
        self._draws: list[_Draw] = []
        # The array keeps what transfers it.
        self._backend, self._array = backend, weakref.proxy(array)
        self._n, self._shape = array.n, (array.n, *array.shape)
        self._items = (array.blocks * -(-array.features // _CHUNK),)
        self._features = np.uint32(array.features)
        self._to_blocks = backend.programs.kernel(("transfer",), "to_blocks")
        self._to_blocks.set_args(rows.device, array.buffer, self._features)
        # Wanted soon, if not of this array: to be compiled with what runs first.
        self._to_rows = backend.programs.kernel(("transfer",), "to_rows")

    def put(self, values: np.ndarray | Drawn) -> None:
        """Copy (n, *shape) numbers of the host into the array."""
        if isinstance(values, Drawn):
            self.draw(values)
            return
        rows = self._rows
        if rows.last is not None:
            rows.last.wait()
        rows.host[: self._n] = np.asarray(values).reshape(self._n, -1)
        rows.host[self._n :] = 0.0
        if rows.copied:
            cl.enqueue_copy(self._queue, rows.device, rows.host)
        rows.last = self._run(self._to_blocks)

    def draw(
        self,
        drawn: Drawn,
        t: BatchArray | None = None,
        targets: np.ndarray | None = None,
    ) -> None:
        """Let the device draw the rows, and put the targets (n, 1) into t.

        The draw before may still be under way.
        """
        draws = self._draws
        if not draws or draws[0].source() is not drawn.source or draws[0].t is not t:
            arrays = drawn.source, self._array, t
            self._draws = draws = [_Draw(self._backend, *arrays) for _ in range(2)]
        draws.reverse()
        draw = draws[0]
        if draw.last is not None:
            draw.last.wait()
        draw.numbers[: self._n] = drawn.rows
        if t is not None:
            draw.targets[: self._n] = targets[:, 0]
        draw.last = self._run(draw.kernel)

    def getting(self) -> Callable[[], np.ndarray]:
        """Return a function that gives the numbers of now as the host's (n, *shape)."""
        kernel, rows = self._free.pop() if self._free else self._way_back()
        event = self._run(kernel)

        def read() -> np.ndarray:
            event.wait()
            if rows.copied:
                cl.enqueue_copy(self._queue, rows.host, rows.device)
            values = np.array(rows.host[: self._n]).reshape(self._shape)
            self._free.append((kernel, rows))
            return values

        return read

    def _way_back(self) -> tuple[Kernel, Rows]:
        """Return rows that no `getting` uses, and the kernel bound to them."""
        rows = Rows(self._backend, *self._rows.host.shape)
        kernel = self._backend.programs.kernel(("transfer",), "to_rows")
        kernel.set_args(self._array.buffer, rows.device, self._features)
        return kernel, rows

    def _run(self, kernel: Kernel) -> cl.Event:
        return cl.enqueue_nd_range_kernel(self._queue, kernel.built, self._items, (1,))


def shares_memory(device: cl.Device) -> bool:
    """Return whether kernels and host may write the same memory at any time."""
    if not device.type & cl.device_type.CPU:
        return False
    try:
        capabilities = device.svm_capabilities
    except cl.LogicError:  # before OpenCL 2.0
        return False
    return bool(capabilities & cl.device_svm_capabilities.FINE_GRAIN_BUFFER)
