"""A small study that tests break off and go on with, and its undisturbed outcome."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.devices import choice
from tests.conftest import ROOT
from tests.workflow.conftest import Project, copy_project

# Long enough that a signal meets it half done: a pass takes about 15 ms.
PASSES = 60
EXPERIMENT = f"""\
title: A small study that tests break off
source: none
kind: training
datasets: [stirling]
augmentation: ignet
protocols: [by-child]
baselines: false
recipe:
  optimizer: {{momentum: {{learning_rate: 0.002}}}}
  batch_size: 32
  passes: {PASSES}
  tolerance: 1000
  target_scale: 100
variants:
  months:
    model: ignet-depth2
    target: [age_months]
    task: regression
    loss: mean_absolute_error
    options: {{W1: 40}}
    published: null
  years:
    model: ignet-depth2
    target: [age_years]
    task: classification
    loss: softmax_cross_entropy
    published: null
    recipe: {{passes: {PASSES}}}
scales: {{smoke: {{}}, demo: {{}}, paper: {{}}}}
"""
FILE = "config/experiments/faults.yaml"
TABLE = "results/tables/faults.csv"
SETTINGS = ("--config", "scale=smoke", "experiments=[faults]", "device=threads")
RUNS = "results/runs/faults"


@dataclass(frozen=True)
class Study(Project):
    """The small study in a folder of its own."""

    def table(self, *arguments: str, settings=SETTINGS):
        """Run it; return what snakemake gave."""
        return self.run(*arguments, *settings, "--", TABLE)

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        """Start it in a process group of its own, as a terminal does."""
        command = [str(Path(sys.executable).parent / "snakemake"), "--cores", "2"]
        command += ["--snakefile", str(self.root / "Snakefile")]
        command += ["--directory", str(self.work), *arguments, *SETTINGS, "--", TABLE]
        return started(command, **options)

    def checkpoints(self) -> list[Path]:
        """The checkpoints of trainings under way."""
        return list(self.work.glob(f"{RUNS}/*/*/*/*/checkpoint.npz"))

    def log(self, variant: str) -> str:
        """What the last training of a variant said; nothing yet: an empty text."""
        path = self.work / f"logs/train/faults/{variant}/by-child/seed0.log"
        return path.read_text() if path.exists() else ""


def copy_with_few_drawings(to: Path) -> Path:
    """Copy the project; its embedded drawings are fewer, and sooner drawn."""
    root = copy_project(to)
    file = root / "config/datasets/embedded-drawings.yaml"
    text = file.read_text()
    for many, few in (
        ("drawings: 338", "drawings: 60"),
        ("children: 130", "children: 24"),
    ):
        assert many in text
        text = text.replace(many, few)
    file.write_text(text)
    return root


_STARTED: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def nothing_outlives() -> Iterator[None]:
    """End whatever a test that failed has left running, with its children."""
    yield
    while _STARTED:
        process = _STARTED.pop()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()


def started(command: list[str], **options) -> subprocess.Popen:
    """Start a command whose output is kept, in a process group of its own."""
    process = subprocess.Popen(
        command,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **{"env": environment()} | options,
    )
    _STARTED.append(process)
    return process


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a step that runs the code of this checkout."""
    kept = ("IGNET_DATA_DIR", "PYTHONPATH", "SNAKEMAKE_PROFILE", "VIRTUAL_ENV")
    plain = {k: v for k, v in os.environ.items() if k not in kept}
    return plain | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"} | more


def same_device() -> str:
    """Return the setting that names the device that `auto` takes here.

    Jobs that measure for themselves, each in an empty cache, may take another one that
    is nearly as fast; the bytes are promised for the same device.
    """
    found, _ = choice()
    return f"device={found.id if found else 'threads'}"


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    """Wait until a condition holds; fail if the process ends before."""
    end = time.monotonic() + 120
    while not condition():
        if process.poll() is not None and not condition():
            pytest.fail(f"it ended too early:\n{process.communicate()[0][-4000:]}")
        if time.monotonic() > end:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"waited in vain:\n{process.communicate()[0][-4000:]}")
        time.sleep(0.005)


@dataclass(frozen=True)
class Training:
    """The step `train` by itself, on the data of the study."""

    work: Path
    folder: Path
    passes: int = PASSES
    device: str = "threads"

    @property
    def command(self) -> list[str]:
        data = self.work / "results/data/embedded-drawings"
        task = {
            "experiment": "faults",
            "variant": "months",
            "protocol": {
                "id": "by-child", "labels": True, "unit": "child", "weights": "fresh",
            },
            "recipe": {
                "optimizer": {"momentum": {"learning_rate": 0.002}},
                "batch_size": 32,
                "passes": self.passes,
                "tolerance": 1000,
                "target_scale": 100,
            },
            "options": {"W1": 40},
            "target": ["age_months"],
            "task": "regression",
            "loss": "mean_absolute_error",
        }  # fmt: skip
        paths = {
            "--labels": data / "labels.csv",
            "--augmented": data / "augmented/ignet.npz",
            "--folds": data / "folds/by-child.json",
            "--model": ROOT / "config/models/ignet-depth2.yaml",
            "--folder": self.folder,
        }
        options = [text for pair in paths.items() for text in map(str, pair)]
        return [
            *(sys.executable, "-m", "scripts.train", *options, "--device", self.device),
            *("--experiment-json", json.dumps(task)),
        ]

    def start(self, *arguments: str, **options) -> subprocess.Popen:
        return started([*self.command, *arguments], **options)

    def run(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Run it to its end; stdout holds all that it said."""
        process = self.start(*arguments, **options)
        said, _ = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, said)

    @property
    def checkpoint(self) -> Path:
        return self.folder / "fold0/checkpoint.npz"


def outcome(folder: Path) -> dict[str, object]:
    """Return all that results hold but for how long it took: {file: content}."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name.startswith("data/") or ".sha256/" in name:
            continue
        content: object = path.read_bytes()
        if path.suffix == ".csv":
            rows = csv.DictReader(io.StringIO(content.decode("utf-8")))
            content = [{**row, "seconds": None} for row in rows]
        elif path.suffix in (".md", ".tex"):
            continue  # the same rows, as text
        elif path.name == "training.json":
            content = json.loads(content) | {"seconds": None}
        found[name] = content
    return found


def left_over(folder: Path) -> list[Path]:
    """Return the hidden files that nobody promised: temporary ones."""
    hidden = [path for path in folder.rglob(".*") if path.name != ".sha256"]
    return [*hidden, *folder.rglob("*.lock")]


@pytest.fixture(scope="session")
def origin(tmp_path_factory) -> Path:
    """A copy of the project that knows the small study."""
    root = copy_project(tmp_path_factory.mktemp("faults") / "ignetlab")
    (root / FILE).write_text(EXPERIMENT)
    return root


@pytest.fixture(scope="session")
def whole(origin, tmp_path_factory) -> Study:
    """The study, run once and undisturbed."""
    study = Study(origin, tmp_path_factory.mktemp("whole"))
    result = study.table()
    assert result.code == 0, result.output[-4000:]
    return study


@pytest.fixture
def study(whole, tmp_path) -> Study:
    """The study with its data made, and nothing trained."""
    work = tmp_path / "work"
    shutil.copytree(whole.work, work)
    for made in ("results/runs", "results/tables", "logs"):
        shutil.rmtree(work / made)
    return Study(whole.root, work)


@pytest.fixture
def expected(whole) -> dict[str, object]:
    """What the study comes to."""
    return outcome(whole.work / "results")


@pytest.fixture
def training(whole, tmp_path) -> Training:
    """One training of the study, in an empty folder."""
    return Training(whole.work, tmp_path / "training")


@pytest.fixture(scope="session")
def trained(whole) -> dict[str, object]:
    """What that training comes to."""
    files = outcome(whole.work / RUNS / "months/by-child/seed0")
    scored = ("metrics.json", "predictions.csv")
    return {k: v for k, v in files.items() if not k.endswith(scored)}


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Callable[..., Path]]:
    """Return a function that mounts a small tmpfs; skips where nobody may mount."""
    mounted: list[Path] = []

    def mount(options: str, folder: Path = tmp_path / "disk") -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    """Mount a small disk with other options."""
    command = ["mount", "-o", f"remount,{options}", str(folder)]
    subprocess.run(command, check=True)
