"""ONNX's own test models: those that the engine can do give what they should.

The package onnx carries them. A network has one input, so what a test gives as further
inputs (weights, shapes) is written into the model as constants. Every other model must
be refused by an error of ours.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import EngineError, exchange
from tests.engine.cases import relative

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytestmark = pytest.mark.compare

TOLERANCE = 1e-4
ROUNDED = {"averagepool_2d_ceil_last_window_starts_on_pad": 1e-3}  # typed by hand

SUPPORTED = {
    "node": """
        add_bcast averagepool_2d_ceil averagepool_2d_ceil_last_window_starts_on_pad
        averagepool_2d_default averagepool_2d_dilations averagepool_2d_pads
        averagepool_2d_pads_count_include_pad averagepool_2d_precomputed_pads
        averagepool_2d_precomputed_pads_count_include_pad
        averagepool_2d_precomputed_same_upper averagepool_2d_precomputed_strides
        averagepool_2d_same_lower averagepool_2d_same_upper averagepool_2d_strides
        basic_conv_with_padding basic_conv_without_padding batchnorm_epsilon
        batchnorm_example clip clip_default_max clip_default_min constant_pad
        constant_pad_axes constant_pad_negative_axes conv_with_autopad_same
        conv_with_strides_and_asymmetric_padding conv_with_strides_no_padding
        conv_with_strides_padding div_bcast dropout_default dropout_default_ratio
        dropout_random_old flatten_axis1 flatten_default_axis flatten_negative_axis3
        gemm_alpha gemm_beta gemm_default_no_bias gemm_default_scalar_bias
        gemm_default_single_elem_vector_bias gemm_default_vector_bias
        gemm_default_zero_bias gemm_transposeB globalaveragepool
        globalaveragepool_precomputed globalmaxpool globalmaxpool_precomputed identity
        leakyrelu leakyrelu_default lrn lrn_default matmul_2d maxpool_2d_ceil
        maxpool_2d_ceil_output_size_reduce_by_one maxpool_2d_default
        maxpool_2d_dilations maxpool_2d_pads maxpool_2d_precomputed_pads
        maxpool_2d_precomputed_same_upper maxpool_2d_precomputed_strides
        maxpool_2d_same_lower maxpool_2d_same_upper maxpool_2d_strides mul_bcast relu
        reshape_extended_dims reshape_negative_dim reshape_reduced_dims
        reshape_reordered_last_dims reshape_zero_and_negative_dim reshape_zero_dim
        sigmoid softmax_axis_1 softmax_example softmax_large_number
        squeeze_negative_axes sub_bcast tanh transpose_all_permutations_0
        unsqueeze_axis_1 unsqueeze_axis_2 unsqueeze_negative_axes unsqueeze_three_axes
        unsqueeze_two_axes unsqueeze_unsorted_axes
    """,
    "pytorch-converted": """
        AvgPool1d AvgPool1d_stride AvgPool2d AvgPool2d_stride BatchNorm1d_3d_input_eval
        BatchNorm2d_eval BatchNorm2d_momentum_eval ConstantPad2d Conv2d Conv2d_depthwise
        Conv2d_depthwise_padded Conv2d_depthwise_strided
        Conv2d_depthwise_with_multiplier Conv2d_dilated Conv2d_groups Conv2d_groups_thnn
        Conv2d_no_bias Conv2d_padding Conv2d_strided LeakyReLU LeakyReLU_with_negval
        Linear Linear_no_bias MaxPool2d MaxPool2d_stride_padding_dilation ReLU
        ReflectionPad2d ReplicationPad2d Sigmoid Softmax Tanh ZeroPad2d softmax_lastdim
    """,
    "pytorch-operator": """
        operator_addmm operator_clip operator_conv operator_flatten operator_mm
        operator_pad
    """,
    "simple": "single_relu_model",
}
NAMES = [(kind, name) for kind, names in SUPPORTED.items() for name in names.split()]


@dataclass(frozen=True)
class Model:
    """A model with its further inputs as constants, and the arrays of one run of it.

    y: None if the model does not give one array.
    """

    content: bytes
    x: Any
    y: np.ndarray | None

    def outputs(self, path: Path, device) -> np.ndarray:
        """Return what the engine makes of x."""
        path.write_bytes(self.content)
        return exchange.onnx.load(path, device=device).predict(self.x)


@functools.cache
def models(kind: str) -> dict[str, Model]:
    """Return the test models of a kind by name."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they cast infinities on purpose
        cases = load_model_tests(kind=kind)
    return {case.name.removeprefix("test_"): _model(case) for case in cases}


def _model(case: Any) -> Model:
    proto = onnx.ModelProto()
    proto.CopyFrom(case.model or onnx.load(Path(case.model_dir) / "model.onnx"))
    if case.data_sets:
        inputs, outputs = case.data_sets[0]
    else:
        inputs = _stored(case, "input", proto.graph.input)
        outputs = _stored(case, "output", proto.graph.output)
    inputs, outputs = list(map(_array, inputs)), list(map(_array, outputs))
    for value, array in list(zip(proto.graph.input, inputs, strict=False))[1:]:
        if isinstance(array, np.ndarray):
            tensor = onnx.numpy_helper.from_array(array, value.name)
            proto.graph.initializer.append(tensor)
    single = len(outputs) == 1 and isinstance(outputs[0], np.ndarray)
    x, y = inputs[0] if inputs else None, outputs[0] if single else None
    return Model(proto.SerializeToString(), x, y)


def _array(value: Any) -> Any:
    """Return numbers as an array; sequences and optional values as they are."""
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return np.asarray(value) if isinstance(value, np.generic) else value


def _stored(case: Any, role: str, values: Any) -> list[Any]:
    """Return the arrays that lie beside a model, None for what is none."""
    folder, arrays = Path(case.model_dir) / "test_data_set_0", []
    for i, value in enumerate(values):
        path = folder / f"{role}_{i}.pb"
        if path.exists():
            tensor = value.type.HasField("tensor_type")
            arrays.append(onnx.load_tensor(path) if tensor else None)
    return arrays


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_supported_models_give_their_outputs(kind, name, device, tmp_path):
    model = models(kind)[name]
    y = model.outputs(tmp_path / "model.onnx", device)
    assert relative(y, model.y) <= ROUNDED.get(name, TOLERANCE)


@pytest.mark.parametrize("kind", SUPPORTED)
def test_all_other_models_are_refused(kind, opened, tmp_path):
    names, computed = set(SUPPORTED[kind].split()), []
    others = models(kind).keys() - names
    for name in sorted(others):
        try:
            models(kind)[name].outputs(tmp_path / "model.onnx", opened("threads"))
            computed.append(name)
        except EngineError:
            continue
        except Exception as error:
            error.add_note(f"{kind}: {name}")
            raise
    assert computed == []  # a model that works is to be listed above
    print(f"{kind}: {len(names)} of {len(models(kind))} supported")
