"""Local response normalisation."""

from __future__ import annotations

import math

from engine.backends.response_norm import ResponseNorm
from engine.layers.base import Bound, Layer, Shape, Stage
from engine.settings import Setting, count, number


class LocalResponseNorm(Layer):
    r"""y_c = x_c / s_c^β,  s_c = k + α/size Σ_{c'} x_{c'}²       (at each place i, j)

    x, y, s (n, C, H, W); c' runs over the `size` channels from c − ⌊(size − 1)/2⌋ to
    c + ⌈(size − 1)/2⌉, as far as there are such; k is the setting `bias`.

    Backward: dx_c = dy_c / s_c^β − 2 α β/size · x_c Σ_{c'} dy_{c'} y_{c'} / s_{c'}
              over the c' whose window holds c.
    Source: A. Krizhevsky et al., "ImageNet Classification with Deep Convolutional
    Neural Networks", NIPS 2012, section 3.3; its α is α/size here, as it is in the ONNX
    operator LRN.
    """

    kind = "local_response_norm"
    table = {
        "size": Setting(count),
        "alpha": Setting(number(0.0, 1e9), 1e-4),
        "beta": Setting(number(0.0, 1e3), 0.75),
        "bias": Setting(number(1e-9, 1e9), 1.0),
    }

    def build(self) -> Shape:
        self.image_shape()
        self.norm = ResponseNorm(**self.settings)
        return self.in_shape

    def forward(self, backend, io: Bound) -> list[Stage]:
        io.scratch["s"] = s = backend.empty_like(io.y)
        return [backend.local_response_norm(io.x, io.y, s, self.norm)]

    def backward(self, backend, io: Bound) -> list[Stage]:
        if io.dx is None:
            return []
        arrays = io.x, io.y, io.scratch["s"], io.dy, io.dx
        return [backend.local_response_norm_backward(*arrays, self.norm)]

    def multiply_adds(self) -> int:
        return math.prod(self.in_shape) * self.settings["size"]
