"""What a step's fingerprint covers, and what it does not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts.lib.io import provenance


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A small repository with the same two packages."""
    files = {
        "engine/__init__.py": "from engine.network import Network\n",
        "engine/network.py": "from engine.backends import opencl\n",
        "engine/backends/__init__.py": "",
        "engine/backends/reference.py": "import numpy\n",
        "engine/backends/opencl/__init__.py": "from .program import Program\n",
        "engine/backends/opencl/program.py": "Program = 1\n",
        "engine/backends/opencl/kernels/conv.cl": "kernel void conv() {}\n",
        "engine/augment/__init__.py": "",
        "engine/augment/pipeline.py": (
            "from engine.augment import (  # a comment with (brackets)\n"
            "    noise,\n    geometry as g,\n)\n"
        ),
        "engine/augment/noise.py": "from engine import random\n",
        "engine/augment/geometry.py": "from .. import random\n",
        "engine/random.py": "",
        "scripts/__init__.py": "",
        "scripts/lib/__init__.py": "",
        "scripts/lib/io/files.py": '"""Not code:\n\nimport engine\n"""\n',
        "scripts/lib/figures.py": "",
        "scripts/train.py": (
            "import os, scripts.lib.io.files as files\n\n\n"
            "def train():\n    import engine\n\n    return engine\n"
        ),
        "scripts/augment.py": (
            "from engine.augment import pipeline\n"
            "from scripts.lib.io.files import write\n"
        ),
        "scripts/figures.py": (
            "from scripts.lib import figures\n"
            "from scripts.lib.io import \\\n    files\n"
        ),
        "scripts/dynamic.py": (
            "import importlib\n\nlib = importlib.import_module('scripts.lib.figures')\n"
        ),
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def names(repo: Path, module: str) -> set[str]:
    found = provenance.sources(module, root=repo)
    return {path.relative_to(repo).as_posix() for path in found}


def test_a_step_is_hashed_with_what_it_imports_and_nothing_else(repo):
    assert names(repo, "scripts.augment") == {
        "scripts/augment.py",
        "scripts/lib/io/files.py",
        "engine/augment/pipeline.py",
        "engine/augment/noise.py",
        "engine/augment/geometry.py",
        "engine/random.py",
    }


def test_lazy_imports_count_and_bring_their_kernels(repo):
    assert names(repo, "scripts.train") == {
        "scripts/train.py",
        "scripts/lib/io/files.py",
        "engine/__init__.py",
        "engine/network.py",
        "engine/backends/opencl/__init__.py",
        "engine/backends/opencl/program.py",
        "engine/backends/opencl/kernels/conv.cl",
    }


def test_names_over_several_lines_and_imports_by_a_string_count(repo):
    assert names(repo, "scripts.figures") == {
        "scripts/figures.py",
        "scripts/lib/figures.py",
        "scripts/lib/io/files.py",
    }
    assert names(repo, "scripts.dynamic") == {
        "scripts/dynamic.py",
        "scripts/lib/figures.py",
    }


@pytest.mark.parametrize(
    ("edited", "changed"),
    [
        ("engine/network.py", {"train"}),
        ("engine/backends/opencl/kernels/conv.cl", {"train"}),
        ("engine/augment/noise.py", {"augment"}),
        ("scripts/lib/figures.py", {"figures", "dynamic"}),
        ("scripts/lib/io/files.py", {"train", "augment", "figures"}),
        ("engine/backends/reference.py", set()),
    ],
)
def test_an_edit_changes_the_fingerprints_of_the_steps_that_run_it(
    repo, tmp_path_factory, edited, changed
):
    import shutil

    copy = tmp_path_factory.mktemp("edited") / "repo"
    shutil.copytree(repo, copy)
    with open(copy / edited, "a") as file:
        file.write("\n")
    steps = ("train", "augment", "figures", "dynamic")
    differ = {
        step
        for step in steps
        if provenance.fingerprint(f"scripts.{step}", root=repo)
        != provenance.fingerprint(f"scripts.{step}", root=copy)
    }
    assert differ == changed


def test_a_renamed_kernel_changes_the_fingerprint(repo, tmp_path_factory):
    import shutil

    copy = tmp_path_factory.mktemp("renamed") / "repo"
    shutil.copytree(repo, copy)
    kernels = copy / "engine/backends/opencl/kernels"
    (kernels / "conv.cl").rename(kernels / "pool.cl")
    assert provenance.fingerprint("scripts.train", root=repo) != provenance.fingerprint(
        "scripts.train", root=copy
    )


def test_an_unknown_module_is_an_error(repo):
    with pytest.raises(ValueError, match=r"received 'numpy\.linalg'"):
        provenance.fingerprint("numpy.linalg", root=repo)
    with pytest.raises(ValueError, match=r"received 'tests\.conftest'"):
        provenance.fingerprint("tests.conftest", root=repo)


def parsed_imports(path: Path) -> set[str]:
    """What Python's own parser says that a file imports."""
    package = path.relative_to(provenance.ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
    return found


def test_reading_imports_from_the_text_agrees_with_pythons_parser():
    files = [
        path
        for package in provenance.PACKAGES
        for path in (provenance.ROOT / package).rglob("*.py")
    ]
    assert len(files) > 20
    for path in files:
        expected = {
            file
            for name in parsed_imports(path)
            if (file := provenance._file_of(name, provenance.ROOT)) and file != path
        }
        assert set(provenance.imports(path)) == expected, path


def test_the_engine_is_seen_from_the_trainings_and_not_from_the_data():
    kernel = provenance.ROOT / "engine/backends/opencl/kernels/conv.cl"
    conv = provenance.ROOT / "engine/layers/conv.py"
    training = provenance.sources("scripts.train")
    assert kernel in training
    assert conv in training
    for step in ("fetch", "labels", "images", "augment", "folds"):
        assert conv not in provenance.sources(f"scripts.{step}"), step


def test_a_plot_is_seen_from_the_figures_alone():
    plots = provenance.ROOT / "scripts/lib/figures/leak.py"
    assert plots in provenance.sources("scripts.figures")
    for step in ("train", "evaluate", "tables", "report", "xor"):
        assert plots not in provenance.sources(f"scripts.{step}"), step


def test_all_fingerprints_together_take_a_fraction_of_a_second():
    import subprocess
    import sys

    program = (
        "import time\nfrom scripts.lib.io import provenance as p\n"
        "start = time.process_time()\n"
        "steps = [f.stem for f in (p.ROOT / 'scripts').glob('[a-z]*.py')]\n"
        "[p.fingerprint(f'scripts.{s}') for s in steps]\n"
        "print(time.process_time() - start)\n"
    )
    seconds = min(
        float(
            subprocess.run(
                [sys.executable, "-c", program],
                cwd=provenance.ROOT,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for _ in range(3)
    )
    # 15 to 250 ms, by the machine and what else it does; twice that is a nuisance.
    assert seconds < 0.5
