"""What the rules look up: data sets, runs, and what a step's params hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts.lib.io.schema import read_yaml
from scripts.lib.study import experiment_params
from scripts.lib.study.config import ConfigError
from scripts.lib.study.study import load_study

ROOT = Path(__file__).resolve().parents[2]


def study(tmp_path: Path, here: Path | None = None, **settings):
    own = read_yaml(ROOT / "config/config.yaml", "config/config.yaml")
    return load_study(ROOT, {**own, **settings}, here=here)


@pytest.fixture(autouse=True)
def _no_data_from_outside(monkeypatch):
    monkeypatch.delenv("IGNET_DATA_DIR", raising=False)


def test_without_data_the_stand_in_is_taken_and_said(tmp_path):
    found = study(tmp_path)
    assert found.dataset_of("ignet") == "embedded-drawings"
    assert found.generated == ["embedded-drawings", "embedded-textures"]
    assert found.local == []
    note = found.remarks["embedded-drawings"]
    assert "a generated stand-in for stirling" in note
    assert note.startswith("Note: ignet, ")
    assert note.endswith("set data_dir to use real data.")
    both = study(tmp_path, experiments=["ignet", "cifar-both", "cifar-bn"])
    assert both.generated == ["embedded-drawings", "embedded-textures"]
    note = both.remarks["embedded-textures"]
    assert "cifar ran on embedded-textures" in note and len(both.remarks) == 2
    assert note.endswith("set data_dir or download: true to use real data.")
    fetched = study(tmp_path, experiments=["ignet", "cifar-bn"], download=True)
    assert fetched.downloaded == {"cifar-100"}
    assert fetched.local == ["cifar-100"]
    assert fetched.generated == ["embedded-drawings"]
    assert found.stand_in_arguments("embedded-drawings") == "--stands-in-for stirling"


def test_what_stands_apart_is_no_part_of_the_whole(tmp_path):
    found = study(tmp_path)
    assert "cifar-both" in found.experiments and "conv_study" in found.experiments
    assert not {"cifar-both", "conv_study"} & set(found.whole)
    assert {"xor", "ignet", "keras_baseline"} <= set(found.whole)
    assert found.whole != list(found.experiments)
    assert study(tmp_path, apart=[]).whole == list(found.experiments)
    # Chosen alone they are the whole.
    alone = study(tmp_path, experiments=["cifar-both", "cifar-bn"])
    assert alone.whole == ["cifar-both", "cifar-bn"]
    with pytest.raises(ConfigError, match="apart: expected one of cifar, received"):
        study(tmp_path, apart=["ignet"])


def test_data_in_data_dir_are_taken_in_the_experiments_order(tmp_path):
    (tmp_path / "draw-a-person").mkdir()
    found = study(tmp_path, data_dir=str(tmp_path))
    assert found.dataset_of("ignet") == "draw-a-person"
    assert found.folders["draw-a-person"] == tmp_path / "draw-a-person"
    assert list(found.remarks) == ["embedded-textures"]
    (tmp_path / "stirling-drawings").mkdir()
    assert study(tmp_path, data_dir=str(tmp_path)).dataset_of("ignet") == "stirling"
    named = study(tmp_path, data_dir=str(tmp_path), dataset="draw-a-person")
    assert named.dataset_of("ignet") == "draw-a-person"
    both = {"experiments": ["ignet", "cifar-both"]}
    textures = study(tmp_path, dataset="embedded-textures", **both)
    assert textures.dataset_of("cifar-both") == "embedded-textures"
    assert textures.dataset_of("ignet") == "embedded-drawings"


def test_the_environment_names_data_dir_too_and_the_configuration_wins(
    tmp_path, monkeypatch
):
    for name in ("one", "two"):
        (tmp_path / name / "draw-a-person").mkdir(parents=True)
    monkeypatch.setenv("IGNET_DATA_DIR", str(tmp_path / "one"))
    assert study(tmp_path).data_dir == tmp_path / "one"
    assert study(tmp_path, data_dir=str(tmp_path / "two")).data_dir == tmp_path / "two"


def test_a_relative_data_dir_is_seen_from_here(tmp_path):
    (tmp_path / "data" / "draw-a-person").mkdir(parents=True)
    found = study(tmp_path, here=tmp_path, data_dir="data")
    assert found.data_dir == tmp_path / "data"


def test_a_data_dir_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="correct data_dir"):
        study(tmp_path, data_dir=str(tmp_path / "none"))


def test_a_target_that_the_data_do_not_record_is_not_run(tmp_path):
    (tmp_path / "draw-a-person").mkdir()
    found = study(tmp_path, data_dir=str(tmp_path))
    targets = {
        variant: found.variant("ignet", variant)["target"]
        for variant, _ in found.runs_of("ignet")
    }
    assert targets
    assert all("age_category" not in target for target in targets.values())
    table = json.loads(experiment_params.experiment_json(found, "ignet"))
    why = {v["id"]: v["why_not"] for v in table["variants"] if not v["left_out"]}
    assert why["depth2-age_category"] == "draw-a-person does not record age_category"
    assert why["depth2-age_years-who_drew"] is None
    assert all("depth3-who" not in name for name in why)


def test_protocols_that_differ_in_the_weights_alone_share_their_baselines(tmp_path):
    found = study(tmp_path)
    variant = "ignet", "depth2-age_years"
    paper, fresh, shuffled = (
        found.baselines_of(*variant, f"paper{kind}")
        for kind in ("", "-fresh", "-shuffled")
    )
    assert paper == fresh != shuffled
    by_child, by_drawing = (
        found.baselines_of(*variant, f"by-{unit}") for unit in ("child", "drawing")
    )
    assert by_child != by_drawing


def test_params_hold_what_a_step_reads_and_no_more(tmp_path):
    found = study(tmp_path)
    assert json.loads(found.part("datasets", "embedded-drawings", "image", "kept")) == {
        "image": {"width": 36, "height": 58, "channels": 1}
    }
    assert set(json.loads(found.dealing("paper"))) == {
        "augmentation",
        "copies",
        "folds",
        "unit",
        "validation",
    }
    assert json.loads(found.dealing("by-child"))["copies"] is None
    task = json.loads(found.task("ignet", "depth2-age_months", "paper"))
    assert task["protocol"] == {"id": "paper", "labels": True, "unit": "row"}
    assert "published" not in task
    scored = found.task("ignet", "depth2-age_months", "by-child", "reported")
    assert json.loads(scored)["protocol"]["reported"] == "test"


def test_tables_and_figures_see_the_recipe_that_a_variant_was_trained_with(tmp_path):
    found = study(tmp_path, scale="smoke")
    for variant in json.loads(experiment_params.experiment_json(found, "ignet"))[
        "variants"
    ]:
        task = json.loads(found.task("ignet", variant["id"], "paper"))
        assert variant["recipe"] == task["recipe"]


def test_a_scale_with_the_same_numbers_is_the_same_work(tmp_path):
    demo, paper = (study(tmp_path, scale=scale) for scale in ("demo", "paper"))
    assert demo.copies_of("ignet") == paper.copies_of("ignet") == 10
    assert demo.augmentation_scale("ignet") == paper.augmentation_scale("ignet")
    smoke = study(tmp_path, scale="smoke")
    assert smoke.folds_of("paper") != paper.folds_of("paper")
    assert smoke.protocol_scale("paper") != paper.protocol_scale("paper")


def test_settings_for_the_report_are_those_of_the_run(tmp_path):
    (tmp_path / "my data" / "draw-a-person").mkdir(parents=True)
    found = study(tmp_path, here=tmp_path, data_dir="my data", seeds=[0, 3])
    line = dict(entry.split("=", 1) for entry in found.command_line)
    assert json.loads(line["data_dir"]) == str(tmp_path / "my data")
    assert json.loads(line["seeds"]) == [0, 3]
    assert "data_dir" not in dict(
        entry.split("=", 1) for entry in study(tmp_path).command_line
    )


def test_the_schema_of_the_tables_names_the_columns_that_are_written():
    from scripts import tables

    file = ROOT / "workflow/schemas/tables.schema.yaml"
    schema = read_yaml(file, file.name)["$defs"]["training"]
    assert tuple(schema["required"]) == tuple(schema["properties"]) == tables.COLUMNS


def test_paths_that_python_or_snakemake_take_for_others(tmp_path, monkeypatch):
    own = read_yaml(ROOT / "config/config.yaml", "config/config.yaml")
    with pytest.raises(ConfigError, match="expected the project in a folder without"):
        load_study(tmp_path / "a:b", own)
    for name in ("{a}", "x{wildcards.a}y", "{\n}"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with pytest.raises(ConfigError, match="expected a folder to work in without"):
            load_study(ROOT, own)
    (tmp_path / "closed").mkdir()
    monkeypatch.chdir(tmp_path / "closed")
    with monkeypatch.context() as closed:
        closed.setattr("os.access", lambda path, mode: False)  # as for others than root
        with pytest.raises(ConfigError, match="expected a folder that you may write"):
            load_study(ROOT, own)
    (tmp_path / "a}b{c").mkdir()
    monkeypatch.chdir(tmp_path / "a}b{c")
    load_study(ROOT, own)
