"""What two checkouts share by --cache, and what must never be shared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scripts.lib.io.files import read_json
from tests.workflow.conftest import Project

from .conftest import copy_with_few_drawings

pytestmark = pytest.mark.reliability
EMBEDDED, TWIN = "embedded-drawings", "embedded-twins"


def target(dataset: str, protocol: str = "by-child") -> str:
    """The folds of a data set: made of all that is cached."""
    return f"results/data/{dataset}/folds/{protocol}.json"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A copy with a data set and a protocol that differ from others in their names."""
    root = copy_with_few_drawings(tmp_path_factory.mktemp("copy") / "ignetlab")
    for kind, one, other in (
        ("datasets", EMBEDDED, TWIN),
        ("protocols", "by-child", "by-twin"),
    ):
        folder = root / "config" / kind
        shutil.copy(folder / f"{one}.yaml", folder / f"{other}.yaml")
    return root


@pytest.fixture(scope="module")
def run(root, tmp_path_factory):
    """A function: run one target in a new folder, all with one cache."""
    cache = tmp_path_factory.mktemp("cache")

    def run(file: str, *settings: str) -> Path:
        work = tmp_path_factory.mktemp("work")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SNAKEMAKE_OUTPUT_CACHE", str(cache))
            arguments = ("--cache", "--config", "scale=smoke", *settings, "--", file)
            result = Project(root, work).run(*arguments)
        assert result.code == 0, result.output[-4000:]
        return work

    return run


@pytest.fixture(scope="module")
def first(run) -> Path:
    """The checkout that fills the cache."""
    return run(target(EMBEDDED))


def made(work: Path) -> set[str]:
    """Results that a step made in a folder: only what was made there has a sum."""
    known = {"source.json": "fetch", "images.npz": "images"}
    names = {path.stem for path in (work / "results").rglob("*.json.sha256")}
    names |= {path.stem for path in (work / "results").rglob("*.npz.sha256")}
    return {known.get(name, "folds") for name in names}


def entries(work: Path) -> dict[str, Path]:
    """The cache's entries that a folder's results are links to."""
    links = [path for path in (work / "results").rglob("*") if path.is_symlink()]
    return {path.relative_to(work).as_posix(): path.readlink() for path in links}


def test_a_second_checkout_makes_nothing_again(run, first):
    second = run(target(EMBEDDED))
    assert made(first) == {"fetch", "images", "folds"}
    assert made(second) == set()
    shared = entries(first)
    assert shared == entries(second)
    assert len(shared) > 60, "the drawings too"
    assert {target(EMBEDDED), f"results/data/{EMBEDDED}/images.npz"} <= set(shared)


def test_two_data_sets_get_two_entries_though_all_but_the_name_is_the_same(run, first):
    other = run(target(TWIN), f"dataset={TWIN}")
    assert made(other) == {"fetch", "images", "folds"}
    assert not set(entries(first).values()) & set(entries(other).values())
    for work, name in ((first, EMBEDDED), (other, TWIN)):
        assert read_json(work / f"results/data/{name}/source.json")["dataset"] == name
        assert read_json(work / target(name))["dataset"] == name


def test_two_protocols_get_two_entries_though_all_but_the_name_is_the_same(run, first):
    other = run(target(EMBEDDED, "by-twin"))
    assert made(other) == {"folds"}
    assert read_json(first / target(EMBEDDED))["protocol"] == "by-child"
    assert read_json(other / target(EMBEDDED, "by-twin"))["protocol"] == "by-twin"


def test_edited_code_and_settings_get_entries_of_their_own(run, first, root):
    project = Project(root, root)
    with project.edited("scripts/folds.py"):
        assert made(run(target(EMBEDDED))) == {"folds"}
    with project.edited(f"config/datasets/{EMBEDDED}.yaml", "width: 36", "width: 30"):
        assert made(run(target(EMBEDDED))) == {"images", "folds"}
