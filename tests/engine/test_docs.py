"""docs/engine.md: every block of Python on the page runs, and does what is said."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", (ROOT / "docs/engine.md").read_text("utf-8"), re.M | re.S
)


def run(code: str, folder: Path) -> str:
    """Run the code in a process of its own, in `folder`; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def accuracy(printed: str) -> float:
    return float(re.search(r"^accuracy: (\S+)$", printed, re.M)[1])


def test_the_first_block_stands_alone(tmp_path):
    lines = [line for line in BLOCKS[0].splitlines() if line]
    assert len(lines) <= 15
    assert accuracy(run(BLOCKS[0], tmp_path)) >= 0.95


@pytest.mark.compare
def test_the_whole_page(tmp_path):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    with h5py.File(tmp_path / "digits.weights.h5", "w") as file:
        for layer, shapes in {
            "conv2d": [(3, 3, 1, 16), (16,)],
            "dense": [(4 * 4 * 16, 10), (10,)],
        }.items():
            for i, shape in enumerate(shapes):
                file[f"layers/{layer}/vars/{i}"] = np.ones(shape, np.float32)
    printed = run("\n".join(BLOCKS), tmp_path)
    assert accuracy(printed) >= 0.95
    assert "threads cpu" in printed and "multiply-adds" in printed
    assert "'dense1.weight': (10, 256)" in printed
    assert (tmp_path / "digits.safetensors").is_file()
    assert (tmp_path / "digits.onnx").is_file()
