"""Options of a model spec."""

from __future__ import annotations

import pytest

import engine
from engine.options import fill

SPEC = {
    "input": [1, 8, 8],
    "options": {"portion": 0, "more": 2, "filters": 3},
    "layers": [
        {"conv": {"filters": "$filters", "kernel": 3, "padding": "same"}},
        {
            "when": "more",
            "repeat": {
                "times": "$more",
                "layers": [
                    {"conv": {"filters": "$filters", "kernel": 3, "padding": "same"}}
                ],
            },
        },
        {"dropout": "$portion", "when": "portion"},
        {"dense": {"units": 2}},
    ],
    "loss": "squared_error",
}


def kinds(spec, **options) -> list[str]:
    network = engine.Network.from_spec(fill(spec, options), device="reference")
    return [layer.name for layer in network.layers]


def test_a_spec_with_options_is_built_with_their_values_by_default():
    network = engine.Network.from_spec(SPEC, device="reference")
    names = [layer.name for layer in network.layers]
    assert names == ["conv1", "conv2", "conv3", "dense1"]
    assert network.parameters()["conv3.weight"].shape == (3, 3, 3, 3)


def test_options_that_differ():
    assert kinds(SPEC, more=0) == ["conv1", "dense1"]
    assert kinds(SPEC, more=1, portion=0.5) == ["conv1", "conv2", "dropout1", "dense1"]
    assert SPEC["options"] == {"portion": 0, "more": 2, "filters": 3}


def test_an_option_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(engine.SpecError, match=r"'mroe' \(did you mean 'more'\?\)"):
        fill(SPEC, {"mroe": 1})
    wrong = {**SPEC, "layers": [{"dense": {"units": "$unit"}}]}
    with pytest.raises(engine.SpecError, match="unknown option 'unit'; known: portion"):
        engine.Network.from_spec(wrong, device="reference")


def test_a_saved_network_has_the_values_it_was_built_with(tmp_path):
    network = engine.Network.from_spec(fill(SPEC, {"more": 0}), device="reference")
    network.save(tmp_path / "model.npz")
    again = engine.load(tmp_path / "model.npz", device="reference")
    assert [layer.name for layer in again.layers] == ["conv1", "dense1"]
