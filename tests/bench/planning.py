"""What it costs to find out what is to be done, and to start one job after the other.

Prints medians over rounds in milliseconds: checking config/, the fingerprints of all
steps as scripts/lib/io/provenance.py makes them, the same files read by Python's own
parser, and a dry run as a whole, with the number of its jobs. Then what a local job
costs beside its own work: a run at scale smoke on one core, less what its steps took.
"""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scripts.lib.io import provenance
from scripts.lib.io.schema import read_yaml
from scripts.lib.study.config import load_configs
from tests.reliability.counting import Counter

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


def snakemake(folder: Path, *arguments: str) -> tuple[int, float]:
    """Return the jobs of a (dry) run in `folder`, and how many seconds it took."""
    program = Path(sys.executable).parent / "snakemake"
    command = [program, "-s", ROOT / "Snakefile", "--directory", folder, *arguments]
    start = time.perf_counter()
    done = subprocess.run([*map(str, command)], check=True, capture_output=True)
    seconds = time.perf_counter() - start
    found = re.search(r"^total +(\d+)$", (done.stdout + done.stderr).decode(), re.M)
    return int(found[1]), seconds


def dry_run() -> str:
    """Plan everything at scale paper in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        jobs, _ = snakemake(Path(folder), "-n", "--config", "scale=paper")
    return f"of {jobs} jobs"


def print_overhead() -> None:
    """Run scale smoke on one core; its steps apart, what does a job take?"""
    with tempfile.TemporaryDirectory() as name:
        folder, smoke = Path(name).resolve(), ("--config", "scale=smoke")
        jobs, planning = snakemake(folder, "-n", *smoke)
        with Counter(folder) as counter:
            _, seconds = snakemake(folder, "--cores", "1", *smoke)
    steps = sum(job.wall for job in counter.jobs.values())
    print(
        f"a local job    {1000 * (seconds - planning - steps) / jobs:8.1f} ms beside "
        f"its step: {jobs} jobs in {seconds:.1f} s, of which the steps {steps:.1f} s "
        f"and planning {planning:.1f} s"
    )


def main() -> None:
    """Measure the four in turn, round by round; then a run."""
    seconds: dict[Callable[[], str | None], list[float]] = {
        f: [] for f in (check_config, fingerprints, parse_all, dry_run)
    }
    told: dict[Callable, str | None] = {}
    for _ in range(ROUNDS):
        for function, measured in seconds.items():
            start = time.perf_counter()
            told[function] = function()
            measured.append(time.perf_counter() - start)
    for function, measured in seconds.items():
        milliseconds = 1000 * statistics.median(measured)
        print(f"{function.__name__:14s} {milliseconds:8.1f} ms {told[function] or ''}")
    print_overhead()


if __name__ == "__main__":
    main()
