"""The step `augment`: rows, their parents, and copies that can be made again alone."""

import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from engine.augment import pipeline
from scripts.augment import make_copies
from scripts.lib.io.files import write_npz
from tests.conftest import ROOT

RECIPES = ROOT / "config/augmentations"
SCHEMAS = ROOT / "workflow/schemas"


def _load(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_rows_know_their_drawing_and_child(small):
    made, images = _load(small.augmented), _load(small.images)
    child = {row["sample"]: row["group"] for row in small.rows}
    assert made["images"].shape == (24 * 3, 58, 36) and made["images"].dtype == np.uint8
    assert made["copy"].dtype == np.int32 and made["copy"].tolist() == [0, 1, 2] * 24
    assert made["parent"].tolist() == np.repeat(images["ids"], 3).tolist()
    assert made["child"].tolist() == [child[p] for p in made["parent"].tolist()]
    expected = [f"{p}#{k}" for p, k in zip(made["parent"], made["copy"], strict=True)]
    assert made["ids"].tolist() == expected
    np.testing.assert_array_equal(made["images"][::3], images["images"])


@pytest.mark.parametrize("name", ["ignet", "keras"])
def test_a_copy_is_made_again_from_its_row_alone(small, tmp_path, name):
    recipe = yaml.safe_load((RECIPES / f"{name}.yaml").read_text("utf-8"))
    out = tmp_path / "copies.npz"
    make_copies(
        small.images, small.labels, RECIPES / f"{name}.yaml", "smoke", None, out
    )
    made, images = _load(out), _load(small.images)
    row = 7 * 3 + 2
    parent = made["parent"][row]
    alone = pipeline.augment_copy(
        images["images"][images["ids"].tolist().index(parent)],
        pipeline.parse_steps(recipe["steps"]),
        seed=recipe["seed"],
        name=str(parent),
        copy=int(made["copy"][row]),
    )
    assert alone.tobytes() == made["images"][row].tobytes()


def test_a_drawing_more_leaves_the_other_copies_alone(small, tmp_path):
    images = _load(small.images)
    without = tmp_path / "images.npz"
    kept = np.arange(24) != 5
    write_npz(without, images=images["images"][kept], ids=images["ids"][kept])
    out = tmp_path / "copies.npz"
    make_copies(without, small.labels, RECIPES / "ignet.yaml", "smoke", 0, out)
    rows = np.repeat(kept, 3)
    assert _load(out)["images"].tobytes() == (
        _load(small.augmented)["images"][rows].tobytes()
    )


def _command(small, out, threads):
    recipe = RECIPES / "ignet.yaml"
    options = f"--scale smoke --seed 0 --threads {threads}".split()
    files = ["--images", small.images, "--labels", small.labels, "--recipe", recipe]
    return subprocess.run(
        [sys.executable, "-m", "scripts.augment", *files, *options, "--output", out],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_any_number_of_threads_writes_the_same_bytes(small, tmp_path):
    for threads in (1, 3):
        done = _command(small, tmp_path / f"{threads}.npz", threads)
        assert done.returncode == 0, done.stderr
        written = (tmp_path / f"{threads}.npz").read_bytes()
        assert written == small.augmented.read_bytes()


def test_another_seed_makes_other_copies_of_the_same_drawings(small, tmp_path):
    out = tmp_path / "copies.npz"
    make_copies(small.images, small.labels, RECIPES / "ignet.yaml", "smoke", 1, out)
    made, before = _load(out)["images"], _load(small.augmented)["images"]
    same = (made == before).all(axis=(1, 2))
    assert same.tolist() == [True, False, False] * 24


def test_images_without_labels_are_named_and_nothing_is_written(small, tmp_path):
    labels = tmp_path / "labels.csv"
    lines = small.labels.read_text("utf-8").splitlines(keepends=True)
    labels.write_text("".join(lines[:-2]), "utf-8")
    out = tmp_path / "copies.npz"
    with pytest.raises(ValueError, match=r"2 drawings are not in .*labels\.csv"):
        make_copies(small.images, labels, RECIPES / "ignet.yaml", "smoke", 0, out)
    assert not out.exists()


def test_a_wrong_step_is_named_with_its_file(small, tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("seed: 0\ncopies: {smoke: 2}\nsteps: [{rotat: {degrees: 3}}]\n")
    with pytest.raises(ValueError, match=r"mine\.yaml: steps\[0\].*'rotat'.*'rotate'"):
        make_copies(
            small.images, small.labels, recipe, "smoke", 0, tmp_path / "copies.npz"
        )


def test_the_schema_knows_every_step_and_setting():
    schema = yaml.safe_load((SCHEMAS / "augmentation.schema.yaml").read_text("utf-8"))
    steps = schema["properties"]["steps"]["items"]["properties"]
    assert {name: set(step["properties"]) for name, step in steps.items()} == {
        name: set(table) for name, table in pipeline.SETTINGS.items()
    }


def test_the_largest_set_takes_seconds():
    """338 drawings x 62 rows, the baseline's set at scale paper: 2.6 s on one core."""
    recipe = yaml.safe_load((RECIPES / "keras.yaml").read_text("utf-8"))
    images = np.full((338, 58, 36), 255, np.uint8)
    start = time.process_time()
    rows = pipeline.augment(
        images,
        [f"p1-{i}" for i in range(338)],
        pipeline.parse_steps(recipe["steps"]),
        seed=0,
        copies=recipe["copies"]["paper"],
    )
    assert rows.shape == (20956, 58, 36)
    assert time.process_time() - start < 20
