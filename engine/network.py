"""A network built from a model spec, on a device."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from engine import exchange
from engine.backends.base import Array, Backend
from engine.devices import open_device
from engine.errors import DeviceError, InputError, nearest
from engine.layers import Layer, Parameter
from engine.plan import Plan, computing
from engine.spec import read_spec

T = TypeVar("T")
_KEPT_PLANS = 6


def _room(shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 memory; MemoryError also for more than can be counted."""
    try:
        return np.empty(shape, np.float32)
    except ValueError as error:
        raise MemoryError(str(error)) from None


def _drawn(name: str, parameter: Parameter, seed: int, layer: Layer) -> np.ndarray:
    """Return a parameter's initial values.  Raises: DeviceError without memory."""
    try:
        return parameter.initial(seed, layer.index)
    except MemoryError as error:
        raise DeviceError(
            f"{name}: no memory to draw initial values of shape {parameter.shape} "
            f"({error}); use a smaller network"
        ) from None


class Network:
    """Layers one after another, their parameters in one flat array of the device.

    Learned parameters lie first, fixed ones behind them; the gradients' array has the
    same places. Of the learned, those that an optimiser may treat alike lie together,
    in the layers' order. Make one with `Network.from_spec`.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        backend: Backend,
        seed: int,
        parameters: Mapping[str, Any],
    ):
        self.input_shape, self.layers, self.loss_function = read_spec(spec)
        self.spec = copy.deepcopy(dict(spec))
        self.output_shape = self.layers[-1].out_shape
        self.backend, self.seed = backend, seed
        self._slots: dict[str, tuple[int, Layer, Parameter]] = {}
        self.learned_size = self._place(learned=True, offset=0)
        self.size = self._place(learned=False, offset=self.learned_size)
        self.flat = backend.flat(max(self.size, 1))
        self._plans: dict[tuple[int, bool, bool], Plan] = {}
        values = self._checked(parameters)
        for name, (_, layer, parameter) in self._slots.items():
            if name not in values:
                values[name] = _drawn(name, parameter, seed, layer)
            backend.put_flat(self._part(self.flat, name), values.pop(name))

    @classmethod
    def from_spec(
        cls,
        spec: Mapping[str, Any],
        *,
        device: Backend | str | None = None,
        seed: int = 0,
        parameters: Mapping[str, Any] | None = None,
    ) -> Network:
        """Return a new network with initial weights drawn from `seed`.

        device: what `open_device` returned, or a name for it; None: "auto".
        parameters: values by name, as of `parameters()`, that need not be drawn then.
        Raises: SpecError for a spec that cannot be built; InputError for parameters
        that do not fit.
        """
        if device is None or isinstance(device, str):
            device = open_device(device or "auto")
        return cls(spec, device, seed, parameters or {})

    @functools.cached_property
    def flat_gradients(self) -> Array:
        """The gradients, where the parameters lie in `flat`; made when first asked for.

        A network that only predicts has none.
        """
        return self.backend.flat(max(self.size, 1))

    def _place(self, *, learned: bool, offset: int) -> int:
        step = self.backend.alignment
        placed = [
            (layer, p)
            for layer in self.layers
            for p in layer.parameters
            if p.learned == learned
        ]
        placed.sort(key=lambda each: (each[1].rate, not each[1].is_weight))
        for layer, p in placed:
            self._slots[f"{layer.name}.{p.name}"] = (offset, layer, p)
            offset += -(-math.prod(p.shape) // step) * step
        return offset

    def runs(self, treatment: Callable[[Parameter], T]) -> list[tuple[T, int, int]]:
        """Return (treatment, offset, count) of the learned parameters treated alike.

        Each is one stretch of the flat array; together they hold all that is learned.
        """
        runs: list[tuple[T, int]] = []
        for offset, _, p in self._slots.values():
            if p.learned and (not runs or runs[-1][0] != treatment(p)):
                runs.append((treatment(p), offset))
        ends = [*(offset for _, offset in runs[1:]), self.learned_size]
        return [(how, i, end - i) for (how, i), end in zip(runs, ends, strict=False)]

    def frozen(self) -> list[tuple[Array, float, int]]:
        """Return (array, portion, layer) of the parameters that freezeconnect means."""
        return [
            (self._part(self.flat, name), p.frozen, layer.index)
            for name, (_, layer, p) in self._slots.items()
            if p.frozen > 0.0
        ]

    def _part(self, flat: Array, name: str) -> Array:
        offset, _, parameter = self._slots[name]
        return self.backend.part(flat, offset, parameter.shape)

    def arrays_of(self, layer: Layer) -> dict[str, Array]:
        """Return the device's arrays of a layer's parameters, by their short names."""
        return {
            p.name: self._part(self.flat, f"{layer.name}.{p.name}")
            for p in layer.parameters
        }

    def gradients_of(self, layer: Layer) -> dict[str, Array]:
        """Return where the gradients of a layer's learned parameters go."""
        return {
            p.name: self._part(self.flat_gradients, f"{layer.name}.{p.name}")
            for p in layer.parameters
            if p.learned
        }

    def parameters_of(self, layer: Layer) -> dict[str, np.ndarray]:
        """Return the host's copies of a layer's parameters, by their full names."""
        return {
            f"{layer.name}.{name}": self.backend.get_flat(array)
            for name, array in self.arrays_of(layer).items()
        }

    def parameters(self) -> dict[str, np.ndarray]:
        """Return copies of all parameters, {"conv1.weight": (F, C, kh, kw), ...}.

        float32; float64 on the device `reference`.
        """
        return {k: v for e in self.layers for k, v in self.parameters_of(e).items()}

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Replace the parameters named in `values`; the others stay.

        Raises: InputError for an unknown name, a wrong shape, NaN or infinity; then
        nothing has changed.
        """
        for name, array in self._checked(values).items():
            self.backend.put_flat(self._part(self.flat, name), array)

    def _checked(self, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Return parameters as arrays.  Raises: as set_parameters."""
        checked = {}
        for name, value in values.items():
            if name not in self._slots:
                raise InputError(
                    f"unknown parameter {name!r}{nearest(name, self._slots)}; "
                    f"known: {', '.join(self._slots)}"
                )
            array, shape = np.asarray(value), self._slots[name][2].shape
            if array.shape != shape or array.dtype.kind not in "fiu":
                raise InputError(
                    f"{name}: expected numbers of shape {shape}, received "
                    f"{array.dtype} of shape {array.shape}"
                )
            if not np.isfinite(array).all():
                raise InputError(f"{name}: NaN or infinity among the values")
            checked[name] = array
        return checked

    def plan(self, n: int, *, training: bool, input_gradient: bool = False) -> Plan:
        """Return the plan for batches of n, made at its first use."""
        key = (n, training, input_gradient)
        plan = self._plans.pop(key, None)
        if plan is None:
            while len(self._plans) >= _KEPT_PLANS:
                del self._plans[next(iter(self._plans))]
            plan = Plan(self, n, training=training, input_gradient=input_gradient)
        self._plans[key] = plan
        return plan

    def check_input(self, x: Any) -> np.ndarray:
        """Return x as an array (n, *input shape) of floats.

        Raises: InputError if shape or type do not fit, or NaN or infinity is in it.
        """
        x = np.asarray(x)
        if x.dtype.kind not in "fiu":
            raise InputError(f"input: expected numbers, received dtype {x.dtype}")
        if x.ndim != len(self.input_shape) + 1 or x.shape[1:] != self.input_shape:
            wanted = ", ".join(["N", *map(str, self.input_shape)])
            raise InputError(
                f"input: expected shape ({wanted}), received {x.shape}; the first axis "
                "counts the samples"
            )
        if not np.isfinite(x).all():
            row = int(np.argwhere(~np.isfinite(x))[0][0])
            raise InputError(f"input: NaN or infinity in sample {row}")
        return x

    def predict(self, x: Any, *, batch_size: int = 256) -> np.ndarray:
        """Return the outputs, float32 (N, ...): values, or logits of a classifier.

        x: float32 (N, C, H, W) or (N, F).
        """
        return self._evaluate(self.check_input(x), None, batch_size)[1]

    def loss(self, x: Any, t: Any, *, batch_size: int = 256) -> float:
        """Return the loss, the mean over the samples, in evaluation mode.

        t: int (N,) classes or float (N, ...) values.
        Raises: InputError; NumericsError if the loss is not finite.
        """
        return self.evaluate(x, t, batch_size=batch_size)[0]

    def evaluate(
        self, x: Any, t: Any, *, batch_size: int = 256
    ) -> tuple[float, np.ndarray]:
        """Return (loss, outputs) as `loss` and `predict` do, by one forward pass."""
        x = self.check_input(x)
        return self._evaluate(x, self.check_targets(t, len(x)), batch_size)

    @computing
    def _evaluate(
        self, x: np.ndarray, t: np.ndarray | None, batch_size: int
    ) -> tuple[float, np.ndarray]:
        total, outputs = 0.0, _room((len(x), *self.output_shape))
        for i in range(0, len(x), batch_size):
            part = slice(i, min(i + batch_size, len(x)))
            plan = self.plan(part.stop - i, training=False)
            plan.run(x[part])
            outputs[part] = self.backend.get(plan.z)
            if not np.isfinite(outputs[part]).all():
                plan.check_finite(outputs[part], self.backend.state.step)
            if t is not None:
                losses = plan.run_loss(t[part])
                plan.check_finite(losses, self.backend.state.step)
                total += float(losses.sum())
        return total * self.loss_function.scale(max(len(x), 1)), outputs

    def gradients(
        self, x: Any, t: Any, *, of_input: bool = True
    ) -> dict[str, np.ndarray]:
        """Return ∂loss/∂p of every learned parameter, and, if asked for, of "input".

        Training mode (dropout draws step 0 of the network's seed); nothing is updated.
        """
        x = self.check_input(x)
        t = self.check_targets(t, len(x))
        plan = self.plan(len(x), training=True, input_gradient=of_input)
        self.backend.state.seed, self.backend.state.step = self.seed, 0
        plan.check_finite(plan.learn(x, t), step=0)
        gradients = {
            f"{layer.name}.{name}": self.backend.get_flat(array)
            for layer in self.layers
            for name, array in self.gradients_of(layer).items()
        }
        return gradients | ({"input": self.backend.get(plan.dx)} if of_input else {})

    def check_targets(self, t: Any, n: int) -> np.ndarray:
        """Return the targets of n samples: int (n, 1) classes or float (n, ...) values.

        Raises: InputError if number, shape, type or range do not fit.
        """
        if n == 0:
            raise InputError("input: expected at least one sample, received none")
        return self.loss_function.check_targets(t, n, self.output_shape)

    def summary(self) -> str:
        """Return a text: layer, output shape, parameters, multiply-adds, bytes."""
        rows = [("layer", "output", "parameters", "multiply-adds", "bytes")]
        totals = [0, 0, 0]
        for layer in self.layers:
            numbers = (
                sum(math.prod(p.shape) for p in layer.parameters),
                layer.multiply_adds(),
                4 * math.prod(layer.out_shape),
            )
            totals = [a + b for a, b in zip(totals, numbers, strict=True)]
            shape = "×".join(map(str, layer.out_shape))
            rows.append((layer.name, shape, *(f"{v:,}" for v in numbers)))
        rows.append(("total", "", *(f"{v:,}" for v in totals)))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        lines = [
            "  ".join(
                text.ljust(width) if i < 2 else text.rjust(width)
                for i, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        note = "multiply-adds and bytes (float32 output) are of one sample, forward"
        return "\n".join([*lines, note])

    def save(self, path: str | Path) -> None:
        """Write spec and parameters to `path`, whole or not at all; no pickle."""
        exchange.save(self, path)
