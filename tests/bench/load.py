"""What many drawings cost: CPU seconds and peak memory of each step, by their number.

Drawings of 60 × 40 random strokes, all of them different, two of each child, in folders
of a thousand; once up to the array of small images, once through copies (ten of each),
folds, leak audit, baselines and one training of IgNet-2 of five folds. Prints a table.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from tests.reliability.counting import Counter
from tests.workflow.conftest import copy_project

TO_IMAGES = (1_000, 10_000, 100_000)
TO_SCORES = (500, 1_000, 2_000)
DATA_SET = """\
title: Many strokes
status: local
kind: labels_csv
folder: many
address: none
licence: none
stand_in: embedded-drawings
factors: [age_years, age_months]
stratify: age_years
image: {width: 36, height: 58}
"""
IMAGES = "results/data/many/images.npz"
RUN = "results/runs/ignet/depth2-age_years/by-child/seed0/fold0"
BASELINE = "results/data/many/baselines/ignet/by-child"


def draw(number: int, folder: Path) -> None:
    """Write so many drawings and their labels.csv below `folder`."""
    strokes = np.random.default_rng(0).integers(0, 60, (number, 6, 4)).tolist()
    lines = ["file,child,age_months"]
    for i, drawing in enumerate(strokes):
        paper = np.full((60, 40), 255, np.uint8)
        for x0, y0, x1, y1 in drawing:
            cv2.line(paper, (x0, y0), (x1, y1), 0, 2)
        name = f"{i // 1000:03d}/{i}.png"
        path = folder / "many" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", paper)[1].tobytes())
        lines.append(f"{name},child{i // 2},{48 + 12 * (i // 2 % 5) + i % 12}")
    (folder / "many/labels.csv").write_text("\n".join([*lines, ""]))


def measure(root: Path, number: int, targets: list[str]) -> None:
    """Print a row for each step of a run on so many drawings."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        draw(number, folder)
        work = folder / "work"
        work.mkdir()
        program = Path(sys.executable).parent / "snakemake"
        command = [program, "--cores", "1", "-s", root / "Snakefile"]
        command += ["--directory", work, "--config", "scale=paper", "dataset=many"]
        command += [f"data_dir={folder}", "experiments=ignet", "--", *targets]
        with Counter(work, whole=True) as counter:
            subprocess.run([*map(str, command)], check=True, capture_output=True)
        for job in counter.jobs.values():
            if not job.cpu:  # Snakemake, forked, on its way to become a step
                continue
            print(
                f"| {number:7,d} | {job.step:9s} | {job.cpu:6.1f} | "
                f"{job.peak / 1024:5.0f} |",
                flush=True,
            )


def main() -> None:
    """Measure all numbers of drawings."""
    print("| drawings | step | CPU s | peak MiB |\n| ---: | --- | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        root = copy_project(Path(folder).resolve() / "ignetlab")
        (root / "config/datasets/many.yaml").write_text(DATA_SET)
        for number in TO_IMAGES:
            measure(root, number, [IMAGES])
        scored = [f"{RUN}/predictions.csv", f"{BASELINE}/classification-age_years.json"]
        for number in TO_SCORES:
            measure(root, number, scored)


if __name__ == "__main__":
    main()
