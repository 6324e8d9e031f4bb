"""A copy of the project that tests may edit, and one finished run of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "config", "engine", "profiles", "scripts", "workflow")
_JOB = re.compile(r"^Job \d+: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Result:
    """What one call of snakemake gave."""

    code: int
    output: str

    @property
    def counts(self) -> dict[str, int]:
        """Number of jobs of each rule, from the table that a (dry) run begins with."""
        _, _, table = self.output.partition("Job stats:")
        found = re.findall(r"^(\w+) +(\d+)$", table.partition("\n\n")[0], re.MULTILINE)
        counts: dict[str, int] = {}
        for name, number in found:
            # There is a rule for each number of folds.
            name = re.sub(r"_\d+_folds$", "", name)
            counts[name] = counts.get(name, 0) + int(number)
        counts.pop("total", None)
        return counts

    @property
    def rules(self) -> set[str]:
        """Rules with something to do, without those that only name targets."""
        targets = {"all", "results", "ignet", "keras_baseline", "keras_peer", "xor"}
        targets |= {"cifar", "conv_study"}
        return set(self.counts) - targets

    @property
    def jobs(self) -> list[str]:
        """The messages of the jobs."""
        return _JOB.findall(self.output)


@dataclass(frozen=True)
class Project:
    """A copy of the project, and a folder elsewhere that it runs in."""

    root: Path
    work: Path

    def run(self, *arguments: str, data_dir: Path | None = None, cwd=None) -> Result:
        """Run snakemake as a user would, without an activated environment."""
        kept = ("IGNET_DATA_DIR", "PYTHONPATH", "SNAKEMAKE_PROFILE", "VIRTUAL_ENV")
        environment = {k: v for k, v in os.environ.items() if k not in kept}
        environment["PWD"] = str(cwd or Path.cwd())
        # As a notebook's shell has it: the figures must not care.
        environment["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
        if data_dir is not None:
            environment["IGNET_DATA_DIR"] = str(data_dir)
        program = Path(sys.executable).parent / "snakemake"
        command = [program, "--snakefile", self.root / "Snakefile", "--cores", "2"]
        process = subprocess.run(
            [*map(str, command), "--directory", str(self.work), *arguments],
            env=environment,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=540,
        )
        return Result(process.returncode, process.stdout)

    def plan(self, *arguments: str, **options) -> Result:
        """Say what would be run."""
        result = self.run("--dry-run", *arguments, **options)
        assert result.code == 0, result.output[-4000:]
        return result

    @contextmanager
    def edited(self, name: str, old: str = "", new: str = "") -> Iterator[None]:
        """Edit a file of the copy for a while: `old` by `new`, or a line more."""
        path = self.root / name
        before = path.read_bytes()
        text = before.decode()
        assert old in text, (name, old)
        # A comment is no change of what is computed, but the code's hash cannot know.
        marker = "//" if path.suffix == ".cl" else "#"
        path.write_text(
            text.replace(old, new, 1) if old else f"{text}{marker} edited\n"
        )
        try:
            yield
        finally:
            path.write_bytes(before)


def copy_project(to: Path) -> Path:
    """Copy what a run needs to a folder of its own."""
    ignore = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, to / part, ignore=ignore)
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, to / part)
    return to


def write_drawings(folder: Path, number: int = 12, ending: str = ".png") -> None:
    """Write drawings of two each of some children, and their labels.csv."""
    folder.mkdir(parents=True)
    lines = ["file,child,age_months,hand"]
    for i in range(number):
        name = f"a{i:02d}{ending}"
        cv2.imwrite(str(folder / name), np.full((60, 40), 255 - i, np.uint8))
        lines.append(f"{name},child{i // 2},{60 + i},{'left' if i % 3 else 'right'}")
    (folder / "labels.csv").write_text("\n".join([*lines, ""]))


@pytest.fixture(scope="session")
def repo(tmp_path_factory) -> Path:
    """A copy of the project in a folder whose name has a space."""
    return copy_project(tmp_path_factory.mktemp("a copy") / "ignetlab")


@pytest.fixture
def project(repo, tmp_path) -> Project:
    """The copy, with an empty folder to run in."""
    return Project(repo, tmp_path / "work")


@pytest.fixture(scope="session")
def finished(repo, tmp_path_factory) -> tuple[Project, Result]:
    """Everything, run once at scale smoke on the embedded data."""
    project = Project(repo, tmp_path_factory.mktemp("embedded"))
    return project, project.run("--config", "scale=smoke")
