"""Many files and large ones: time grows as they do, memory with what is kept alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.bench.load import DATA_SET, draw

from .conftest import environment

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="no /proc here"),
]
HEIGHT, WIDTH = 58, 36


# Of its own memory: what wait4 tells of a child has the parent's in it.
STEP = """
import re, runpy, sys, time
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
status = open("/proc/self/status").read()
print(time.process_time(), re.search(r"VmHWM:\\s+(\\d+)", status)[1])
"""


def used(*arguments: str) -> tuple[float, int]:
    """Run a step; return its CPU seconds and its peak memory in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", STEP, *arguments],
        env=environment(OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    seconds, kilobytes = done.stdout.split()
    return float(seconds), 1024 * int(kilobytes)


def cost(folder: Path) -> dict[str, tuple[float, int]]:
    """CPU seconds and peak memory of the steps labels and images."""
    dataset = folder / "many.yaml"
    dataset.write_text(DATA_SET)
    files = {name: str(folder / f"{name}.csv") for name in ("labels", "rejected")}
    shared = ("--dataset", str(dataset), "--folder", str(folder / "many"))
    labels = ("--labels", files["labels"])
    made = ("--images", str(folder / "images.npz"), "--unreadable", files["rejected"])
    return {
        "labels": used(
            "scripts.labels", *shared, *labels, "--rejected", files["rejected"]
        ),
        "images": used("scripts.images", *shared, *labels, *made),
    }


def test_time_and_memory_grow_no_faster_than_the_number_of_files(tmp_path):
    few, many = tmp_path / "few", tmp_path / "many"
    draw(2_000, few)
    draw(8_000, many)
    small, large = cost(few), cost(many)
    for step in ("labels", "images"):
        # Each has a fixed part, so four times as many cost less than four times.
        assert large[step][0] < 5 * small[step][0], step
        more = (large[step][1] - small[step][1]) / 6_000
        # Of each its name, child, … and the small image, twice while it is packed.
        kept = 2 * HEIGHT * WIDTH if step == "images" else 0
        assert more < kept + 2_000, step


def test_large_photos_are_in_memory_one_at_a_time(tmp_path):
    peaks = []
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000), np.uint8)
    photo = cv2.imencode(".png", noise)[1].tobytes()
    assert len(photo) > 2_500_000
    for number in (4, 40):
        folder = tmp_path / str(number)
        draw(number, folder)
        for path in (folder / "many/000").iterdir():
            path.write_bytes(photo)
        peaks.append(cost(folder)["images"][1])
    assert peaks[1] - peaks[0] < 2 * len(photo)
