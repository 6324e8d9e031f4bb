"""From an ONNX file to a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import CheckpointError, InputError, SpecError
from engine.exchange.onnx import shapes
from engine.exchange.onnx.builder import Builder
from engine.exchange.onnx.constants import Folder
from engine.exchange.onnx.graph import Graph, Node, check, find_input, read
from engine.exchange.onnx.operators import OPERATORS

if TYPE_CHECKING:
    from engine.backends.base import Backend
    from engine.network import Network


def load(path: Path, device: Backend | str | None, loss: Any) -> Network:
    """Return the network of a file; see `engine.exchange.onnx.load`."""
    from engine.network import Network

    try:
        graph = read(path)
        constants = Folder(graph.constants)
        _refuse_missing(graph.nodes, constants.names(graph.nodes))
        check(graph)
        builder = Builder(graph, find_input(graph), constants)
        for node in graph.nodes:
            _add(node, builder)
        spec, parameters = builder.finish(_loss(graph) if loss is None else loss)
        return Network.from_spec(spec, device=device, parameters=parameters)
    except (CheckpointError, InputError, SpecError) as error:
        raise type(error)(f"{path}: {error}") from None


def _refuse_missing(nodes: Sequence[Node], constants: set[str]) -> None:
    """Raise SpecError for all operators that are not there, with their nodes."""
    missing: dict[str, list[str]] = {}
    for node in nodes:
        if node.kind not in OPERATORS and not constants.issuperset(node.outputs[:1]):
            missing.setdefault(node.kind, []).append(repr(node.name))
    if missing:
        listed = "; ".join(
            f"{kind} (node{'s' * (len(names) > 1)} {', '.join(names)})"
            for kind, names in missing.items()
        )
        hint = ""
        if "LogSoftmax" in missing:
            hint = " Export the network without its last LogSoftmax: the loss has it."
        raise SpecError(
            f"operators that the engine does not have: {listed}.{hint} It has: "
            f"{', '.join(OPERATORS)}"
        )


def _add(node: Node, builder: Builder) -> None:
    """Do one node.  Raises: SpecError, CheckpointError naming it."""
    taken = [name for name in node.outputs[1:] if name in builder.graph.uses]
    if taken:
        raise node.fail(f"only its first output can be made; {taken} are taken too")
    if builder.constants.fold(node):
        return
    if node.kind == "Shape":
        builder.constants.keep(node, shapes.shape(builder, node))
        return
    value = OPERATORS[node.kind](builder, node)
    if node.attributes:
        raise node.fail(f"the attributes {', '.join(node.attributes)} are not known")
    builder.give(node, value)


def _loss(graph: Graph) -> Any:
    """Return the loss that `export` noted in the file, else squared_error."""
    if graph.loss is None:
        return "squared_error"
    try:
        return json.loads(graph.loss)
    except json.JSONDecodeError as error:
        raise CheckpointError(f"the loss in its metadata is no JSON: {error}") from None
