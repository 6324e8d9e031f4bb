"""Step `conv_study`: S4's ways to convolve, and the engine's, in time and memory."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.conv_study import fits, measured
from scripts.lib.conv_study.ways import NUMPY
from scripts.lib.io import cli, tables
from scripts.lib.io.files import write_csv

Row = Mapping[str, Any]


def make_tables(asked: Mapping[str, Any], stem: Path) -> None:
    """Write STEM.{csv,md,tex} of what was measured, STEM_fits.{csv,md,tex} of its laws.

    Raises: ValueError if one of the ways computes something else than the others.
    """
    rows = measured.rows_of(asked)
    told = {"scale": asked["scale"], "seeds": asked["seed"]}
    laws = [row | told for row in fits.rows_of(rows)]
    about = (
        f"Data: noise of seed {asked['seed']}, float32; no data set takes part. Scale: "
        f"{asked['scale']}. Source: {asked['source']}."
    )
    _write(stem, asked["title"], measured, rows, [about, *_notes(asked, rows)])
    title = f"{asked['title']}: the formulas beside it"
    _write(stem.with_name(f"{stem.name}_fits"), title, fits, laws, [about, *_laws()])


def _notes(asked: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    kernels = [row for row in rows if "device" in row and row["way"] not in NUMPY]
    devices = {row["way"]: row["device"] for row in kernels}
    limits = ", ".join(f"{way} {limit:g} s" for way, limit in asked["limits"].items())
    return [
        "Ways: loops, serialisation, function are S4's three, in NumPy; the others the "
        "kernels of the engine's devices ("
        + "; ".join(f"{way}: {name}" for way, name in devices.items())
        + "). One thread each. forward: y of x; backward: dx of dy, which S_backward "
        "is of. OpenCL computes samples by the width of its vectors: a batch of 1 "
        "costs as much as one that fills them.",
        f"seconds: of one run, the median of {asked['rounds']} rounds in turns in one "
        f"process, low and high their range; a turn is as many runs as last "
        f"{asked['turn']:g} s. By the clock named: CPU, the time that this process's "
        "threads have worked; wall, that passes. NumPy's ways make their result anew, "
        f"the kernels overwrite theirs. A run may take: {limits}; what takes longer "
        "is left out, and the note says so.",
        "multiply_adds = calls x kernel^2 x places of y; calls = BatchSize x F_out x "
        "F_in.",
        "storage_bytes = result_bytes (y or dx) + beside_bytes, the peak beside inputs "
        "and result, measured; by tracemalloc: all that Python and NumPy allocate in a "
        "run; VmHWM: growth of the resident memory of a process of its own, from when "
        "its arrays are written: what the kernel's preparation keeps, and the peak "
        "while it runs, but not what compiling takes for a moment. Blocks below 64 KB "
        "are not seen, and the system counts pages in batches: differences of 0.1 MB "
        "mean nothing. Columns given_bytes, result_bytes: CSV.",
        "formula_bytes: S_forward = BatchSize x F_out x H_out x W_out or S_backward = "
        "BatchSize x F_in x H_in x W_in, times 4 bytes; of the serialisation also its "
        "columns, kernel^2 x F_in x BatchSize x H_out x W_out, for which S4 has words "
        "only. All without their Theta(1).",
    ]


def _laws() -> list[str]:
    return [
        "constant + slope x: the line by the least squares of relative errors; "
        "line_low, line_high: the least and greatest measured value over it. exponent: "
        "of the power law c x^exponent by least squares of the logarithms, with its "
        "95 % interval (Student's t, n - 2 degrees of freedom) and their R². The "
        "interval is about scatter: a constant beside the law bends it, and the "
        "exponent then depends on which sizes were measured.",
        "seconds over multiply_adds: all cases. seconds over calls: S4's T = BatchSize "
        "x F_out x F_in x T_function, in the cases whose maps have one size, so that "
        "T_function is one number, the slope. storage_bytes over formula_bytes: a "
        "slope of 1 is the formula, the constant its Theta(1).",
    ]


def _write(
    stem: Path, title: str, module, rows: Sequence[Row], notes: Sequence[str]
) -> None:
    short = [_rounded(row, "{:.4g}") for row in rows]
    path = stem.with_name(f"{stem.name}.csv")
    tables.write_texts(path, title, module.SHOWN, short, notes)
    write_csv(path, module.COLUMNS, [_rounded(row, "{:.6g}") for row in rows])


def _rounded(row: Row, digits: str) -> dict[str, Any]:
    return {
        key: digits.format(value) if isinstance(value, float) else value
        for key, value in row.items()
    }


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asked-json", required=True, help="what to measure, JSON")
    parser.add_argument("--output-stem", type=Path, required=True, help="written")
    args = parser.parse_args()
    make_tables(json.loads(args.asked_json), args.output_stem)


if __name__ == "__main__":
    cli.run(main)
