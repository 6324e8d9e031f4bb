"""Every case of the table as an ONNX file: checked by onnx, run by onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from engine import Network, exchange
from tests.engine.cases import CASES, Case, relative
from tests.engine.onnx_models import onnx, run

pytestmark = pytest.mark.compare

TOLERANCE = 1e-4


def inputs(case: Case, n: int) -> np.ndarray:
    """Return n inputs of a case, its own over and over."""
    x = case.x()
    return np.resize(x, (n, *x.shape[1:]))


def even_response_norm(network: Network) -> bool:
    """Return whether a network norms over an even number of channels."""
    return any(
        layer.kind == "local_response_norm" and layer.settings["size"] % 2 == 0
        for layer in network.layers
    )


def draws_masks(network: Network) -> bool:
    """Return whether a step of training draws numbers, by seed and layer."""
    portions = ("portion", "dropconnect", "freezeconnect")
    return any(layer.settings.get(key) for layer in network.layers for key in portions)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_onnxruntime_computes_what_the_network_does(case, opened, tmp_path):
    network, path = case.network(opened("threads")), tmp_path / "model.onnx"
    exchange.onnx.export(network, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    if even_response_norm(network):  # ONNX has it, onnxruntime has not
        with pytest.raises(Exception, match="size_ % 2 == 1 was false"):
            run(path, inputs(case, 1))
        return
    for n in (1, 7):
        x = inputs(case, n)
        assert relative(run(path, x), network.predict(x)) <= TOLERANCE, f"batch {n}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_was_exported_is_loaded_as_the_same_network(case, opened, tmp_path):
    device, path = opened("threads"), tmp_path / "model.onnx"
    network = case.network(device)
    exchange.onnx.export(network, path)
    again = exchange.onnx.load(path, device=device)
    x = inputs(case, 7)
    assert relative(again.predict(x), network.predict(x)) <= TOLERANCE
    assert again.loss_function == network.loss_function
    if not draws_masks(network):
        x, t = case.x(), case.t(*network.output_shape)
        ours, theirs = (net.gradients(x, t)["input"] for net in (again, network))
        assert relative(ours, theirs) <= TOLERANCE
    exchange.onnx.export(again, tmp_path / "again.onnx")
    twice = exchange.onnx.load(tmp_path / "again.onnx", device=device)
    assert twice.spec == again.spec
