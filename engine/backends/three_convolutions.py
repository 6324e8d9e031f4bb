"""The three ways of S4 to compute a convolution, in plain NumPy, to be compared.

All three are those of engine/layers/conv.py, forward and back to the data,

    y[n,f,i,j]  = b[f] + Σ_{c,u,v} w[f,c,u,v] · x[n, c, i·s_h + u·d_h − p_h, …],
    dx[n,c,r,s] = Σ w[f,c,u,v] · dy[n,f,i,j]  over all f,u,v,i,j that read x[n,c,r,s],

with x, dx (N, C, H, W), w (F, C/groups, kh, kw), b (F,) or None and y, dy (N, F, H',
W'), all of one dtype. With padding a map has a copy with zeros around it. No device
uses them: see reference.py and threads/.

M = N · F · C/groups · H' · W' · kh · kw counts the multiply-adds, the same for all.
Source: S4 section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from engine.backends.geometry import ConvGeometry
from engine.backends.windows import groups, inner, padded, windows

Array = np.ndarray
Convolution = Callable[[Array, Array, Array | None, ConvGeometry], Array]
Gradient = Callable[[Array, Array, ConvGeometry], Array]


def loops(x: Array, w: Array, b: Array | None, g: ConvGeometry) -> Array:
    """Loop explicitly over batch, filters, places, channels and the kernel.

    Time Θ(M), each multiply-add a turn of Python's interpreter. Storage beside y: Θ(1).
    S4 section 2: "simple to code, but inefficient in both time efficiency and storage
    space"; the storage we cannot confirm.
    """
    x, y = _in_zeros(x, g), _biases(x, b, g)
    depth, per_group = g.channels // g.groups, g.filters // g.groups
    (sh, sw), (dh, dw), (kh, kw) = g.stride, g.dilation, g.kernel
    for n, f in product(range(len(y)), range(g.filters)):
        first = f // per_group * depth
        for i, j in product(range(g.out_height), range(g.out_width)):
            for c, u, v in product(range(depth), range(kh), range(kw)):
                place = x[n, first + c, i * sh + u * dh, j * sw + v * dw]
                y[n, f, i, j] += w[f, c, u, v] * place
    return y


def loops_backward(dy: Array, w: Array, g: ConvGeometry) -> Array:
    """Return dx by the loops of `loops`, each product sent to the place it came from.

    Time Θ(M), storage beside dx: Θ(1).
    """
    dx = _zeros(dy, g)
    depth, per_group = g.channels // g.groups, g.filters // g.groups
    (sh, sw), (dh, dw), (kh, kw) = g.stride, g.dilation, g.kernel
    for n, f in product(range(len(dy)), range(g.filters)):
        first = f // per_group * depth
        for i, j in product(range(g.out_height), range(g.out_width)):
            for c, u, v in product(range(depth), range(kh), range(kw)):
                place = n, first + c, i * sh + u * dh, j * sw + v * dw
                dx[place] += w[f, c, u, v] * dy[n, f, i, j]
    return inner(dx, g)


def serialisation(x: Array, w: Array, b: Array | None, g: ConvGeometry) -> Array:
    """Copy every window into a column (im2col), then one product for each group.

    Time: that of (F × K) · (K × N H' W') with K = C/groups · kh · kw, which is Θ(M) as
    BLAS computes it; S4 section 2 gives O(n^2.3728639) for n × n matrices (F. Le Gall,
    2014). Storage beside y: Θ(K N H' W'), as x's places are repeated kh · kw times over
    ("the resultant matrix has repeated elements").
    """
    n, places = len(x), g.out_height * g.out_width
    x, y = _in_zeros(x, g), _biases(x, b, g)
    shape = g.channels // g.groups, *g.kernel, n, g.out_height, g.out_width
    for channels, filters in groups(g):
        columns = np.empty(shape, x.dtype)
        for u, v, window in windows(g):
            columns[:, u, v] = x[:, channels][window].swapaxes(0, 1)
        sums = _rows(w[filters]) @ columns.reshape(-1, n * places)
        y[:, filters] += sums.reshape(-1, n, *y.shape[2:]).swapaxes(0, 1)
    return y


def serialisation_backward(dy: Array, w: Array, g: ConvGeometry) -> Array:
    """Return dx by one product for each group, its columns added to their windows.

    Time: that of (K × F) · (F × N H' W'), K as in `serialisation`, again Θ(M). Storage
    beside dx: Θ((K + F) N H' W'), the columns and dy in the product's order.
    """
    dx = _zeros(dy, g)
    shape = g.channels // g.groups, *g.kernel, len(dy), g.out_height, g.out_width
    for channels, filters in groups(g):
        sources = _rows(dy[:, filters].swapaxes(0, 1))
        columns = (_rows(w[filters]).T @ sources).reshape(shape)
        part = dx[:, channels]
        for u, v, window in windows(g):
            part[window] += columns[:, u, v].swapaxes(0, 1)
    return inner(dx, g)


def function(x: Array, w: Array, b: Array | None, g: ConvGeometry) -> Array:
    """Call a two-dimensional convolution in three loops: batch, F_out and F_in.

    S4 section 2, whose author chose this way:
    T = BatchSize × F_out × F_in × T_function + Θ(1), here with F_in = C/groups and
    T_function = Θ(kh kw H' W') in compiled code, and
    S_forward = BatchSize × F_out × H_out × W_out + Θ(1), which is y itself; beside it
    Θ(H' W') for the result of one call.
    """
    x, y = _in_zeros(x, g), _biases(x, b, g)
    depth, per_group = g.channels // g.groups, g.filters // g.groups
    for n in range(len(y)):
        for f in range(g.filters):
            for c in range(depth):
                image = x[n, f // per_group * depth + c]
                y[n, f] += correlate(image, w[f, c], g.stride, g.dilation)
    return y


def function_backward(dy: Array, w: Array, g: ConvGeometry) -> Array:
    """Return dx by the same loops: maps of dy in zeros, under turned kernels.

    "Padding [...] is used in the backward propagation" (S4 section 2): so a call gives
    a whole map of dx, and puts its map of dy into zeros itself. T as for `function`,
    and S_backward = BatchSize × F_in × H_in × W_in + Θ(1), which is dx itself; beside
    it Θ(H W) for a map of dy in its zeros and the result of one call.
    """
    dx = _zeros(dy, g)
    depth, per_group = g.channels // g.groups, g.filters // g.groups
    before = [d * (k - 1) for d, k in zip(g.dilation, g.kernel, strict=True)]
    map_ = np.zeros(np.add(dx.shape[2:], before), dy.dtype)
    inside = map_[before[0] :: g.stride[0], before[1] :: g.stride[1]]
    inside = inside[: g.out_height, : g.out_width]
    for n in range(len(dy)):
        for f in range(g.filters):
            for c in range(depth):
                inside[...] = dy[n, f]
                turned = w[f, c, ::-1, ::-1]
                place = n, f // per_group * depth + c
                dx[place] += correlate(map_, turned, (1, 1), g.dilation)
    return inner(dx, g)


def correlate(
    image: Array, kernel: Array, stride: tuple[int, int], dilation: tuple[int, int]
) -> Array:
    """Return Σ_{u,v} kernel[u,v] · image[i·s_h + u·d_h, j·s_w + v·d_w], (H', W').

    The "convolution (cross-correlation indeed)" function of S4 section 2.
    """
    (sh, sw), (dh, dw) = stride, dilation
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel.shape, strict=True)]
    under = sliding_window_view(image, reach)[::sh, ::sw, ::dh, ::dw]
    return np.einsum("ijuv,uv->ij", under, kernel)


def _in_zeros(x: Array, g: ConvGeometry) -> Array:
    """Return x with its padding; x itself where it has none."""
    return padded(x, g) if any((*g.padding, *g.padding_end)) else x


def _zeros(dy: Array, g: ConvGeometry) -> Array:
    """Return dx with its padding, as it is before the first product."""
    none = np.empty((0, g.channels, g.height, g.width))  # for its shape alone
    return np.zeros((len(dy), *padded(none, g).shape[1:]), dy.dtype)


def _biases(x: Array, b: Array | None, g: ConvGeometry) -> Array:
    """Return y as it is before the first product."""
    y = np.zeros((len(x), g.filters, g.out_height, g.out_width), x.dtype)
    if b is not None:
        y += b[:, None, None]
    return y


def _rows(array: Array) -> Array:
    """Return an array as a matrix, a row for each of its first axis."""
    return array.reshape(len(array), -1)


CONVOLUTIONS: dict[str, Convolution] = {
    "loops": loops,
    "serialisation": serialisation,
    "function": function,
}
# dx, for a layer whose bias plays no part in it.
GRADIENTS: dict[str, Gradient] = {
    "loops": loops_backward,
    "serialisation": serialisation_backward,
    "function": function_backward,
}
