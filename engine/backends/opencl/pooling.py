"""Pooling on OpenCL. The kernels: kernels/pool.cl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.backends.base import Stage
from engine.backends.geometry import PoolGeometry

if TYPE_CHECKING:
    import pyopencl as cl

    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL


# Places of a map that make a work-item worth while.
_WORK = 256


def max_forward(
    backend: OpenCL, x: BatchArray, y: BatchArray, place: BatchArray, g: PoolGeometry
) -> Stage:
    """Return the stage y = maxima, place = where in its window each first stands."""
    size = g.out_height, g.out_width
    kernel, items = _kernel(backend, "max_pool_forward", g, y.blocks, *size)
    return backend.launch(kernel, items, x, y, place)


def max_backward(
    backend: OpenCL, dy: BatchArray, place: BatchArray, dx: BatchArray, g: PoolGeometry
) -> Stage:
    """Return the stage dx = dy, sent to the places that forward kept."""
    size = g.height, g.width
    kernel, items = _kernel(backend, "max_pool_backward", g, dx.blocks, *size)
    return backend.launch(kernel, items, dy, place, dx)


def average_forward(
    backend: OpenCL, x: BatchArray, y: BatchArray, g: PoolGeometry
) -> Stage:
    """Return the stage y = the windows' means."""
    size = g.out_height, g.out_width
    kernel, items = _kernel(backend, "average_pool_forward", g, y.blocks, *size)
    return backend.launch(kernel, items, x, _shares(backend, g), y)


def average_backward(
    backend: OpenCL, dy: BatchArray, dx: BatchArray, g: PoolGeometry
) -> Stage:
    """Return the stage dx = dy over the divisors, summed over each place's windows."""
    size = g.height, g.width
    kernel, items = _kernel(backend, "average_pool_backward", g, dx.blocks, *size)
    return backend.launch(kernel, items, dy, _shares(backend, g), dx)


def _shares(backend: OpenCL, g: PoolGeometry) -> FlatArray:
    """Return 1 / g.divisors() on the device."""
    shares = backend.flat(g.out_height * g.out_width)
    backend.put_flat(shares, 1.0 / g.divisors())
    return shares


def _kernel(
    backend: OpenCL, name: str, g: PoolGeometry, blocks: int, height: int, width: int
) -> tuple[cl.Kernel, int]:
    """Return the kernel that writes maps of that size, and its number of work-items."""
    rows = min(-(-_WORK // width), height)
    kernel = backend.programs.kernel(
        ("pool",), name,
        C=g.channels, H=g.height, W=g.width, OH=g.out_height, OW=g.out_width,
        KH=g.size[0], KW=g.size[1], SH=g.stride[0], SW=g.stride[1],
        DH=g.dilation[0], DW=g.dilation[1], PT=g.padding[0], PL=g.padding[1], ROWS=rows,
    )  # fmt: skip
    return kernel, blocks * g.channels * -(-height // rows)
