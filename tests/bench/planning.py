"""What it costs to find out what is to be done, before the first job.

Prints medians over rounds in milliseconds: checking config/, the fingerprints of all
steps as scripts/lib/provenance.py makes them, the same files read by Python's own
parser, and a dry run as a whole.
"""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scripts.lib import provenance
from scripts.lib.config import load_configs
from scripts.lib.schema import read_yaml

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5


def check_config() -> None:
    """Read and check all of config/."""
    settings = read_yaml(ROOT / "config/config.yaml", "config/config.yaml")
    load_configs(ROOT, settings)


def fingerprints() -> None:
    """Hash the code of all steps, nothing remembered."""
    for function in ("imports", "_file_of", "_kernels", "_content"):
        getattr(provenance, function).cache_clear()
    for step in (ROOT / "scripts").glob("[a-z]*.py"):
        provenance.fingerprint(f"scripts.{step.stem}")


def parse_all() -> None:
    """Parse the files that `fingerprints` reads with Python's parser."""
    steps = (ROOT / "scripts").glob("[a-z]*.py")
    files = provenance.sources(*(f"scripts.{step.stem}" for step in steps))
    for file in files:
        if file.suffix == ".py":
            ast.parse(file.read_bytes())


def dry_run() -> None:
    """Plan everything at scale paper in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(sys.executable).parent / "snakemake"
        command = [program, "-n", "-s", ROOT / "Snakefile", "--directory", folder]
        subprocess.run(
            [*map(str, command), "--config", "scale=paper"],
            check=True,
            capture_output=True,
        )


def main() -> None:
    """Measure the four in turn, round by round."""
    seconds: dict[Callable[[], None], list[float]] = {
        f: [] for f in (check_config, fingerprints, parse_all, dry_run)
    }
    for _ in range(ROUNDS):
        for function, measured in seconds.items():
            start = time.perf_counter()
            function()
            measured.append(time.perf_counter() - start)
    for function, measured in seconds.items():
        print(f"{function.__name__:14s} {1000 * statistics.median(measured):8.1f} ms")


if __name__ == "__main__":
    main()
