"""The known networks for ImageNet that ONNX carries, without their weights.

The files make every weight the same number by a little program; once they are read as
they are, and once with random weights in their place.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from engine import SpecError, exchange
from tests.engine.cases import relative
from tests.engine.onnx_models import onnx, run

pytestmark = [pytest.mark.compare, pytest.mark.slow]

TOLERANCE = 1e-4
SIZE = (1, 3, 224, 224)
NETWORKS = {  # the number of parameters
    "bvlc_alexnet": 60_965_224,
    "densenet121": 8_146_152,
    "inception_v1": 6_998_552,
    "inception_v2": 11_234_792,
    "resnet50": 25_610_152,
    "squeezenet": 1_235_496,
    "vgg19": 143_667_240,
    "zfnet512": 87_250_536,
}


def file_of(name: str) -> Path:
    """Return where the package onnx keeps a network."""
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    return folder / f"light_{name}.onnx"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_gives_the_outputs_that_come_with_it(name, opened):
    network = exchange.onnx.load(file_of(name), device=opened("opencl"))
    total = sum(values.size for values in network.parameters().values())
    assert total == NETWORKS[name]
    size = np.prod(SIZE)
    x = (np.arange(size).reshape(SIZE) / size).astype(np.float32)
    stored = file_of(name).with_name(f"light_{name}_output_0.pb")
    expected = onnx.numpy_helper.to_array(onnx.load_tensor(stored))
    assert relative(network.predict(x), expected) <= TOLERANCE


@pytest.mark.parametrize("name", NETWORKS)
def test_random_weights_give_what_onnxruntime_computes(name, opened, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(_with_random_weights(onnx.load(file_of(name))))
    try:
        network = exchange.onnx.load(path, device=opened("opencl"))
        x = np.random.default_rng(2).normal(size=SIZE).astype(np.float32)
        expected = run(path, x)
    finally:
        path.unlink()  # hundreds of megabytes
    assert relative(network.predict(x), expected) <= TOLERANCE


def test_shufflenet_wants_a_layer_that_shuffles_channels(opened):
    text = r"node '.+' \(Conv\): expected the numbers of .* Transpose .*no layer moves"
    with pytest.raises(SpecError, match=text):
        exchange.onnx.load(file_of("shufflenet"), device=opened("opencl"))


def _with_random_weights(proto) -> bytes:
    """Return the model with constants drawn by what they are taken for.

    A softmax at its end, which hides errors where it is nearly 1, is left out.
    """
    proto.ir_version = 4  # the first where an initializer is no input
    random, graph = np.random.default_rng(1), proto.graph
    shapes = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    takers = defaultdict(list)
    for node in graph.node:
        for place, name in enumerate(node.input):
            takers[name].append((node.op_type, place))
    kept = []
    for node in graph.node:
        if node.op_type != "ConstantOfShape":
            kept.append(node)
            continue
        values = random.standard_normal(shapes[node.input[0]], np.float32)
        (operator, place), *_ = takers[node.output[0]]
        if operator in ("Conv", "Gemm") and place == 1:
            values *= np.sqrt(2.0 / np.prod(values.shape[1:]))
        elif operator == "BatchNormalization" and place in (1, 4):  # scale, variance
            values = 1.0 + 0.1 * np.tanh(values)
        else:
            values *= 0.1
        tensor = onnx.numpy_helper.from_array(values, node.output[0])
        graph.initializer.append(tensor)
    if kept[-1].op_type == "Softmax":
        graph.output[0].name = kept.pop().input[0]
    del graph.node[:]
    graph.node.extend(kept)
    return proto.SerializeToString()
