"""Which figures an experiment has at a scale, and what they are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.lib.io.schema import read_yaml
from scripts.lib.study import claims_plan, figures_plan
from scripts.lib.study.config import ConfigError
from scripts.lib.study.study import load_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_data_from_outside(monkeypatch):
    monkeypatch.delenv("IGNET_DATA_DIR", raising=False)


def study(**settings):
    own = read_yaml(ROOT / "config/config.yaml", "config/config.yaml")
    return load_study(ROOT, {**own, **settings})


def test_many_variants_stand_on_a_sheet_for_each_beginning():
    found = study(scale="paper")
    sheets = figures_plan.sheets_of(found, "ignet")
    assert list(sheets) == [f"-depth{n}" for n in range(2, 8)]
    assert len(sheets["-depth2"]) == len(sheets["-depth7"]) == 6
    assert list(figures_plan.sheets_of(found, "keras_baseline")) == [""]
    assert figures_plan.sheets_of(found, "ignet_noise") == {}
    about = json.loads(figures_plan.profiles_json(found, "ignet", "-depth7"))
    assert [p["id"] for p in about["protocols"]] == ["paper", "by-child"]
    assert {v["passes"] for v in about["variants"]} == {10}


def test_figures_of_an_experiment():
    files = figures_plan.files_of(study(scale="smoke"), "ignet")
    names = [Path(file).stem.removeprefix("ignet-") for file in files]
    assert names == [
        "profiles-depth2",
        "profiles-depth7",
        "augmentation",
        "depths",
        "samples",
    ]
    noise = figures_plan.files_of(study(scale="smoke"), "ignet_noise")
    assert [Path(file).stem for file in noise] == [
        "ignet_noise-augmentation",
        "ignet_noise-noise",
    ]


def test_the_leak_shows_the_protocols_that_are_run():
    sheets = json.loads(figures_plan.leak_json(study(scale="demo")))
    assert [sheet["experiment"] for sheet in sheets] == ["ignet", "keras_baseline"]
    assert all(v.startswith("depth2-") for v in sheets[0]["variants"])
    assert [p["id"] for p in sheets[1]["protocols"]] == [
        "paper-keras",
        "paper-keras-shuffled",
        "by-child",
    ]
    assert "lenet-age_months" not in sheets[1]["variants"]


def test_depths_and_noise_know_their_variants():
    found = study(scale="paper")
    depths = json.loads(figures_plan.depths_json(found, "ignet"))
    assert depths["levels"] == [f"depth{n}" for n in range(2, 8)]
    assert depths["panels"]["age_category"]["depth5"] == "depth5-age_category"
    noise = json.loads(figures_plan.noise_json(found, "ignet_noise"))["noise"]
    assert noise["noise-02-005-age_years"] == [0.2, 0.05]
    assert len(noise) == 18 and "noise-age_years" not in noise


def test_a_comparison_knows_the_leak_free_protocols_and_what_is_run():
    found = study(scale="demo")
    asked = json.loads(claims_plan.comparison_json(found, "s0"))
    ignet = next(e for e in asked["experiments"] if e["experiment"] == "ignet")
    assert [p["id"] for p in ignet["protocols"]] == ["by-drawing", "by-child"]
    # what the step reads of a protocol
    needed = {"id", "k", "reported", "scored_like"}
    assert all(needed <= set(p) for p in ignet["protocols"])
    assert "depth3-age_category" not in {v["id"] for v in ignet["variants"]}
    assert claims_plan.measured_by_baselines(asked, "ignet")
    assert not claims_plan.measured_by_baselines(asked, "ignet_noise")


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "experiments/ignet",
            "profiles: [paper, by-child]",
            "profiles: [papre]",
            "figures.profiles: expected one of paper, paper-fresh",
        ),
        (
            "experiments/ignet",
            "depths: depth",
            "depths: dept",
            "(did you mean 'depth'?)",
        ),
        (
            "experiments/ignet",
            "variants: [depth2-*]\n    protocols",
            "variants: [depht2-*]\n    protocols",
            "figures.leak.variants: 'depht2-*' fits none of its variants",
        ),
        (
            "experiments/ignet",
            "samples: {variant: depth2-age_months",
            "samples: {variant: depth2-age_years",
            "figures.samples.variant: expected a regression",
        ),
        (
            "comparisons/s0",
            "ignet_noise/rotate-*",
            "ignet_noise/rotat-*",
            "pairs: 'ignet_noise/rotat-*' fits no EXPERIMENT/VARIANT",
        ),
        (
            "claims/s0",
            "    tests:\n      the paper's protocol:",
            "    tests:\n      the papers protocol:",
            "claims.lenet.tests.the papers protocol: expected one of any, the paper's",
        ),
        (
            "claims/s0",
            "relation: between\n          value: [0.1, 10]",
            "relation: between\n          value: 0.1",
            "value: expected two numbers for the relation 'between', received 0.1",
        ),
        (
            "claims/s0",
            'column: rows\n        relation: "="\n        value: 338',
            'column: rows\n        relation: "<"\n        value: many',
            "value: expected a number, which its other settings need",
        ),
    ],
)
def test_a_mistake_is_told_before_the_first_job(tmp_path, file, old, new, expected):
    import shutil

    for part in ("config", "workflow/schemas"):
        shutil.copytree(ROOT / part, tmp_path / part)
    path = tmp_path / f"config/{file}.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError) as error:
        load_study(tmp_path, read_yaml(ROOT / "config/config.yaml", "c"))
    assert f"config/{file}.yaml: " in str(error.value)
    assert expected in str(error.value)
