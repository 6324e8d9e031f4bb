"""The three ways of S4 to compute a convolution, in plain NumPy, to be compared.

All three are the forward pass of engine/layers/conv.py in float64,

    y[n,f,i,j] = b[f] + Σ_{c,u,v} w[f,c,u,v] · x[n, c, i·s_h + u·d_h − p_h, …],

with x (N, C, H, W), w (F, C/groups, kh, kw), b (F,) or None and y (N, F, H', W'), and
copy x once into its zeros. No device uses them: see reference.py and threads/.

M = N · F · C/groups · H' · W' · kh · kw counts the multiply-adds, the same for all.
Source: S4 section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from engine.backends.geometry import ConvGeometry
from engine.backends.windows import groups, padded, windows

Array = np.ndarray
Convolution = Callable[[Array, Array, Array | None, ConvGeometry], Array]


def loops(x: Array, w: Array, b: Array | None, g: ConvGeometry) -> Array:
    """Loop explicitly over batch, filters, places, channels and the kernel.

    Time Θ(M), each multiply-add a turn of Python's interpreter. Storage beside y: Θ(1).
    S4 section 2: "simple to code, but inefficient in both time efficiency and storage
    space"; the storage we cannot confirm.
    """
    x, y = padded(x, g), _biases(len(x), b, g)
    depth, per_group = g.channels // g.groups, g.filters // g.groups
    (sh, sw), (dh, dw), (kh, kw) = g.stride, g.dilation, g.kernel
    for n, f in product(range(len(y)), range(g.filters)):
        first = f // per_group * depth
        for i, j in product(range(g.out_height), range(g.out_width)):
            for c, u, v in product(range(depth), range(kh), range(kw)):
                place = x[n, first + c, i * sh + u * dh, j * sw + v * dw]
                y[n, f, i, j] += w[f, c, u, v] * place
    return y


def serialisation(x: Array, w: Array, b: Array | None, g: ConvGeometry) -> Array:
    """Copy every window into a column (im2col), then one product for each group.

    Time: that of (F × K) · (K × N H' W') with K = C/groups · kh · kw, which is Θ(M) as
    BLAS computes it; S4 section 2 gives O(n^2.3728639) for n × n matrices (F. Le Gall,
    2014). Storage beside y: Θ(K N H' W'), as x's places are repeated kh · kw times over
    ("the resultant matrix has repeated elements").
    """
    n, places = len(x), g.out_height * g.out_width
    x, y = padded(x, g), _biases(n, b, g)
    for channels, filters in groups(g):
        part = x[:, channels]
        columns = np.empty((part.shape[1], *g.kernel, n, g.out_height, g.out_width))
        for u, v, window in windows(g):
            columns[:, u, v] = part[window].swapaxes(0, 1)
        weights = w[filters].reshape(-1, len(columns) * g.kernel[0] * g.kernel[1])
        sums = weights @ columns.reshape(-1, n * places)
        y[:, filters] += sums.reshape(-1, n, *y.shape[2:]).swapaxes(0, 1)
    return y


def function(x: Array, w: Array, b: Array | None, g: ConvGeometry) -> Array:
    """Call a two-dimensional convolution in three loops: batch, F_out and F_in.

    S4 section 2, whose author chose this way:
    T = BatchSize × F_out × F_in × T_function + Θ(1), here with F_in = C/groups and
    T_function = Θ(kh kw H' W') in compiled code, and
    S_forward = BatchSize × F_out × H_out × W_out + Θ(1), which is y itself; beside it
    Θ(H' W') for the result of one call.
    """
    x, y = padded(x, g), _biases(len(x), b, g)
    depth, per_group = g.channels // g.groups, g.filters // g.groups
    for n in range(len(y)):
        for f in range(g.filters):
            for c in range(depth):
                image = x[n, f // per_group * depth + c]
                y[n, f] += correlate(image, w[f, c], g.stride, g.dilation)
    return y


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


def _biases(n: int, b: Array | None, g: ConvGeometry) -> Array:
    """Return y as it is before the first product."""
    y = np.zeros((n, g.filters, g.out_height, g.out_width))
    return y if b is None else y + b[:, None, None]


CONVOLUTIONS: dict[str, Convolution] = {
    "loops": loops,
    "serialisation": serialisation,
    "function": function,
}
