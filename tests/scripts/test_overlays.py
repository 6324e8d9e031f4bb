"""Files that extend others, and grids of variants."""

from __future__ import annotations

import pytest

from scripts.lib.io import inheritance


def extended(files, name):
    return inheritance.extended(name, files.__getitem__)


def test_a_file_says_only_what_differs():
    files = {
        "a": {"unit": "row", "recipe": {"passes": 10, "rate": 1}, "steps": [1, 2]},
        "b": {"extends": "a", "recipe": {"rate": 2}, "steps": [3]},
        "c": {"extends": "b", "unit": "child"},
    }
    assert extended(files, "c") == {
        "unit": "child",
        "recipe": {"passes": 10, "rate": 2},
        "steps": [3],
    }
    assert extended(files, "a") == files["a"]


def test_a_circle_is_told():
    with pytest.raises(ValueError, match="circle a -> b -> a"):
        extended({"a": {"extends": "b"}, "b": {"extends": "a"}}, "a")


def test_a_grid_is_every_combination_and_a_variant_may_differ_in_it():
    experiment = {
        "grid": {
            "depth": {"d2": {"model": "two"}, "d3": {"model": "three"}},
            "target": {
                "months": {"task": "regression", "recipe": {"rate": 1, "passes": 5}},
                "years": None,
            },
        },
        "variants": {
            "d3-months": {"recipe": {"rate": 9}},
            "lenet": {"model": "lenet"},
        },
    }
    found = inheritance.variants(experiment)
    assert list(found) == ["d2-months", "d2-years", "d3-months", "d3-years", "lenet"]
    assert found["d2-months"]["recipe"] == {"rate": 1, "passes": 5}
    assert found["d3-months"] == {
        "model": "three",
        "task": "regression",
        "recipe": {"rate": 9, "passes": 5},
    }
    assert found["d3-years"] == {"model": "three"}
    assert found["lenet"] == {"model": "lenet"}
    assert experiment["grid"]["target"]["months"]["recipe"]["rate"] == 1


def test_without_a_grid_the_variants_are_those_that_stand_there():
    variants = {"a": {"model": "x"}}
    assert inheritance.variants({"variants": variants}) == variants


def test_a_scale_that_a_file_does_not_know_does_as_much_as_demo():
    config = {"copies": {"smoke": 1, "demo": 2, "paper": 3}}
    inheritance.complete_scales("augmentations", config)
    assert config["copies"] == {"smoke": 1, "demo": 2, "short": 2, "paper": 3}
    assert list(config["copies"]) == list(inheritance.SCALES)
    own = {"images": {"smoke": 1, "demo": 2, "short": None, "paper": None}}
    inheritance.complete_scales("protocols", own)
    assert own["images"]["short"] is None
    other = {"copies": {"demo": 2}}
    inheritance.complete_scales("models", other)
    assert other == {"copies": {"demo": 2}}
