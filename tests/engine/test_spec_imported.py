"""Bad specs of padding, pooling, and what else imported networks need."""

from __future__ import annotations

import math

import pytest

import engine
from tests.engine.test_spec import DENSE, IMAGE, conv, dense, spec

BAD = {
    # pad
    "pad-nothing": (spec({"pad": {}}), r"pad1\): the setting 'padding' is missing"),
    "pad-negative": (
        spec({"pad": {"padding": [1, -1]}}),
        r"layers\[0\] pad \(pad1\): padding: .*at least 0.*received \[1, -1\]",
    ),
    "pad-mode": (
        spec({"pad": {"padding": 1, "mode": "reflct"}}),
        r"mode: .*received 'reflct' \(did you mean 'reflect'",
    ),
    "pad-reflect": (
        spec({"pad": {"padding": [8, 0, 0, 0], "mode": "reflect"}}),
        r"pad1\): reflect: the padding \(8, 0, 0, 0\) .* smaller than its input \(8, 6",
    ),
    "pad-reflect-width": (
        spec({"pad": {"padding": [0, 6], "mode": "reflect"}}),
        r"the padding \(0, 6, 0, 6\) .*smaller than its input \(8, 6\)",
    ),
    "pad-value": (
        spec({"pad": {"padding": 1, "value": "x"}}),
        r"pad1\): value: expected a number .*received 'x'",
    ),
    "pad-value-infinite": (
        spec({"pad": {"padding": 1, "value": -math.inf}}),
        "value: expected a number .*received -inf",
    ),
    "pad-value-edge": (
        spec({"pad": {"padding": 1, "mode": "edge", "value": 1}}),
        r"pad1\): edge takes no value, received 1.0",
    ),
    "pad-on-vector": (spec(DENSE, {"pad": {"padding": 1}}), "pad " + IMAGE),
    # pooling
    "pool-too-large": (
        spec({"max_pool": {"size": 9}}),
        r"window \(9, 9\) .* larger .*\(8, 6\)",
    ),
    "pool-size": (spec({"max_pool": {"size": 0}}), r"max_pool1\): size: .*received 0"),
    "pool-no-size": (
        spec({"average_pool": {}}),
        r"average_pool1\): .*'size' is missing",
    ),
    "pool-stride": (
        spec({"max_pool": {"size": 2, "stride": 0}}),
        "stride: .*received 0",
    ),
    "pool-padding": (
        spec({"max_pool": {"size": 2, "padding": 2}}),
        r"layers\[0\] max_pool \(max_pool1\): the windows of row 0 .* hold no place "
        r"of the map: size \(2, 2\), dilation \(1, 1\), padding \(2, 2, 2, 2\)",
    ),
    "pool-padding-behind": (
        spec({"max_pool": {"size": 2, "padding": [0, 0, 0, 3]}}),
        "the windows of column 3 of the output hold no place",
    ),
    "pool-dilation-beside": (
        spec(
            {
                "average_pool": {
                    "size": 2,
                    "dilation": [9, 1],
                    "padding": [1, 0],
                    "count_padding": False,
                }
            }
        ),
        r"average_pool1\): the windows of row 0 of the output hold no place",
    ),
    "pool-padding-3": (
        spec({"max_pool": {"size": 2, "padding": [1, 1, 1]}}),
        r"padding: .*\[top, left, bottom, right\], received \[1, 1, 1\]",
    ),
    "pool-padding-negative": (
        spec({"average_pool": {"size": 2, "padding": [0, 0, -1, 0]}}),
        r"padding: .*at least 0.*received \[0, 0, -1, 0\]",
    ),
    "pool-padding-word": (
        spec({"max_pool": {"size": 2, "padding": "same"}}),
        "padding: expected an .*received 'same'",
    ),
    "pool-dilation": (
        spec({"max_pool": {"size": 2, "dilation": 0}}),
        r"max_pool1\): dilation: .*received 0",
    ),
    "pool-dilated": (
        spec({"max_pool": {"size": 3, "dilation": 3}}),
        r"the window \(3, 3\) \(dilation \(3, 3\)\) is larger .*\(8, 6\)",
    ),
    "pool-ceil": (
        spec({"max_pool": {"size": 2, "ceil_mode": 1}}),
        "ceil_mode: expected true or false, received 1",
    ),
    "pool-count": (
        spec({"average_pool": {"size": 2, "count_padding": "no"}}),
        "count_padding: expected true or false, received 'no'",
    ),
    "pool-count-max": (
        spec({"max_pool": {"size": 2, "count_padding": True}}),
        r"max_pool1\): unknown setting 'count_padding'",
    ),
    "pool-on-vector": (spec(DENSE, {"max_pool": {"size": 2}}), "max_pool " + IMAGE),
    "global-settings": (spec({"global_average_pool": {"size": 2}}), "known: none"),
    # clip, scale, multiply, local response normalisation, reshape
    "clip-limits": (
        spec({"clip": {"minimum": 2, "maximum": 1}}),
        r"layers\[0\] clip \(clip1\): the minimum must be below the maximum, received "
        r"minimum=2.0, maximum=1.0",
    ),
    "clip-equal": (spec({"clip": {"minimum": 1, "maximum": 1}}), "must be below"),
    "clip-text": (
        spec({"clip": {"minimum": "0"}}),
        r"clip1\): minimum: .*received '0'",
    ),
    "clip-infinite": (
        spec({"clip": {"maximum": math.inf}}),
        r"clip1\): maximum: expected a number in .*received inf",
    ),
    "clip-nan": (spec({"clip": {"maximum": math.nan}}), "received nan"),
    "clip-unknown": (spec({"clip": {"min": 0}}), r"'min' \(did you mean 'minimum'\?\)"),
    "scale-per": (
        spec({"scale": {"per": "chanel"}}),
        r"layers\[0\] scale \(scale1\): per: .*'chanel' \(did you mean 'channel'\?\)",
    ),
    "scale-weight": (
        spec({"scale": {"weight": "none"}}),
        "weight: expected one of learned, fixed, received 'none'",
    ),
    "scale-bias": (
        spec({"scale": {"bias": True}}),
        "bias: expected one of none, learned, fixed, received True",
    ),
    "scale-init": (spec({"scale": {"init": "one"}}), r"init: .*\(did you mean 'ones'"),
    "multiply-one": (
        spec({"multiply": {}}),
        "multiply takes two inputs or more, received 1",
    ),
    "multiply-shapes": (
        spec(conv(), {"multiply": {}, "inputs": ["conv1", "input"]}, DENSE),
        r"layers\[1\] multiply \(multiply1\): .*\(C, H, W\), received \(2, 6, 4\), "
        r"\(1, 8, 6\)",
    ),
    "multiply-vectors": (
        spec(dense("a"), dense("b", units=3), {"multiply": {}, "inputs": ["a", "b"]}),
        r"multiply1\): .*received \(2,\), \(3,\)",
    ),
    "multiply-gate": (
        spec(
            conv() | {"name": "map"},
            {"global_average_pool": {}},
            dense("gate", units=3),
            {"multiply": {}, "inputs": ["map", "gate"]},
            DENSE,
        ),
        r"layers\[3\] multiply .*received \(2, 6, 4\), \(3,\)",
    ),
    "multiply-settings": (
        spec({"multiply": {"axis": 1}, "inputs": ["input", "input"]}, DENSE),
        "unknown setting 'axis'; known: none",
    ),
    "response-size": (
        spec({"local_response_norm": {"size": 0}}),
        r"layers\[0\] local_response_norm \(local_response_norm1\): size: .*received 0",
    ),
    "response-no-size": (spec("local_response_norm"), "setting 'size' is missing"),
    "response-bias": (
        spec({"local_response_norm": {"size": 5, "bias": 0}}),
        r"bias: expected a number in \[1e-09, .*received 0",
    ),
    "response-alpha": (
        spec({"local_response_norm": {"size": 5, "alpha": -1}}),
        "alpha: .*received -1",
    ),
    "response-on-vector": (
        spec(DENSE, {"local_response_norm": {"size": 5}}),
        r"layers\[1\] .*: local_response_norm " + IMAGE,
    ),
    "reshape-size": (
        spec({"reshape": {"shape": [7, 7]}}),
        r"layers\[0\] reshape \(reshape1\): shape: expected one of 48 numbers, as the "
        r"input \(1, 8, 6\) has, received \(7, 7\) of 49",
    ),
    "reshape-free": (
        spec({"reshape": {"shape": [-1, 6]}}),
        r"shape: expected a list of integers of at least 1, received \[-1, 6\]",
    ),
    "reshape-number": (spec({"reshape": {"shape": 48}}), "shape: .*received 48"),
    "reshape-empty": (spec({"reshape": {"shape": []}}), r"shape: .*received \[\]"),
    "reshape-none": (spec("reshape"), r"reshape1\): the setting 'shape' is missing"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_spec(name):
    given, text = BAD[name]
    with pytest.raises(engine.SpecError, match=text):
        engine.Network.from_spec(given, device="reference")
