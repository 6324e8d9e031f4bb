"""A bit that flips in a result is found by whoever reads it, and can be made good."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

from .conftest import copy_with_few_drawings

pytestmark = pytest.mark.reliability
DATA = "results/data/embedded-drawings"
RUN = "results/runs/ignet/depth2-age_months/by-child/seed0/fold0"
TARGET = f"{RUN}/predictions.csv"
SMOKE = ("--config", "scale=smoke", "--")
# What is damaged, and what is made of it.
PAIRS = {
    f"{DATA}/labels.csv": f"{DATA}/folds/by-child.json",
    f"{DATA}/images.npz": f"{DATA}/augmented/ignet.npz",
    f"{DATA}/augmented/ignet.npz": f"{RUN}/model.npz",
    f"{DATA}/folds/by-child.json": f"{RUN}/model.npz",
    f"{RUN}/model.npz": TARGET,
}


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Project:
    """One scored training."""
    root = copy_with_few_drawings(tmp_path_factory.mktemp("copy") / "ignetlab")
    project = Project(root, tmp_path_factory.mktemp("damaged"))
    result = project.run(*SMOKE, TARGET)
    assert result.code == 0, result.output[-4000:]
    return project


def flip(path: Path) -> None:
    """Change one bit in the middle, and nothing that the file system tells."""
    times, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("name", PAIRS)
def test_a_flipped_bit_is_found_by_its_sum(done, name):
    damaged, made = done.work / name, done.work / PAIRS[name]
    before, whole = (done.work / TARGET).read_bytes(), damaged.read_bytes()
    flip(damaged)
    made.unlink()
    failed = done.run(*SMOKE, PAIRS[name])
    assert failed.code == 1
    assert len(failed.rules) == 1, "Snakemake alone does not see it"
    assert f"error: {name}: expected what was written" in failed.output
    assert "delete it and run again" in failed.output
    assert "Traceback" not in failed.output
    assert not made.exists()
    damaged.unlink()
    mended = done.run(*SMOKE, PAIRS[name], TARGET)
    assert mended.code == 0, mended.output[-4000:]
    assert damaged.read_bytes() == whole
    assert (done.work / TARGET).read_bytes() == before
