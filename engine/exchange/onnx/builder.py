"""The network that grows while a graph is read: its layers, numbers, and names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto

from engine.exchange.onnx.constants import Folder
from engine.exchange.onnx.graph import Graph, Input, Node
from engine.exchange.onnx.order import (
    IMAGE_LAST,
    Value,
    is_image_last,
    numbered,
    placed,
)
from engine.layers import LAYERS, Layer, Shape


@dataclass
class Step:
    """A layer to be: its settings as the spec will say them, and its numbers.

    layer: made of the same settings, for its shapes.
    """

    kind: str
    settings: Any
    sources: list[int]
    layer: Layer
    parameters: dict[str, np.ndarray]


class Builder:
    """The layers so far, and what the graph's tensors are: values or constants."""

    def __init__(self, graph: Graph, source: Input, constants: Folder):
        self.graph, self.input, self.constants = graph, source, constants
        self.values = {source.name: source_value(source)}
        self._steps: list[Step] = []
        self._names = {"input"}
        self._shaped: dict[tuple[int, Shape], int] = {}
        self._first: dict[int, str] = {}  # the tensor that a layer's output first was

    # --- what a node takes and gives -----------------------------------------------

    def value(self, node: Node, place: int = 0) -> Value:
        """Return the node's input at `place`, which must not be a constant."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if name not in self.values:
            what = "a constant" if name else "nothing"
            raise node.fail(
                f"input {place}: expected what comes from the graph's input, received "
                f"{what} {name!r}"
            )
        return self.values[name]

    def constant(self, node: Node, place: int) -> np.ndarray:
        """Return the node's input at `place`, which must be a constant."""
        value = self.optional(node, place)
        if value is None:
            raise node.fail(f"input {place}: expected a constant, received nothing")
        return value

    def optional(self, node: Node, place: int) -> np.ndarray | None:
        """Return the node's input at `place`, a constant; None if it is left out."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.constants.values:
            raise node.fail(
                f"input {place} ({name!r}): expected a constant, received what comes "
                "from the graph's input"
            )
        return self.constants.values[name]

    def integers(self, node: Node, place: int) -> list[int] | None:
        """Return the node's input at `place`, a row of integers; None if left out."""
        value = self.optional(node, place)
        if value is not None and (value.ndim > 1 or value.dtype.kind not in "iu"):
            raise node.fail(
                f"input {place}: expected a row of integers, received {value.dtype} of "
                f"shape {value.shape}"
            )
        return None if value is None else [int(v) for v in value.reshape(-1)]

    def number(self, node: Node, place: int) -> float | None:
        """Return the node's input at `place`, one number; None if it is left out."""
        value = self.optional(node, place)
        if value is not None and value.size != 1:
            raise node.fail(
                f"input {place}: expected one number, received the shape {value.shape}"
            )
        return None if value is None else float(value.item())

    def give(self, node: Node, value: Value) -> None:
        """Say what the node's output is."""
        self.values[node.outputs[0]] = value
        self._first.setdefault(value.layer, node.outputs[0])

    # --- layers --------------------------------------------------------------------

    def add(
        self,
        node: Node,
        kind: str,
        settings: Any,
        *inputs: Value,
        parameters: Mapping[str, np.ndarray] | None = None,
        name: str = "",
    ) -> Value:
        """Add a layer, called after its node if not told; return its output.

        Raises: SpecError naming node and setting if there can be no such layer.
        """
        sources = [
            # A dense layer reads whatever comes as one row.
            value.layer if kind == "dense" else self._shape(node, value)
            for value in inputs
        ]
        shapes = [self.out_shape(i) for i in sources]
        layer = LAYERS[kind](
            self._name(name or node.name, kind), settings, shapes, f"{node} as {kind}"
        )
        numbers = _shaped(layer, parameters or {})
        self._steps.append(Step(kind, settings, sources, layer, numbers))
        return Value(len(self._steps) - 1, layer.out_shape)

    def each(
        self, node: Node, kind: str, settings: Any, x: Value, **more: Any
    ) -> Value:
        """Add a layer that takes each number by itself, in whatever order they are."""
        y = self.add(node, kind, settings, self.whole(x), **more)
        return Value(y.layer, x.shape, x.order)

    def whole(self, x: Value) -> Value:
        """Return the output that a tensor is of, as its layer gives it."""
        return Value(x.layer, self.out_shape(x.layer))

    def sole(self, tensor: str) -> Step | None:
        """Return the layer whose output is the tensor, if it is taken only once.

        It may then be changed by `change`.
        """
        value = self.values[tensor]
        if self._first.get(value.layer) != tensor or self.graph.uses[tensor] != 1:
            return None
        if value.layer < 0 or value.order is not None:
            return None
        if value.shape != self.out_shape(value.layer):
            return None
        return self._steps[value.layer]

    def change(
        self, step: Step, kind: str, settings: Any, parameters: Mapping[str, np.ndarray]
    ) -> None:
        """Make another layer of a step, in the same place and of the same name."""
        old = step.layer
        step.kind, step.settings = kind, settings
        step.layer = LAYERS[kind](old.name, settings, old.in_shapes, old.place)
        step.parameters = _shaped(step.layer, parameters)

    def out_shape(self, layer: int) -> Shape:
        """Return the shape of a layer's output (-1: of the input)."""
        return self._steps[layer].layer.out_shape if layer >= 0 else self.input.shape

    def _shape(self, node: Node, value: Value) -> int:
        """Return the layer that gives `value` in its shape.

        Raises: SpecError where that would have to move numbers.
        """
        shape = self.out_shape(value.layer)
        if value.order is not None:
            raise node.fail(
                f"expected the numbers of {('batch', *value.shape)} in the order of "
                f"{('batch', *shape)}, as a layer gives them; a Transpose or Concat "
                "before has moved them, and no layer moves numbers from one axis to "
                "another"
            )
        if value.shape == shape:
            return value.layer
        key = value.layer, value.shape
        if key not in self._shaped:
            flat = len(value.shape) == 1
            kind = "flatten" if flat else "reshape"
            settings = {} if flat else {"shape": list(value.shape)}
            y = self.add(node, kind, settings, self.whole(value), name=kind)
            self._shaped[key] = y.layer
        return self._shaped[key]

    def _name(self, wanted: str, kind: str) -> str:
        """Return a new name of letters, digits, _ and - that begins with a letter."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", wanted).strip("_-")
        if not name[:1].isalpha():
            name = f"{kind}_{name}" if name else kind
        number, free = 1, name
        while free in self._names:
            number += 1
            free = f"{name}_{number}"
        self._names.add(free)
        return free

    # --- the whole -----------------------------------------------------------------

    def finish(self, loss: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return (spec, parameters) of the network whose output is the graph's."""
        proto = NodeProto(name="output", op_type="graph", input=[self.graph.output])
        node = Node(proto, opset=1)
        value = self.value(node)
        last = value.order is not None or self.input.last
        if last and is_image_last(value, self.out_shape(value.layer)):
            value = self.whole(value)  # given as (C, H, W), as the input is taken
        last = self._shape(node, value)
        if last < 0:
            last = self.add(node, "activation", "identity", value).layer
        needed, entries = {last}, []
        for i in reversed(range(last + 1)):
            if i in needed:
                needed.update(self._steps[i].sources)
        parameters, before = {}, -1
        for i in sorted(needed - {-1}):
            step = self._steps[i]
            entries.append(self._entry(step, before))
            for name, values in step.parameters.items():
                parameters[f"{step.layer.name}.{name}"] = values
            before = i
        spec = {"input": list(self.input.shape), "layers": entries, "loss": loss}
        return spec, parameters

    def _entry(self, step: Step, before: int) -> dict[str, Any]:
        settings = step.settings
        if step.layer.table:  # what is so by default need not be said
            defaults = {k: setting.default for k, setting in step.layer.table.items()}
            settings = {k: v for k, v in settings.items() if v != defaults[k]}
        entry = {step.kind: settings, "name": step.layer.name}
        if step.sources != [before]:
            entry["inputs"] = [
                self._steps[i].layer.name if i >= 0 else "input" for i in step.sources
            ]
        return entry


def source_value(source: Input) -> Value:
    """Return the graph's input, of the network's."""
    if not source.last:
        return Value(-1, source.shape)
    return placed(-1, numbered(source.shape).transpose(IMAGE_LAST))


def _shaped(
    layer: Layer, parameters: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return a layer's parameters as float32 in their shapes.

    Raises: SpecError for another number of them.
    """
    shaped = {}
    for p in layer.parameters:
        values = parameters[p.name]
        if values.size != math.prod(p.shape):
            raise layer.fail(
                f"{p.name}: expected the shape {p.shape}, received {values.shape}"
            )
        with np.errstate(over="ignore"):  # set_parameters tells of infinities
            shaped[p.name] = np.asarray(values, np.float32).reshape(p.shape)
    return shaped
