"""The OpenCL backend: memory, and the small primitives.

Whatever is more than a few lines stands in a file of its name beside this one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyopencl as cl

from engine.backends.base import Backend, Drawn, State, in_order
from engine.backends.memory import Memory
from engine.backends.opencl import (
    arithmetic,
    convolution,
    dense,
    guard,
    masks,
    norm,
    padding,
    pooling,
    response_norm,
    softmax,
    update,
)
from engine.backends.opencl.functions import FUNCTIONS
from engine.backends.opencl.fused import FusedPasses
from engine.backends.opencl.program import Kernel, Programs
from engine.backends.opencl.transfer import Rows, Source, Transfer
from engine.backends.opencl.tuning import Tuning
from engine.errors import device_errors
from engine.random import PURPOSES

_CHUNK = 64
# Floats of an array that has left the caches before its reader comes to its begin.
_CACHED = 1 << 21


class Buffer(cl.Buffer):
    """OpenCL's buffer, as a class whose objects can be watched (`Memory.hold`)."""


@dataclass
class BatchArray:
    """(n, *shape) as [block of samples][feature][lane]; see kernels/common.cl.

    blocks: blocks of as many samples as there are lanes.
    """

    buffer: cl.Buffer
    n: int
    shape: tuple[int, ...]
    blocks: int
    transfer: Transfer | None = None  # made when the host first asks

    @property
    def features(self) -> int:
        """Numbers per sample."""
        return math.prod(self.shape)


@dataclass
class FlatArray:
    """Plain numbers in C order; `whole` keeps the buffer alive that holds them."""

    buffer: cl.Buffer
    shape: tuple[int, ...]
    whole: FlatArray | None = None

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


class OpenCL(FusedPasses, Backend):
    """One OpenCL device with one in-order queue, float32.

    lanes: floats of a vector, 8 or 16.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, device: cl.Device, id: str, *, lanes: int = 8, tune: bool = True
    ):
        self.id = id
        self.name = device.name.strip()
        self.kind = "gpu" if device.type & cl.device_type.GPU else "cpu"
        self.compute_units = device.max_compute_units
        self.context = cl.Context([device])
        self.queue = cl.CommandQueue(self.context)
        # A tile of results leaves a quarter of the registers for operands: AVX-512 has
        # 32 of 16 floats, other x86-64 processors 16 of 8.
        self.lanes, self.tile = lanes, 24 if lanes == 16 else 12
        self.local_memory = device.local_mem_size
        self.tuning = Tuning(device, enabled=tune)
        self.programs = Programs(self.context, {"LANES": self.lanes})
        self.state = State()
        self.memory = Memory(f"{id} ({self.name})", device.global_mem_size)
        self._alignment = max(device.mem_base_addr_align // 32, self.lanes)
        self._rows: dict[tuple[int, int], Rows] = {}
        self._scratch: dict[str, FlatArray] = {}
        self.fault = self.flat(1)

    @property
    def alignment(self) -> int:
        return self._alignment

    # --- memory -----------------------------------------------------------------

    def buffer(self, floats: int) -> cl.Buffer:
        """Return a buffer of `floats` zeros.

        Raises: DeviceError with the bytes asked for.
        """
        size = 4 * max(floats, 1)
        self.memory.ask(size)
        try:
            buffer = Buffer(self.context, cl.mem_flags.READ_WRITE, size)
            cl.enqueue_fill_buffer(self.queue, buffer, np.float32(0), 0, size)
            self.queue.finish()
        except (cl.MemoryError, cl.LogicError, cl.RuntimeError) as error:
            raise self.memory.error(size, error) from None
        self.memory.hold(buffer, size)
        return buffer

    def scratch(self, name: str, floats: int) -> FlatArray:
        """Return an array that all who name it share: it keeps nothing for later."""
        known = self._scratch.get(name)
        if known is None or known.size < floats:
            known = self._scratch[name] = self.flat(floats)
        return known

    def empty(self, n, shape):
        blocks = -(-n // self.lanes)
        buffer = self.buffer(blocks * math.prod(shape) * self.lanes)
        return BatchArray(buffer, n, tuple(shape), blocks)

    def empty_like(self, array):
        return self.empty(array.n, array.shape)

    def reshape(self, array, shape):
        return BatchArray(array.buffer, array.n, tuple(shape), array.blocks)

    def put(self, array, values):
        self._transfer(array).put(values)

    def source(self, values):
        return Source(self, values) if Source.fits(self, values) else None

    def put_batch(self, x, values, t, targets):
        if isinstance(values, Drawn) and t.features == 1:
            self._transfer(x).draw(values, t, targets)
        else:
            super().put_batch(x, values, t, targets)

    def get(self, array):
        return self.getting(array)()

    def getting(self, array):
        return self._transfer(array).getting()

    def _transfer(self, array: BatchArray) -> Transfer:
        if array.transfer is None:
            key = array.blocks * self.lanes, array.features
            if key not in self._rows:
                self._rows[key] = Rows(self, *key)
            array.transfer = Transfer(self, array, self._rows[key])
        return array.transfer

    def flat(self, size):
        return FlatArray(self.buffer(size), (size,))

    def part(self, array, offset, shape):
        size = 4 * math.prod(shape)
        region = array.buffer.get_sub_region(4 * offset, size)
        return FlatArray(region, tuple(shape), array)

    @device_errors
    def put_flat(self, array, values):
        host = np.ascontiguousarray(values, np.float32).reshape(array.shape)
        cl.enqueue_copy(self.queue, array.buffer, host)

    @device_errors
    def get_flat(self, array):
        host = np.empty(array.shape, np.float32)
        cl.enqueue_copy(self.queue, host, array.buffer)
        return host

    def finish(self):
        self.queue.finish()

    def close(self):
        self.queue.finish()
        self._rows.clear()
        self._scratch.clear()

    def streams(self, array: BatchArray) -> bool:
        """Return whether so much is best stored past the caches; in whole lines."""
        row = self.lanes * (array.shape[-1] if array.shape else 1)
        floats = array.blocks * array.features * self.lanes
        return self.kind == "cpu" and floats > _CACHED and row % 16 == 0

    # --- stages -----------------------------------------------------------------

    def launch(self, kernel: Kernel, items: int, *arguments) -> Callable[[], cl.Event]:
        """Return the stage that runs `items` work-items of a kernel, arguments bound.

        Arrays are passed as their buffers; OpenCL keeps no reference to them, so the
        stage does.
        """
        kernel.set_args(*(getattr(a, "buffer", a) for a in arguments))
        queue, size = self.queue, (items,)

        def run(_held=arguments) -> cl.Event:
            return cl.enqueue_nd_range_kernel(queue, kernel.built, size, (1,))

        return run

    def conv_forward(self, x, w, b, y, g):
        return convolution.forward(self, x, w, b, y, g)

    def conv_backward_data(self, dy, w, dx, g):
        return convolution.backward_data(self, dy, w, dx, g)

    def conv_backward_weights(self, x, dy, dw, db, g):
        return convolution.backward_weights(self, x, dy, dw, db, g)

    def dense_forward(self, x, w, b, y):
        return dense.forward(self, x, w, b, y)

    def dense_backward_data(self, dy, w, dx):
        return dense.backward(self, dx, dy, w, dx, None, None)

    def dense_backward_weights(self, x, dy, dw, db):
        return dense.backward(self, x, dy, dw, None, dw, db)

    def max_pool_forward(self, x, y, place, g):
        return pooling.max_forward(self, x, y, place, g)

    def max_pool_backward(self, dy, place, dx, g):
        return pooling.max_backward(self, dy, place, dx, g)

    def average_pool_forward(self, x, y, g):
        return pooling.average_forward(self, x, y, g)

    def average_pool_backward(self, dy, dx, g):
        return pooling.average_backward(self, dy, dx, g)

    def pad_forward(self, x, y, g):
        return padding.forward(self, x, y, g)

    def pad_backward(self, dy, dx, g):
        return padding.backward(self, dy, dx, g)

    def moments(self, x, mean, variance):
        return norm.moments(self, x, mean, variance)

    def normalize(self, x, y, by):
        return norm.forward(self, x, y, by)

    def normalize_backward(self, x, dy, dx, dgamma, dbeta, by):
        return norm.backward(self, x, dy, dx, dgamma, dbeta, by)

    def blend(self, kept, new, portion, factor):
        return norm.blend(self, kept, new, portion, factor)

    def softmax_forward(self, x, y):
        return softmax.forward(self, x, y)

    def softmax_backward(self, y, dy, dx):
        return softmax.backward(self, y, dy, dx)

    def _elementwise(self, name: str, function: str = "identity") -> Kernel:
        files = "functions", "philox", "elementwise"
        return self.programs.kernel(files, name, FUNCTION=FUNCTIONS.index(function))

    def activation_forward(self, x, y, function, slope):
        kernel = self._elementwise("activation_forward", function)
        count = x.blocks * x.features
        items = -(-count // _CHUNK)
        return self.launch(kernel, items, x, y, np.float32(slope), np.uint64(count))

    def activation_backward(self, y, dy, dx, function, slope):
        kernel = self._elementwise("activation_backward", function)
        count = y.blocks * y.features
        return self.launch(
            kernel, -(-count // _CHUNK), y, dy, dx, np.float32(slope), np.uint64(count)
        )

    def clip_forward(self, x, y, low, high):
        return arithmetic.clip_forward(self, x, y, low, high)

    def clip_backward(self, y, dy, dx, low, high):
        return arithmetic.clip_backward(self, y, dy, dx, low, high)

    def scale(self, x, w, b, y):
        return arithmetic.scale(self, x, w, b, y)

    def scale_backward_weights(self, x, dy, dw, db):
        return arithmetic.scale_backward_weights(self, x, dy, dw, db)

    def multiply(self, a, b, y):
        return arithmetic.multiply(self, a, b, y)

    def multiply_sum(self, a, b, y):
        return arithmetic.multiply_sum(self, a, b, y)

    def local_response_norm(self, x, y, s, norm):
        return response_norm.forward(self, x, y, s, norm)

    def local_response_norm_backward(self, x, y, s, dy, dx, norm):
        return response_norm.backward(self, x, y, s, dy, dx, norm)

    def dropout(self, x, y, portion, layer):
        kernel = self._elementwise("dropout")
        quads = -(-x.features // 4)
        items = x.blocks * -(-quads // (_CHUNK // 4))
        least = np.int32(math.ceil(float(np.float32(portion)) * 2**24))
        launch = self.launch(
            kernel, items, x, y, least, np.float32(1.0 / (1.0 - portion)),
            *map(np.uint32, (x.features, 0, PURPOSES["dropout"], layer, 0)),
        )  # fmt: skip
        state = self.state

        def run() -> None:
            kernel.set_arg(5, np.uint32(state.seed))
            kernel.set_arg(8, np.uint32(state.step))
            launch()

        return run

    def dropconnect(self, w, y, portion, layer):
        return masks.dropconnect(self, w, y, portion, layer)

    def freezeconnect(self, w, portion, layer):
        return masks.freezeconnect(self, w, portion, layer)

    def add(self, xs, y):
        kernel, count = self._elementwise("add"), y.blocks * y.features
        items = -(-count // _CHUNK)
        first = self.launch(kernel, items, xs[0], xs[1], y, np.uint64(count))
        rest = [
            self.launch(self._elementwise("add"), items, y, x, y, np.uint64(count))
            for x in xs[2:]
        ]
        return in_order([first, *rest])

    def copy_features(self, x, x_begin, y, y_begin, count):
        kernel = self._elementwise("copy_features")
        numbers = (x_begin, x.features, y_begin, y.features, count)
        items = x.blocks * -(-count // _CHUNK)
        return self.launch(kernel, items, x, y, *map(np.uint32, numbers))

    def loss(self, kind, z, t, dz, losses, scale):
        outputs = z.features
        kernel = self.programs.kernel(("loss",), kind, K=outputs, TARGETS=t.features)
        each = 1.0 if kind == "squared_error" else 1.0 / outputs
        # Without a gradient to write, softmax still needs no second array:
        # `wanted` is 0.
        return self.launch(
            kernel, z.blocks, z, t, z if dz is None else dz, losses,
            np.uint32(z.n), np.float32(scale), np.float32(each),
            np.int32(dz is not None),
        )  # fmt: skip

    def guard(self, gradients, size, losses):
        return guard.guard(self, gradients, size, losses)

    def update(self, rule, w, dw, *kept):
        return update.update(self, rule, w, dw, *kept)
