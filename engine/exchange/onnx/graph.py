"""Reading an ONNX file: what of its graph the output needs, as plain Python.

Nothing here knows the engine's layers. A file is a stranger's: its bytes are checked by
onnx's own checker, and no other file is opened on its behalf but those of `beside`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from engine.errors import CheckpointError, SpecError
from engine.exchange.onnx.beside import Beside, is_external
from engine.exchange.onnx.writer import LOSS

_MOST_BYTES = 2**31 - 1
_DOMAINS = ("", "ai.onnx")
FLOATS = (
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
)
_NUMBERS = (
    *FLOATS,
    TensorProto.BOOL,
    TensorProto.INT8,
    TensorProto.INT16,
    TensorProto.INT32,
    TensorProto.INT64,
    TensorProto.UINT8,
    TensorProto.UINT16,
    TensorProto.UINT32,
    TensorProto.UINT64,
)


class Node:
    """One operator of a graph.

    kind: its name, with the domain before it if that is not ONNX's own. inputs and
    outputs: tensors' names, "" for one that is left out. opset: whose rules hold.
    """

    def __init__(self, proto: onnx.NodeProto, opset: int):
        domain, kind = text(proto.domain), text(proto.op_type)
        self.kind = kind if domain in _DOMAINS else f"{domain}::{kind}"
        self.inputs = [text(name) for name in proto.input]
        self.outputs = [text(name) for name in proto.output]
        self.name = text(proto.name) or (self.outputs or [""])[0]
        self.opset, self.proto = opset, proto
        self.attributes = {text(a.name): a for a in proto.attribute}

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.kind})"

    def take(self, name: str, default: Any = None) -> Any:
        """Return an attribute and cross it off, so that `rest` holds the unknown."""
        proto = self.attributes.pop(name, None)
        if proto is None:
            return default
        value = helper.get_attribute_value(proto)
        if proto.type == AttributeProto.STRING:
            return text(value)
        if proto.type == AttributeProto.TENSOR:
            return to_array(value, f"{self}: {name}")
        return list(value) if proto.type == AttributeProto.INTS else value

    def fail(self, text: str) -> SpecError:
        """Return a SpecError that names the node."""
        return SpecError(f"{self}: {text}")


@dataclass
class Graph:
    """What the output needs of a file's graph, in an order in which it can be done.

    uses: how often each tensor is taken, by a node or as the output.
    loss: what `export` noted, else None.
    """

    proto: onnx.ModelProto
    nodes: list[Node]
    constants: dict[str, np.ndarray]
    output: str
    uses: Counter
    loss: str | None


@dataclass
class Input:
    """A graph's one input beside its constants.

    shape: without the batch, whose size is None if it is open; (C, H, W) of images.
    last: whether the graph has the channels last, (H, W, C).
    """

    name: str
    shape: tuple[int, ...]
    batch: int | None
    last: bool = False


def read(path: Path) -> Graph:
    """Return the graph of a file.  Raises: CheckpointError, SpecError."""
    proto = _parse(path)
    graph = proto.graph
    opset = max(
        (o.version for o in proto.opset_import if o.domain in _DOMAINS), default=1
    )
    outputs = [text(value.name) for value in graph.output]
    if len(outputs) != 1:
        raise SpecError(
            f"expected a graph of one output, received {len(outputs)}: "
            f"{', '.join(outputs) or 'none'}"
        )
    nodes, uses = _needed([Node(n, opset) for n in graph.node], outputs[0])
    beside = Beside(path)
    for node in nodes:
        for name, attribute in node.attributes.items():
            if is_external(attribute.t):
                tensor = _inlined(beside, attribute.t, f"{node}: {name}")
                attribute.t.CopyFrom(tensor)
    held = {text(tensor.name): tensor for tensor in graph.initializer}
    sparse = uses.keys() & {text(t.values.name) for t in graph.sparse_initializer}
    if sparse:
        raise SpecError(
            f"the constants {sorted(sparse)} are sparse; store them as dense ones"
        )
    return Graph(
        proto=proto,
        nodes=nodes,
        constants={
            name: to_array(_inlined(beside, tensor, where), where)
            for name, tensor in held.items()
            if name in uses
            for where in [f"the constant {name!r}"]
        },
        output=outputs[0],
        uses=uses,
        loss=next((text(p.value) for p in proto.metadata_props if p.key == LOSS), None),
    )


def check(graph: Graph) -> None:
    """Raise CheckpointError for a file that breaks ONNX's own rules."""
    # The checker wants shapes where other readers, and this one, need none.
    del graph.proto.graph.value_info[:]
    for value in graph.proto.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.shape.SetInParent()
    _leave_external(graph.proto.graph)
    try:
        onnx.checker.check_model(graph.proto)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise CheckpointError(f"not a valid ONNX model: {error}") from None


def find_input(graph: Graph) -> Input:
    """Return the input of a graph.  Raises: SpecError if it is no batch of floats."""
    values = {text(value.name): value for value in graph.proto.graph.input}
    names = [n for n in values if n in graph.uses and n not in graph.constants]
    if len(names) != 1:
        raise SpecError(
            "expected a graph of one input beside its constants, received "
            f"{len(names)}: {', '.join(names) or 'none'}"
        )
    name, tensor = names[0], values[names[0]].type.tensor_type
    where = f"the input {name!r}"
    if tensor.elem_type not in FLOATS:
        raise SpecError(f"{where}: expected floats, received {_type(tensor.elem_type)}")
    dims = [d.dim_value or text(d.dim_param) or "?" for d in tensor.shape.dim]
    if len(dims) not in (2, 3, 4):
        raise SpecError(
            f"{where}: expected (batch, features), (batch, rows, columns) or (batch, "
            f"channels, height, width), received the shape {dims}"
        )
    if not all(isinstance(size, int) and size >= 1 for size in dims[1:]):
        raise SpecError(
            f"{where}: expected fixed sizes after the batch, received the shape "
            f"{dims}; fix them, e.g. by onnx.tools.update_model_dims"
        )
    batch = dims[0] if isinstance(dims[0], int) else None
    shape = tuple(dims[1:])
    if len(shape) == 3 and _channels_last(graph, name, shape):
        return Input(name, (shape[2], *shape[:2]), batch, last=True)
    return Input(name, shape, batch)


# Operators that leave the axes as they are.
_KEEPING = frozenset(
    ("Add", "Cast", "Clip", "Div", "Identity", "Mul", "Pad", "Sub", "Relu")
)


def _channels_last(graph: Graph, name: str, shape: tuple[int, ...]) -> bool:
    """Return whether images come as (H, W, C): the graph first makes (C, H, W) of them.

    By a Transpose or, of one channel, by a Reshape.
    """
    known, first = {name}, [1, *shape[:2]]
    for node in graph.nodes:
        if not known.intersection(node.inputs):
            continue
        if node.kind == "Transpose":
            perm = node.attributes.get("perm", AttributeProto())
            if list(perm.ints) == [0, 3, 1, 2]:
                return True
        elif node.kind == "Reshape" and shape[2] == 1:
            target = graph.constants.get(node.inputs[-1])
            if target is not None and target.reshape(-1)[1:].tolist() == first:
                return True
        elif node.kind in _KEEPING:
            known.update(node.outputs)
    return False


def axis_of(node: Node, axis: int, rank: int) -> int:
    """Return the axis, counted from the front.  Raises: SpecError if there is none."""
    if not -rank <= axis < rank:
        raise node.fail(f"axis: expected one of {rank}, received {axis}")
    return axis % rank


def _parse(path: Path) -> onnx.ModelProto:
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise CheckpointError(
            f"an ONNX file holds at most 2 GiB, this one has {size:,} bytes"
        )
    try:
        proto = onnx.load_model_from_string(path.read_bytes())
    except DecodeError as error:
        raise CheckpointError(
            f"expected an ONNX file, received a truncated, damaged or foreign one "
            f"({error})"
        ) from None
    if not proto.HasField("graph") or not proto.opset_import:
        raise CheckpointError("expected an ONNX file, received a foreign or empty one")
    return proto


def _needed(nodes: list[Node], output: str) -> tuple[list[Node], Counter]:
    """Return the nodes that the output needs, and how often each tensor is taken."""
    uses, kept = Counter({output: 1}), []
    for node in reversed(nodes):
        if any(name in uses for name in node.outputs if name):
            uses.update(name for name in node.inputs if name)
            kept.append(node)
    return kept[::-1], uses


def to_array(tensor: TensorProto, where: str) -> np.ndarray:
    """Return the numbers of a tensor.

    Raises: CheckpointError for other kinds of content.
    """
    _check_type(tensor, where)
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{where}: its numbers cannot be read: {error}") from None


def _inlined(beside: Beside, tensor: TensorProto, where: str) -> TensorProto:
    """Return the tensor with its numbers in it.  Raises: CheckpointError."""
    if not is_external(tensor):
        return tensor
    _check_type(tensor, where)
    return beside.inlined(tensor, where)


def _check_type(tensor: TensorProto, where: str) -> None:
    if tensor.data_type not in _NUMBERS:
        kind = _type(tensor.data_type)
        raise CheckpointError(f"{where}: expected numbers, received {kind}")


def _leave_external(graph: onnx.GraphProto) -> None:
    """Make inputs of the constants that other files hold.

    onnx's checker would look for those files; they are read already, where they are
    wanted, and may be more than the 2 GiB that it takes.
    """
    known = {value.name for value in graph.input}
    for i in reversed(range(len(graph.initializer))):
        tensor = graph.initializer[i]
        if is_external(tensor):
            if tensor.name not in known:
                value = graph.input.add(name=tensor.name)
                value.type.tensor_type.elem_type = tensor.data_type
                value.type.tensor_type.shape.SetInParent()
            del graph.initializer[i]


def text(value: str | bytes) -> str:
    """Return a name of a file; protobuf leaves bytes where they are no UTF-8."""
    return value if isinstance(value, str) else value.decode(errors="replace")


def _type(number: int) -> str:
    names = {value: name for name, value in TensorProto.DataType.items()}
    return names.get(number, f"type {number}")


def shortest(value: float) -> float:
    """Return a float32 of a file as it was meant: 0.01, not 0.009999999776."""
    return float(str(np.float32(value)))
