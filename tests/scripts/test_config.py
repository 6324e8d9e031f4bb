"""What the configuration's checks say of impossible files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.lib.io.schema import read_yaml
from scripts.lib.study.config import ConfigError, load_configs
from scripts.lib.study.kinds.learning import merged_recipe

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "config/config.yaml"
IGNET = "config/experiments/ignet.yaml"
KERAS = "config/experiments/keras_baseline.yaml"
PEER = "config/experiments/keras_peer.yaml"
CONV = "config/experiments/conv_study.yaml"
DEPTH2 = "config/models/ignet-depth2.yaml"
DEEP = "config/models/ignet-deep.yaml"
SHUFFLED = "config/protocols/by-child-shuffled.yaml"
BY_CHILD = "config/protocols/by-child.yaml"
PAPER = "config/protocols/paper.yaml"
COPIES = "config/augmentations/ignet.yaml"
EMBEDDED = "config/datasets/embedded-drawings.yaml"
PERSON = "config/datasets/draw-a-person.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of which only the configuration is there."""
    for part in ("config", "workflow/schemas"):
        shutil.copytree(ROOT / part, tmp_path / part)
    return tmp_path


def load(project: Path, **settings):
    return load_configs(project, {**read_yaml(project / CONFIG, CONFIG), **settings})


def edit(project: Path, file: str, old: str, new: str) -> None:
    path = project / file
    text = path.read_text("utf-8")
    assert old in text, f"{old!r} is not in {file}: the test needs another place"
    path.write_text(text.replace(old, new, 1), "utf-8")


def complaint(project: Path, **settings) -> str:
    with pytest.raises(ConfigError) as raised:
        load(project, **settings)
    return str(raised.value)


def test_the_projects_own_configuration_is_accepted(project):
    configs = load(project)
    assert set(configs.settings["experiments"]) <= set(configs.experiments)
    assert "ignet-depth2" in configs.models


# file, text, its replacement, and what the error must say beside the file's name.
BAD = [
    # Unknown keys, missing keys.
    (IGNET, "batch_size: 32", "bacth_size: 32", "recipe: unknown key 'bacth_size'"),
    (IGNET, "batch_size: 32", "bacth_size: 32", "(did you mean 'batch_size'?)"),
    (IGNET, "augmentation: ignet\n", "", "the key 'augmentation' is missing"),
    (BY_CHILD, "reported: test", "", "the key 'reported' is missing"),
    (COPIES, "degrees:", "degree:", "steps.0.rotate: unknown key 'degree'"),
    (PERSON, "exclude:", "exlude:", "(did you mean 'exclude'?)"),
    # Wrong types.
    (IGNET, "passes: 10", "passes: ten", "passes: expected a whole number"),
    (IGNET, "passes: 10", "passes: 2.0", "of at least 1, received 2.0"),
    (IGNET, "passes: 10", "passes: true", "received True"),
    (EMBEDDED, "width: 36", 'width: "36"', "image.width: expected a whole number"),
    (BY_CHILD, "leaks: false", "leaks: nay", "leaks: expected true or false"),
    (IGNET, "protocols: [paper", "protocols: papers #", "expected a list"),
    # Impossible values.
    (IGNET, "batch_size: 32", "batch_size: 0", "of at least 1, received 0"),
    (IGNET, "target_scale: 100", "target_scale: -1", "above 0, received -1"),
    (IGNET, "target_scale: 100", "target_scale: .nan", "received nan"),
    (BY_CHILD, "validation: 0.2", "validation: 1.2", "validation: expected a number"),
    (BY_CHILD, "smoke: 2", "smoke: 1", "folds.smoke: expected a whole number"),
    (COPIES, "smoke: 3", "smoke: 0", "copies.smoke: expected a whole number"),
    (
        BY_CHILD,
        "unit: child",
        "unit: childs",
        "one of row, drawing, child, official,",
    ),
    (BY_CHILD, "unit: child", "unit: childs", "(did you mean 'child'?)"),
    (EMBEDDED, "drawings: 338", "drawings: 1338", "expected 130 ... 390 for 130"),
    # Names that no file or data set knows.
    (IGNET, "model: ignet-depth2", "model: ignet", "variants.depth2-age_months.model"),
    (IGNET, "model: ignet-depth2", "model: ignet-dep", "(did you mean 'ignet-de"),
    (IGNET, "augmentation: ignet", "augmentation: ignt", "(did you mean 'ignet'?)"),
    (
        IGNET,
        " by-child,",
        " by-chidl,",
        "received 'by-chidl' (did you mean 'by-child'?)",
    ),
    (PEER, "[age_months, age_c", "[age_month, age_c", "compared: expected one of age_"),
    (PEER, "[paper-keras, by-c", "[paper, by-c", "protocols: expected one of paper-k"),
    (PEER, "keras_baseline", "xor", "experiment: expected one of ignet, "),
    (IGNET, "draw-a-person]", "draw-persons]", "(did you mean 'draw-a-person'?)"),
    (IGNET, "[age_months]", "[age_month]", "(did you mean 'age_months'?)"),
    (PERSON, "stratify: age_years", "stratify: ages", "(did you mean 'age_years'?)"),
    (PERSON, "stand_in: embedded-drawings", "stand_in: stirling", "stand_in: expected"),
    (IGNET, "options: {more: 0}", "options: {mroe: 0}", "(did you mean 'more'?)"),
    (IGNET, 'variants: ["*-age_m', 'variants: ["*-aeg_m', "'*-aeg_months' fits none"),
    (
        DEEP,
        "times: $more",
        "times: $mor",
        "unknown option 'mor' (did you mean 'more'?)",
    ),
    (CONV, "size: [6, 8, 10]", "size: [2, 8]", "expected at least 3, where"),
    (CONV, "memory_of: [large]", "memory_of: [larg]", "(did you mean 'large'?)"),
    (CONV, "[loops, serial", "[loop, serial", "(did you mean 'loops'?)"),
    (SHUFFLED, "extends: by-child", "extends: by-kid", "expected one of by-child, by-"),
    (
        PAPER,
        "title:",
        "extends: paper-fresh\ntitle:",
        "the circle paper -> paper-fresh",
    ),
    (
        KERAS,
        "    protocols: [paper-keras, by-child]",
        "    protocols: [papr-keras, by-child]",
        "(did you mean 'paper-keras'?)",
    ),
    # Files that contradict each other, or themselves.
    (IGNET, "augmentation: ignet", "augmentation: keras", "paper deals the rows of"),
    (PAPER, "augmentation: ignet", "augmentation: null", "for the unit 'row'"),
    (BY_CHILD, "leaks: false", "leaks: true", "expected false for the unit 'child'"),
    (IGNET, "[age_months]", "[age_years]", "expected [age_months] for a regression"),
    (IGNET, "metric: mape", "metric: accuracy", "expected mape for a regression"),
    (
        IGNET,
        "loss: mean_absolute_error",
        "loss: softmax_cross_entropy",
        "expected a loss for a regression",
    ),
    # What only the engine knows.
    (IGNET, "{sgd:", "{sdg:", "unknown optimiser 'sdg' (did you mean 'sgd'?)"),
    (KERAS, "loss: mean_squared_error", "loss: mean_square_error", "unknown loss"),
    (DEPTH2, "kernel: 9", "kernle: 9", "(did you mean 'kernel'?)"),
    (DEPTH2, "kernel: 9", "kernel: 90", DEPTH2),
    # YAML's own traps.
    (
        IGNET,
        "tolerance: 7",
        "tolerance: 7\n  tolerance: 8",
        "'tolerance' is given twice",
    ),
    (BY_CHILD, "title:", "1: one\ntitle:", "the key 1 in line 2 is no text"),
    (BY_CHILD, "title:", "title: [", "config/protocols/by-child.yaml: expected YAML"),
]


@pytest.mark.parametrize(("file", "old", "new", "expected"), BAD)
def test_a_bad_file_is_named_with_key_and_reason(project, file, old, new, expected):
    edit(project, file, old, new)
    text = complaint(project)
    assert file in text
    assert expected in text


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"scael": "demo"}, "unknown key 'scael' (did you mean 'scale'?)"),
        ({"scale": "demoo"}, "(did you mean 'demo'?)"),
        ({"device": "opencl:0:0:0"}, "device: expected a text: auto, reference"),
        ({"seeds": []}, "seeds: expected a list with at least 1 entries"),
        ({"seeds": [0, 0]}, "seeds: expected entries that differ"),
        ({"experiments": ["ignte"]}, "received 'ignte' (did you mean 'ignet'?)"),
        ({"tune": "sometimes"}, "tune: expected true or false"),
        ({"data_dir": 3}, "data_dir: expected a text or null, received 3"),
        ({"dataset": "stirlin"}, "(did you mean 'stirling'?)"),
    ],
)
def test_a_bad_setting_is_named_with_its_file(project, settings, expected):
    text = complaint(project, **settings)
    assert text.startswith(f"{CONFIG}: ")
    assert expected in text


def test_all_problems_are_told_at_once(project):
    edit(project, IGNET, "batch_size: 32", "batch_size: 0")
    edit(project, BY_CHILD, "unit: child", "unit: sheet")
    lines = complaint(project, scale="large").splitlines()
    assert len(lines) == 3
    assert [line.partition(":")[0] for line in lines] == [CONFIG, BY_CHILD, IGNET]


def test_a_key_of_the_command_line_is_called_so(project):
    with pytest.raises(ConfigError, match=r"^--config scale: expected one of"):
        load_configs(project, {**load(project).settings, "scale": "big"}, ["scale"])
    with pytest.raises(ConfigError, match=r"^--config: unknown key 'size'"):
        load_configs(project, {**load(project).settings, "size": 1}, ["size"])


def test_what_the_command_line_can_say_is_taken_as_meant(project):
    said = {
        "seeds": ["0", "12"],  # what Snakemake makes of seeds=[0,12]
        "experiments": "ignet,xor",
        "data_dir": 2024,
        "download": "true",
        "tune": "False",
    }
    settings = load_configs(project, {**load(project).settings, **said}, said).settings
    assert settings["seeds"] == [0, 12]
    assert settings["experiments"] == ["ignet", "xor"]
    assert settings["data_dir"] == "2024"
    assert settings["download"] is True
    assert settings["tune"] is False


def test_a_number_without_a_point_is_a_number(project):
    edit(project, IGNET, "target_scale: 100", "target_scale: 1e2")
    assert load(project).experiments["ignet"]["recipe"]["target_scale"] == 100.0


def test_a_file_name_that_cannot_be_an_id_is_refused(project):
    (project / PAPER).rename(project / "config/protocols/the paper.yaml")
    text = complaint(project)
    assert "letters, digits, _ and -, received 'the paper'" in text


def test_a_recipe_is_merged_experiment_then_variant_then_scale():
    config = {
        "recipe": {"batch_size": 32, "passes": 10, "tolerance": 7},
        "variants": {"one": {"recipe": {"batch_size": 8, "passes": 20}}, "two": {}},
        "scales": {"smoke": {"recipe": {"passes": 1}}, "demo": {}},
    }
    one, two = (
        {s: merged_recipe(config, v, s) for s in config["scales"]}
        for v in config["variants"]
    )
    assert one["smoke"] == {"batch_size": 8, "passes": 1, "tolerance": 7}
    assert one["demo"] == {"batch_size": 8, "passes": 20, "tolerance": 7}
    assert two["demo"] == config["recipe"]


def test_a_text_may_begin_as_a_number(project):
    edit(project, IGNET, "title: IgNet", "title: 1e9 IgNets")
    title = load(project).experiments["ignet"]["title"]
    assert title.startswith("1e9 IgNets")
