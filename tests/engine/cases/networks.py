"""Cases of layers that take several inputs, of losses, and of whole networks."""

from __future__ import annotations

from typing import Any

from tests.engine.cases.case import Case


def _loss(name: str, loss: Any, outputs: int, targets: str = "values", n: int = 5):
    return Case(
        f"loss-{name}", (outputs,), ({"activation": "identity"},), loss, n, targets
    )


MERGES = [
    Case("add", (3, 5, 4), (
        {"activation": "tanh", "name": "a"},
        {"activation": "sigmoid", "name": "b", "inputs": ["input"]},
        {"activation": {"leaky_relu": 0.5}, "name": "c"},
        {"add": {}, "inputs": ["a", "b", "c", "input"]},
        "flatten",
    )),
    Case("concat", (3, 5, 4), (
        {"activation": "tanh", "name": "a"},
        {"conv": {"filters": 2, "kernel": 1}, "name": "b", "inputs": ["input"]},
        {"concat": {}, "inputs": ["a", "input", "b"]},
        "flatten",
    )),
    Case("concat-wide", (3, 7, 9), (
        {"activation": "tanh", "name": "a"},
        {"concat": {}, "inputs": ["a", "input"]},
        "flatten",
    ), n=9),
    Case("concat-vectors", (7,), (
        {"activation": "tanh", "name": "a"},
        {"concat": {}, "inputs": ["input", "a"]},
    ), n=33),
    Case("reshape", (3, 4, 5), (
        {"reshape": {"shape": [5, 6, 2]}},
        {"conv": {"filters": 2, "kernel": 2}},
        {"reshape": {"shape": [5, 2]}},
        {"scale": {}},
        {"reshape": {"shape": [10]}},
    )),
    Case("multiply", (3, 5, 4), (
        {"activation": "tanh", "name": "a"},
        {"multiply": {}, "inputs": ["a", "input"]},
        "flatten",
    ), n=33),
    Case("multiply-itself", (7,), (
        {"multiply": {}, "inputs": ["input", "input", "input"]},
    ), n=1),
    Case("multiply-vectors", (17,), (
        {"activation": "tanh", "name": "a"},
        {"activation": "sigmoid", "name": "b", "inputs": ["input"]},
        {"multiply": {}, "inputs": ["a", "b", "input", "b"]},
    ), n=33),
    Case("multiply-squeeze-excite", (3, 9, 8), (
        {"global_average_pool": {}},
        {"activation": "sigmoid", "name": "gate"},
        {"multiply": {}, "inputs": ["input", "gate"]},
        "flatten",
    )),
    Case("multiply-two-gates", (3, 5, 4), (
        {"max_pool": {"size": [5, 4]}, "name": "a"},
        {"global_average_pool": {}, "name": "b", "inputs": ["input"]},
        {"multiply": {}, "inputs": ["a", "b", "input"]},
        "flatten",
    )),
    Case("multiply-map-between-gates", (1, 5, 3), (
        {"max_pool": {"size": [5, 3]}, "name": "a"},
        {"global_average_pool": {}, "name": "b", "inputs": ["input"]},
        {"multiply": {}, "inputs": ["a", "input", "b"]},
        "flatten",
    ), n=33),
    Case("multiply-gate-of-one-place", (17, 1, 1), (
        {"global_average_pool": {}, "name": "gate"},
        {"multiply": {}, "inputs": ["gate", "input"]},
        "flatten",
    ), n=16),
    Case("multiply-pieces", (5, 41, 33), (
        {"global_average_pool": {}, "name": "gate"},
        {"multiply": {}, "inputs": ["gate", "input"]},
        "flatten",
    ), n=33, big=True),
    Case("repeat-residual", (2, 5, 4), (
        {"repeat": {"times": 3, "layers": [
            {"conv": {"filters": 2, "kernel": 3, "padding": 1}},
            {"activation": "tanh", "name": "inner"},
            {"add": {}, "inputs": ["inner", "input"]},
        ]}},
        "flatten",
    )),
]  # fmt: skip

LOSSES = [
    _loss("squared_error", "squared_error", 10),
    _loss("squared_error-sum", {"squared_error": {"reduction": "sum"}}, 3, n=16),
    _loss("mean_squared_error", "mean_squared_error", 10),
    _loss("mean_squared_error-1", "mean_squared_error", 1, n=33),
    _loss("mean_absolute_error", "mean_absolute_error", 10, "far"),
    _loss("mean_absolute_error-1", "mean_absolute_error", 1, "far", n=1),
    _loss("binary_cross_entropy", "binary_cross_entropy", 10, "portions"),
    _loss("binary_cross_entropy-1", "binary_cross_entropy", 1, "portions", n=33),
    _loss(
        "binary_cross_entropy-sum",
        {"binary_cross_entropy": {"reduction": "sum"}},
        17,
        "portions",
        n=1,
    ),
    _loss("cross_entropy-classes", "softmax_cross_entropy", 10, "classes", n=33),
    _loss("cross_entropy-soft", "softmax_cross_entropy", 17, "soft"),
    _loss("cross_entropy-values", "softmax_cross_entropy", 5, "values"),
    _loss("cross_entropy-1", "softmax_cross_entropy", 1, "classes"),
    *(
        Case(
            f"loss-image-{loss}",
            (2, 3, 5),
            ({"activation": "identity"},),
            loss,
            n,
            targets,
        )
        for loss, n, targets in (
            ("squared_error", 33, "values"),
            ("mean_squared_error", 1, "values"),
            ("mean_absolute_error", 16, "far"),
            ("binary_cross_entropy", 5, "portions"),
        )
    ),
]

WHOLE = [
    Case("whole-keras", (1, 12, 9), (
        {"conv": {"filters": 5, "kernel": 3, "padding": "same", "bias": "learned"}},
        {"activation": "relu"},
        {"max_pool": {"size": 2}},
        {"dropout": 0.25},
        {"dense": {"units": 6}},
        {"activation": "sigmoid"},
        {"dropout": 0.5},
        {"dense": {"units": 4}},
    ), "softmax_cross_entropy", n=33, targets="classes"),
    # The layers before a normalisation sum what it gives them over all the lanes.
    Case("whole-norm", (2, 9, 7), (
        {"conv": {"filters": 3, "kernel": 3}},
        {"batch_norm": {"affine": False}},
        {"activation": {"leaky_relu": 0.01}, "name": "a"},
        {"conv": {"filters": 3, "kernel": 3, "padding": 1}},
        {"batch_norm": {}},
        {"add": {}, "inputs": ["batch_norm2", "a"]},
        {"activation": "tanh"},
        {"dense": {"units": 6, "bias": "none"}},
        {"batch_norm": {}},
        {"activation": "softmax"},
    ), "squared_error", n=33),
    Case("whole-image-to-image", (2, 9, 7), (
        {"conv": {"filters": 5, "kernel": 3, "stride": 2, "padding": 1}},
        {"activation": "tanh"},
        {"conv": {"filters": 3, "kernel": 3, "padding": "same", "bias": "learned",
                  "padding_mode": "edge"}},
    ), "binary_cross_entropy", n=33, targets="portions"),
    Case("whole-rows-and-columns", (5, 7), (
        {"scale": {"per": "element", "bias": "learned"}},
        {"batch_norm": {}, "name": "norm"},
        {"activation": "softmax"},
        {"add": {}, "inputs": ["norm", "input", "activation1"]},
        {"dropout": 0.2},
        {"activation": "tanh"},
        {"dense": {"units": 4}},
    ), "softmax_cross_entropy", n=33, targets="classes"),
    Case("whole-ignet", (1, 20, 15), (
        {"conv": {"filters": 8, "kernel": 9, "stride": 3}},
        {"activation": "identity"},
        {"conv": {"filters": 3, "kernel": 2, "bias": "fixed"}},
        {"activation": "bipolar_sigmoid"},
        {"dense": {"units": 1, "bias": "none"}},
    ), "mean_absolute_error", n=16, targets="far"),
]  # fmt: skip
