"""Pooling on OpenCL. The kernels: kernels/pool.cl."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage
from engine.backends.geometry import PoolGeometry
from engine.backends.opencl.functions import IDENTITY, Function

if TYPE_CHECKING:
    from engine.backends.opencl.backend import BatchArray, FlatArray, OpenCL
    from engine.backends.opencl.program import Kernel


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
    backend: OpenCL,
    dy: BatchArray,
    place: BatchArray,
    dx: BatchArray,
    g: PoolGeometry,
    x: BatchArray | None = None,
    f: Function = IDENTITY,
) -> Stage:
    """Return the stage dx = f'(x) dy, sent to the places that forward kept.

    x, and f.y = max pool of x: read unless f is the identity.
    """
    size = g.height, g.width
    kernel, items = _kernel(backend, "max_pool_backward", g, dx.blocks, *size, f)
    by = dy if x is None else f.y if _are_disjoint(g) else x
    return backend.launch(kernel, items, dy, place, by, dx, np.float32(f.slope))


def average_forward(
    backend: OpenCL, x: BatchArray, y: BatchArray, g: PoolGeometry
) -> Stage:
    """Return the stage y = the windows' means."""
    size = g.out_height, g.out_width
    kernel, items = _kernel(backend, "average_pool_forward", g, y.blocks, *size)
    return backend.launch(kernel, items, x, _shares(backend, g), y)


def average_backward(
    backend: OpenCL,
    dy: BatchArray,
    dx: BatchArray,
    g: PoolGeometry,
    f: Function = IDENTITY,
) -> Stage:
    """Return the stage dx = dy over the divisors, summed over each place's windows.

    And multiplied by f' by f.y, f's output, unless f is the identity.
    """
    size = g.height, g.width
    kernel, items = _kernel(
        backend, "average_pool_backward", g, dx.blocks, *size, f,
        STREAMED=int(backend.streams(dx)),
    )  # fmt: skip
    shares, by = _shares(backend, g), dy if f.y is None else f.y
    return backend.launch(kernel, items, dy, shares, by, dx, np.float32(f.slope))


def _are_disjoint(g: PoolGeometry) -> bool:
    """Return whether no two windows have a place in common: as in kernels/pool.cl."""
    return (
        g.padding == (0, 0)
        and g.dilation == (1, 1)
        and all(size <= step for size, step in zip(g.size, g.stride, strict=True))
        and (g.out_height - 1) * g.stride[0] + g.size[0] <= g.height
        and (g.out_width - 1) * g.stride[1] + g.size[1] <= g.width
    )


def _shares(backend: OpenCL, g: PoolGeometry) -> FlatArray:
    """Return 1 / g.divisors() on the device."""
    shares = backend.flat(g.out_height * g.out_width)
    backend.put_flat(shares, 1.0 / g.divisors())
    return shares


def _kernel(
    backend: OpenCL,
    name: str,
    g: PoolGeometry,
    blocks: int,
    height: int,
    width: int,
    f: Function = IDENTITY,
    **more: int,
) -> tuple[Kernel, int]:
    """Return the kernel that writes maps of that size, and its number of work-items."""
    rows = min(-(-_WORK // width), height)
    kernel = backend.programs.kernel(
        ("functions", "pool"), name, FUNCTION=f.number,
        C=g.channels, H=g.height, W=g.width, OH=g.out_height, OW=g.out_width,
        KH=g.size[0], KW=g.size[1], SH=g.stride[0], SW=g.stride[1],
        DH=g.dilation[0], DW=g.dilation[1], PT=g.padding[0], PL=g.padding[1], ROWS=rows,
        **more,
    )  # fmt: skip
    return kernel, blocks * g.channels * -(-height // rows)
