"""Mistakes in the specs of the layers that imported networks need."""

from __future__ import annotations

import pytest

import engine
from tests.engine.test_spec import DENSE, IMAGE, conv, dense, spec

BAD = {
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
        spec({"clip": {"maximum": float("inf")}}),
        r"clip1\): maximum: expected a number in .*received inf",
    ),
    "clip-nan": (spec({"clip": {"maximum": float("nan")}}), "received nan"),
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
