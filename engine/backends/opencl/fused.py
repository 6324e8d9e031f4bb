"""Several primitives in one pass, on OpenCL: an activation function with others."""

from __future__ import annotations

from engine.backends.opencl import convolution, dense, norm, pooling, winograd
from engine.backends.opencl.functions import IDENTITY, named
from engine.backends.opencl.guard import Guard
from engine.backends.opencl.transfer import shares_memory


class FusedPasses:
    """The OpenCL backend's own of engine/backends/fused.py."""

    fuses_activations = True

    def conv_activate(self, x, w, b, y, g, function, slope):
        return convolution.forward(self, x, w, b, y, g, named(function, slope))

    def conv_backward_through(self, dy, w, x, dx, g, function, slope):
        f = named(function, slope, x)
        return convolution.backward_data(self, dy, w, dx, g, f)

    def conv_add_data(self, dy, w, dx, g):
        if not self.adds_data(g):
            return super().conv_add_data(dy, w, dx, g)
        return winograd.backward_data(self, dy, w, dx, g, add=True)

    def adds_data(self, g):
        return winograd.adds(self, g)

    def dense_activate(self, x, w, b, y, function, slope):
        return dense.forward(self, x, w, b, y, named(function, slope))

    def dense_backward_through(self, dy, w, x, dx, function, slope):
        f = named(function, slope, x)
        return dense.backward(self, x, dy, w, dx, None, None, f)

    def dense_backward(self, x, dy, w, dx, dw, db, through):
        f = named(*through, x) if through else IDENTITY
        return dense.backward(self, x, dy, w, dx, dw, db, f)

    def max_pool_backward_through(self, dy, place, x, y, dx, g, function, slope):
        f = named(function, slope, y)
        return pooling.max_backward(self, dy, place, dx, g, x, f)

    def average_pool_backward_through(self, dy, x, dx, g, function, slope):
        return pooling.average_backward(self, dy, dx, g, named(function, slope, x))

    def guard_losses(self, gradients, size, losses):
        if not shares_memory(self.queue.device):
            return super().guard_losses(gradients, size, losses)
        return Guard(self, gradients, size, losses)

    def normalize_activate(self, x, shortcut, y, by, function, slope):
        return norm.forward(self, x, y, by, shortcut, named(function, slope))

    def normalize_activate_backward(
        self, x, y, dy, dx, dshortcut, dgamma, dbeta, by, function, slope
    ):
        f = named(function, slope, y)
        return norm.backward(self, x, dy, dx, dgamma, dbeta, by, dshortcut, f)
