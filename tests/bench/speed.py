"""How fast the engine is: the target `benchmarks`, measured anew.

Writes results/tables/engine_speed.* and engine_scaling.* and the figure, and prints the
two tables. About half an hour; it wants a machine that does nothing else.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run Snakemake, then print the tables."""
    program = Path(sys.executable).parent / "snakemake"
    subprocess.run(
        [
            program, "--cores", "all", "benchmarks",
            "--forcerun", "engine_speed", "engine_scaling",
        ],
        cwd=ROOT,
        check=True,
    )  # fmt: skip
    for table in ("engine_speed", "engine_scaling"):
        print((ROOT / f"results/tables/{table}.md").read_text("utf-8"))


if __name__ == "__main__":
    main()
