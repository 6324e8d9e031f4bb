"""What a file computes from its constants alone, computed once while it is read.

Exporters write shapes and weights as little programs (Shape, Gather, Concat, ...). They
are run by onnx's own reference implementation, operator by operator, as far as they
stand in the table below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from onnx import ValueInfoProto, helper
from onnx.reference import ReferenceEvaluator

from engine.errors import CheckpointError, SpecError
from engine.exchange.onnx.beside import MOST_NUMBERS
from engine.exchange.onnx.graph import Node

# Stands for the size of the batch, which a network does not know, in shapes that the
# file asks for. It may be moved about but not computed with.
BATCH = -(2**40) - 1

Size = Callable[[Node, Sequence[np.ndarray]], int]


def _largest(node: Node, xs: Sequence[np.ndarray]) -> int:
    return max(x.size for x in xs)


def _sum(node: Node, xs: Sequence[np.ndarray]) -> int:
    return sum(x.size for x in xs)


def _broadcast(node: Node, xs: Sequence[np.ndarray]) -> int:
    return math.prod(np.broadcast_shapes(*(x.shape for x in xs)))


def _expanded(node: Node, xs: Sequence[np.ndarray]) -> int:
    shape = tuple(int(size) for size in xs[1])
    return math.prod(np.broadcast_shapes(xs[0].shape, shape))


def _gathered(node: Node, xs: Sequence[np.ndarray]) -> int:
    return xs[0].size * xs[1].size  # an upper bound


def _asked_for(node: Node, xs: Sequence[np.ndarray]) -> int:
    return math.prod(int(size) for size in xs[0])


# Those that only move numbers (BATCH may be among them): how many numbers they give.
_MOVING: dict[str, Size] = {
    "Cast": _largest,
    "Concat": _sum,
    "Flatten": _largest,
    "Gather": _gathered,
    "Identity": _largest,
    "Reshape": _largest,
    "Slice": _largest,
    "Squeeze": _largest,
    "Transpose": _largest,
    "Unsqueeze": _largest,
}
_COMPUTING: dict[str, Size] = {
    "Add": _broadcast,
    "ConstantOfShape": _asked_for,
    "Div": _broadcast,
    "Expand": _expanded,
    "Mul": _broadcast,
    "Neg": _largest,
    "Sqrt": _largest,
    "Sub": _broadcast,
}
_FOLDED = _MOVING | _COMPUTING


class Folder:
    """The constants of a graph, by the names of their tensors."""

    def __init__(self, constants: dict[str, np.ndarray]):
        self.values = constants
        self._numbers = sum(value.size for value in constants.values())

    def names(self, nodes: Sequence[Node]) -> set[str]:
        """Return the names of all tensors that will be constants."""
        known = {"", *self.values}
        for node in nodes:
            constant = node.kind in _FOLDED and known.issuperset(node.inputs)
            if constant or node.kind in ("Constant", "Shape"):
                known.update(node.outputs)
        return known

    def fold(self, node: Node) -> bool:
        """Compute the node's outputs if its inputs are constants; return whether.

        Raises: CheckpointError, SpecError naming the node.
        """
        if node.kind == "Constant":
            self.keep(node, _constant(node))
            return True
        known = all(name in self.values for name in node.inputs if name)
        if node.kind not in _FOLDED or not known:
            return False
        xs = [self.values[name] for name in node.inputs if name]
        moved = {"Concat": len(xs)}.get(node.kind, 1 if node.kind in _MOVING else 0)
        if any(x.dtype == np.int64 and (x == BATCH).any() for x in xs[moved:]):
            raise node.fail("computes with the size of the batch, which is left open")
        self.keep(node, self._run(node, xs))
        return True

    def keep(self, node: Node, value: np.ndarray) -> None:
        """Hold a constant under the name of the node's output."""
        self.values[node.outputs[0]] = value
        self._numbers += value.size

    def _run(self, node: Node, xs: list[np.ndarray]) -> np.ndarray:
        names = [name for name in node.inputs if name]
        try:
            size = _FOLDED[node.kind](node, xs)
            if self._numbers + size > MOST_NUMBERS:
                raise node.fail(
                    f"would give {size:,} numbers; a file's constants may be "
                    f"{MOST_NUMBERS:,} together"
                )
            graph = helper.make_graph(
                [node.proto],
                "constants",
                [ValueInfoProto(name=name) for name in dict.fromkeys(names)],
                [ValueInfoProto(name=node.outputs[0])],
            )
            evaluator = ReferenceEvaluator(graph, opsets={"": node.opset})
            with np.errstate(all="ignore"):
                return evaluator.run(None, dict(zip(names, xs, strict=True)))[0]
        except SpecError:
            raise
        except Exception as error:  # another package's code, on a stranger's data
            raise CheckpointError(
                f"{node}: cannot be computed from {', '.join(map(_text, xs))}: {error}"
            ) from None


def _text(x: np.ndarray) -> str:
    return f"{x.dtype} {x.shape}"


def _constant(node: Node) -> np.ndarray:
    for name, dtype in (
        ("value", None),
        ("value_float", np.float32),
        ("value_floats", np.float32),
        ("value_int", np.int64),
        ("value_ints", np.int64),
    ):
        value = node.take(name)
        if value is not None:
            return np.asarray(value, dtype)
    raise node.fail(f"cannot read a constant given by {', '.join(node.attributes)}")
