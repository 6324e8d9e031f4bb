"""A network bound to one batch size: its arrays, and the stages to run in order."""

from __future__ import annotations

import functools
import math
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from engine.backends.base import Array, Drawn
from engine.errors import DeviceError, NumericsError, device_errors
from engine.layers import Bound, Stage
from engine.layers.fused import Activated, Step, fuse
from engine.rooms import Lent, Rooms

if TYPE_CHECKING:
    from engine.network import Network

T = TypeVar("T")


def computing(function: Callable[..., T]) -> Callable[..., T]:
    """Decorate what runs stages.

    NaN and infinity are looked for and named (check_finite): NumPy need not warn of
    them.  Raises: DeviceError where a stage finds no memory for its scratch arrays, or
    the device fails.
    """

    @functools.wraps(function)
    @device_errors
    def run(*arguments: Any, **named: Any) -> T:
        try:
            with np.errstate(all="ignore"):
                return function(*arguments, **named)
        except MemoryError as error:
            raise DeviceError(
                f"no memory ({error}); use a smaller batch_size or a smaller network"
            ) from None

    return run


def _numbers(read: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    """Return the function that gives what (n, 1) is read as float64 (n,)."""
    return lambda: read()[:, 0].astype(np.float64)


class Plan:
    """Arrays and stages of `network` for batches of n samples.

    training: keep what backward needs, and draw dropout's masks; otherwise outputs that
    nobody reads any more are written over, unless `keep`.
    input_gradient: also compute ∂loss/∂input, and keep every layer's gradient; without
    it gradients that nobody reads any more are written over.
    """

    def __init__(
        self,
        network: Network,
        n: int,
        *,
        training: bool,
        input_gradient: bool = False,
        keep: bool = False,
    ):
        self._network = weakref.ref(network)
        self.n, self.training = n, training
        self._keeps = training or keep
        self.backend = backend = network.backend
        self.x = backend.empty(n, network.input_shape)
        # Whoever asks for the input's gradient may ask for what lies between, too.
        self._steps = fuse(
            network.layers, weighted=backend.fuses_activations and not input_gradient
        )
        # None: the output is never stored, the layer being part of one behind.
        self._outputs: list[Array | None] = []
        self.forward: list[Stage] = []
        self.backward: list[Stage] = []
        self.tracking: list[Stage] = []
        self.bounds = self._bind_forward()
        self.z = self._outputs[-1]
        self.losses = backend.empty(n, (1,))
        self._loss_stages: dict[int, tuple[Array, Stage]] = {}
        self.dz: Array | None = None
        self.dx: Array | None = None
        if training:
            self._bind_backward(input_gradient)
            self._guard = backend.guard_losses(
                network.flat_gradients, network.learned_size, self.losses
            )

    @property
    def network(self) -> Network:
        """The network, which keeps its plans.

        A plan does not keep it: so what nobody uses any more gives its memory and
        programs back at once, and not when Python looks for circles.
        """
        return self._network()

    def _bind_forward(self) -> list[Bound | None]:
        backend, training, bounds = self.backend, self.training, []
        rooms = Rooms(backend, self.n, keep=self._keeps)
        reads = Counter(i for step in self._steps if step for i in step.sources)
        outputs = {-1: rooms.hold(self.x)}
        for index, layer in enumerate(self._steps):
            if layer is None:
                bounds.append(None)
                self._outputs.append(None)
                continue
            read = [outputs[i] for i in layer.sources]
            xs = [lent.array for lent in read]
            # One reader more for the last output, which is read from outside.
            readers = reads[index] or 1
            if layer.passes_through(training):
                lent = rooms.share(read[0], layer.out_shape, readers)
                bounds.append(Bound(xs, lent.array, {}, training, self.n))
            else:
                lent = rooms.take(layer.out_shape, readers)
                bounds.append(io := self._bound(layer, xs, lent.array))
                self.forward += layer.forward(backend, io)
                if training:
                    self.tracking += layer.track(backend, io)
            outputs[index] = lent
            self._outputs.append(lent.array)
            for lent in read:
                rooms.read(lent)
        return bounds

    def _bound(self, layer: Step, xs: list[Array], y: Array) -> Bound:
        """Return the arrays of a layer that makes y of xs."""
        return Bound(xs, y, self.network.arrays_of(layer), self.training, self.n)

    @computing
    def output(self, index: int) -> Array:
        """Return the output of layer `index` in the last run, -1: the network's input.

        Of a plan that keeps them; one that was never stored is computed anew.
        """
        if index < 0:
            return self.x
        if self._outputs[index] is not None:
            return self._outputs[index]
        layer = self.network.layers[index]
        y = self.backend.empty(self.n, layer.out_shape)
        io = self._bound(layer, [self.output(i) for i in layer.sources], y)
        for stage in layer.forward(self.backend, io):
            stage()
        return io.y

    def _bind_backward(self, input_gradient: bool) -> None:
        wanted = self._gradients_wanted(input_gradient)
        gradients = Rooms(self.backend, self.n, keep=input_gradient)
        # What reaches a layer's output, or the network's input (-1), from behind.
        arriving: dict[int, list[Lent]] = defaultdict(list)
        arriving[len(self._steps) - 1].append(gradients.take(self.network.output_shape))
        self.dz = arriving[len(self._steps) - 1][0].array
        for i in reversed(range(len(self._steps))):
            layer, io = self._steps[i], self.bounds[i]
            if not wanted[i] or not arriving[i]:
                continue
            dy = self._sum(arriving.pop(i), layer.out_shape, gradients)
            io.dy, io.g = dy.array, self.network.gradients_of(layer)
            there = arriving[layer.sources[0]]
            io.adds = (
                layer.adds_gradient(self.backend)
                and len(there) == 1
                and gradients.may_overwrite(there[0])
            )
            if io.adds:
                dxs = there
            else:
                dxs = self._input_gradients(layer, dy, wanted, gradients)
                for source, dx in zip(layer.sources, dxs, strict=True):
                    if dx is not None:
                        arriving[source].append(dx)
            io.dxs = [dx and dx.array for dx in dxs]
            io.through = self._through(layer)
            own = self._gradient_within(i, dy, gradients)
            if not (layer.spreads_gradient() or layer.passes_through(True)):
                self.backward += layer.backward(self.backend, io)
            gradients.read(dy)
            if own is not None:
                gradients.read(own)
        if input_gradient:
            shape = self.network.input_shape
            self.dx = self._sum(arriving[-1], shape, gradients).array

    def _input_gradients(
        self, layer: Step, dy: Lent, wanted: dict[int, bool], gradients: Rooms
    ) -> list[Lent | None]:
        """Return where the gradients of a layer's inputs go; None: nobody needs it."""
        through = layer.spreads_gradient() or layer.passes_through(True)
        dxs: list[Lent | None] = []
        inputs = list(zip(layer.sources, layer.in_shapes, strict=True))
        for source, shape in reversed(inputs):
            if not wanted[source]:
                dxs.append(None)
            elif through or (layer.overwrites_gradient and gradients.may_overwrite(dy)):
                dxs.append(gradients.share(dy, shape))
            else:
                dxs.append(gradients.take(shape))
        return dxs[::-1]

    def _through(self, layer: Step) -> tuple[str, float] | None:
        """Return f whose output only `layer` takes, if it multiplies by its f'."""
        source = layer.sources[0]
        before = self._steps[source] if source >= 0 else None
        uses = sum(each.sources.count(source) for each in self.network.layers)
        if uses > 1 or not (isinstance(before, Activated) and layer.goes_through()):
            return None
        return before.function

    def _gradient_within(self, i: int, dy: Lent, gradients: Rooms) -> Lent | None:
        """Set the `dz` of step i, where it needs one; return it if it is not dy."""
        layer, io = self._steps[i], self.bounds[i]
        behind = [each for each in self._steps if each and i in each.sources]
        if not isinstance(layer, Activated) or any(map(self._through, behind)):
            return None
        if gradients.may_overwrite(dy):
            io.dz = dy.array
            return None
        own = gradients.take(layer.out_shape)
        io.dz = own.array
        return own

    def _gradients_wanted(self, input_gradient: bool) -> dict[int, bool]:
        """Return for each layer, and the input (-1), whether its gradient is needed."""
        wanted = {-1: input_gradient}
        for i, layer in enumerate(self.network.layers):
            learns = any(p.learned for p in layer.parameters)
            wanted[i] = learns or any(wanted[source] for source in layer.sources)
        return wanted

    def _sum(self, parts: list[Lent], shape: tuple[int, ...], gradients: Rooms) -> Lent:
        """Return the sum of the gradients that several consumers send back."""
        first, *others = parts
        if not others:
            return first
        total = first if gradients.may_overwrite(first) else gradients.take(shape)
        arrays = [part.array for part in parts]
        self.backward.append(self.backend.add(arrays, total.array))
        for part in others if total is first else parts:
            gradients.read(part)
        return total

    @computing
    def run(self, x: np.ndarray | Drawn) -> None:
        """Run the forward pass on the host's x (n, *input shape)."""
        self.backend.put(self.x, x)
        for stage in self.forward:
            stage()

    @computing
    def run_loss(self, t: np.ndarray) -> np.ndarray:
        """Return the samples' losses, float64 (n,); in training also compute dz.

        t is what `Loss.check_targets` returned: int (n, 1) classes or float (n, ...).
        """
        target, loss = self._loss_of(t)
        self.backend.put(target, t.reshape(self.n, -1))
        loss()
        return _numbers(self.backend.getting(self.losses))()

    @computing
    def learn(self, x: np.ndarray | Drawn, t: np.ndarray) -> np.ndarray:
        """Return the samples' losses; gradients then stand in the network's flat array.

        If a gradient is not finite, the first loss is NaN (see `Backend.guard`): so one
        look at the losses, once everything has run, is a look at all.
        """
        return self.start(x, t)()

    def start(self, x: np.ndarray | Drawn, t: np.ndarray) -> Callable[[], np.ndarray]:
        """Return a function that gives what `learn` returns, when it is needed.

        Until then the device works on, and may be given the next batch. Whoever calls
        it, or `track`, is `computing`: once a step is enough.
        """
        target, loss = self._loss_of(t)
        self.backend.put_batch(self.x, x, target, t.reshape(self.n, -1))
        for stage in (*self.forward, loss, *self.backward):
            stage()
        return _numbers(self._guard())

    def track(self) -> None:
        """Keep what the layers saw of the batch that was learned last."""
        for stage in self.tracking:
            stage()

    def _loss_of(self, t: np.ndarray) -> tuple[Array, Stage]:
        """Return where such targets go, and the stage of the loss."""
        classes = t.dtype.kind in "iu"
        if classes not in self._loss_stages:
            self._loss_stages[classes] = self._loss_stage(classes)
        return self._loss_stages[classes]

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
        if not self._keeps:
            again = Plan(self.network, self.n, training=False, keep=True)
            again.run(self.backend.get(self.x))
            again.check_finite(losses, step)
        self.backend.put_flat(self.backend.fault, np.zeros(1))
        advice = "lower the learning rate or the initial weights"
        for layer in self.network.layers:
            for name, values in self.network.parameters_of(layer).items():
                if not np.isfinite(values).all():
                    raise NumericsError(
                        f"step {step}: NaN or infinity in the parameter {name}; the "
                        f"step before diverged: {advice}"
                    )
            if not np.isfinite(self.backend.get(self.output(layer.index))).all():
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
