"""A network bound to one batch size: its arrays, and the stages to run in order."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Array
from engine.errors import DeviceError, NumericsError
from engine.layers import Bound, Stage

if TYPE_CHECKING:
    from engine.network import Network


@contextmanager
def computing() -> Iterator[None]:
    """What every run of stages stands in.

    NaN and infinity are looked for and named (check_finite): NumPy need not warn of
    them.  Raises: DeviceError where a stage finds no memory for its scratch arrays.
    """
    with np.errstate(all="ignore"):
        try:
            yield
        except MemoryError as error:
            raise DeviceError(
                f"no memory ({error}); use a smaller batch_size or a smaller network"
            ) from None


class Plan:
    """Arrays and stages of `network` for batches of n samples.

    training: keep what backward needs, and draw dropout's masks.
    input_gradient: also compute ∂loss/∂input.
    """

    def __init__(
        self, network: Network, n: int, *, training: bool, input_gradient: bool = False
    ):
        self.network, self.n = network, n
        self.backend = backend = network.backend
        self.x = backend.empty(n, network.input_shape)
        self.outputs: list[Array] = []
        self.forward: list[Stage] = []
        self.backward: list[Stage] = []
        self.tracking: list[Stage] = []
        self.bounds = self._bind_forward(training)
        self.z = self.outputs[-1]
        self.losses = backend.empty(n, (1,))
        self._loss_stages: dict[int, tuple[Array, Stage]] = {}
        self.dz: Array | None = None
        self.dx: Array | None = None
        if training:
            self.dz = backend.empty(n, network.output_shape)
            self._bind_backward(input_gradient)
            self._guard = backend.guard(
                network.flat_gradients, network.learned_size, self.losses
            )

    def _bind_forward(self, training: bool) -> list[Bound]:
        backend, bounds = self.backend, []
        for layer in self.network.layers:
            xs = [self.x if i < 0 else self.outputs[i] for i in layer.sources]
            if layer.passes_through(training):
                y = backend.reshape(xs[0], layer.out_shape)
                bounds.append(Bound(xs, y, {}, training, self.n))
            else:
                y = backend.empty(self.n, layer.out_shape)
                parameters = self.network.arrays_of(layer)
                io = Bound(xs, y, parameters, training, self.n)
                self.forward += layer.forward(backend, io)
                if training:
                    self.tracking += layer.track(backend, io)
                bounds.append(io)
            self.outputs.append(y)
        return bounds

    def _bind_backward(self, input_gradient: bool) -> None:
        layers = self.network.layers
        wanted = self._gradients_wanted(input_gradient)
        # What reaches a layer's output, or the network's input (-1), from behind.
        arriving: dict[int, list[Array]] = {len(layers) - 1: [self.dz]}
        for i in reversed(range(len(layers))):
            layer, io = layers[i], self.bounds[i]
            if not wanted[i] or i not in arriving:
                continue
            io.dy = self._sum(arriving[i], layer.out_shape)
            io.g = self.network.gradients_of(layer)
            through = layer.spreads_gradient() or layer.passes_through(True)
            for source, shape in zip(layer.sources, layer.in_shapes, strict=True):
                dx = None
                if wanted[source]:
                    dx = (
                        self.backend.reshape(io.dy, shape)
                        if through
                        else self.backend.empty(self.n, shape)
                    )
                    arriving.setdefault(source, []).append(dx)
                io.dxs.append(dx)
            if not through:
                self.backward += layer.backward(self.backend, io)
        if input_gradient:
            self.dx = self._sum(arriving[-1], self.network.input_shape)

    def _gradients_wanted(self, input_gradient: bool) -> dict[int, bool]:
        """Return for each layer, and the input (-1), whether its gradient is needed."""
        wanted = {-1: input_gradient}
        for i, layer in enumerate(self.network.layers):
            learns = any(p.learned for p in layer.parameters)
            wanted[i] = learns or any(wanted[source] for source in layer.sources)
        return wanted

    def _sum(self, arrays: list[Array], shape: tuple[int, ...]) -> Array:
        """Return the sum of the gradients that several consumers send back."""
        if len(arrays) == 1:
            return arrays[0]
        total = self.backend.empty(self.n, shape)
        self.backward.append(self.backend.add(arrays, total))
        return total

    @computing()
    def run(self, x: np.ndarray) -> None:
        """Run the forward pass on the host's x (n, *input shape)."""
        self.backend.put(self.x, x)
        for stage in self.forward:
            stage()

    @computing()
    def run_loss(self, t: np.ndarray) -> np.ndarray:
        """Return the samples' losses, float64 (n,); in training also compute dz.

        t is what `Loss.check_targets` returned: int (n, 1) classes or float (n, ...).
        """
        self._start_loss(t)
        return self._losses()()

    def learn(self, x: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return the samples' losses; gradients then stand in the network's flat array.

        If a gradient is not finite, the first loss is NaN (see `Backend.guard`): so one
        look at the losses, once everything has run, is a look at all.
        """
        return self.start(x, t)()

    @computing()
    def start(self, x: np.ndarray, t: np.ndarray) -> Callable[[], np.ndarray]:
        """Return a function that gives what `learn` returns, when it is needed.

        Until then the device works on, and may be given the next batch.
        """
        self.run(x)
        self._start_loss(t)
        for stage in self.backward:
            stage()
        self._guard()
        return self._losses()

    @computing()
    def track(self) -> None:
        """Keep what the layers saw of the batch that was learned last."""
        for stage in self.tracking:
            stage()

    def _start_loss(self, t: np.ndarray) -> None:
        classes = t.dtype.kind in "iu"
        if classes not in self._loss_stages:
            self._loss_stages[classes] = self._loss_stage(classes)
        target, stage = self._loss_stages[classes]
        self.backend.put(target, t.reshape(self.n, -1))
        stage()

    def _losses(self) -> Callable[[], np.ndarray]:
        read = self.backend.getting(self.losses)
        return lambda: read()[:, 0].astype(np.float64)

    def _loss_stage(self, classes: bool) -> tuple[Array, Stage]:
        loss = self.network.loss_function
        count = math.prod(self.network.output_shape)
        target = self.backend.empty(self.n, (1 if classes else count,))
        kind = loss.name + ("_classes" if classes else "")
        z, dz = self.backend.reshape(self.z, (count,)), self.dz
        if dz is not None:
            dz = self.backend.reshape(dz, (count,))
        scale = loss.scale(self.n)
        return target, self.backend.loss(kind, z, target, dz, self.losses, scale)

    def check_finite(self, losses: np.ndarray, step: int) -> None:
        """Raise NumericsError naming the layer at fault if a loss is not finite.

        The arrays must be as `learn` left them. The device's fault is done with then.
        """
        if np.isfinite(losses).all():
            return
        self.backend.put_flat(self.backend.fault, np.zeros(1))
        advice = "lower the learning rate or the initial weights"
        for layer, y in zip(self.network.layers, self.outputs, strict=True):
            for name, values in self.network.parameters_of(layer).items():
                if not np.isfinite(values).all():
                    raise NumericsError(
                        f"step {step}: NaN or infinity in the parameter {name}; the "
                        f"step before diverged: {advice}"
                    )
            if not np.isfinite(self.backend.get(y)).all():
                raise NumericsError(
                    f"step {step}: NaN or infinity in the output of the layer "
                    f"{layer.name}; {advice}"
                )
        for layer in reversed(self.network.layers):
            for name, gradient in self.network.gradients_of(layer).items():
                if not np.isfinite(self.backend.get_flat(gradient)).all():
                    raise NumericsError(
                        f"step {step}: NaN or infinity in the gradient of "
                        f"{layer.name}.{name}; {advice}"
                    )
        raise NumericsError(
            f"step {step}: the loss is {losses.mean()}, though the outputs are finite: "
            f"outputs or targets are too large; {advice}"
        )
