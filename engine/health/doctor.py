"""What to paste into a report of a bug: machine, drivers, devices and their health.

`python -m engine doctor`.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

from engine import cache
from engine.devices import choice, devices
from engine.health import processor, verdicts
from engine.health.verdicts import Verdict

_PACKAGES = ("ignetlab", "numpy", "pyopencl", "pocl-binary-distribution",
             "intel-opencl-rt", "torch")  # fmt: skip
_COLUMNS = "device", "kind", "units", "lanes", "GF/s", "GB/s", "ms", "name", "health"


def text() -> str:
    """Return all of it; GF/s, GB/s and ms (a step of the trial) are of one thread."""
    chosen = choice()[1]
    cores = f"{devices()[1].compute_units} of {os.cpu_count()} cores"
    parts = [
        ("processor", [f"{processor.name()}, {cores}", processor.signature()]),
        ("system", [platform.platform()]),
        ("python", [f"{platform.python_version()} in {sys.prefix}"]),
        ("packages", _packages()),
        ("drivers", [f"{d.file or d.library or 'as found'} ({d.origin})"
                     for d, _ in verdicts.of_opencl()] or ["none found"]),
        ("devices", table(_rows(), _COLUMNS)),
        ("auto", chosen.split("; ")),
        ("caches", _caches()),
    ]  # fmt: skip
    return "\n".join(
        f"{name if number == 0 else '':<10} {line}"
        for name, lines in parts
        for number, line in enumerate(lines)
    )


def short() -> str:
    """Return the same in three lines."""
    best, *others = choice()[1].split("; ")
    return "\n".join([
        f"processor: {processor.name()}, {devices()[1].compute_units} cores",
        f"device: {best}",
        "; ".join(others) or "no other device was found",
    ])  # fmt: skip


def works() -> bool:
    """Return whether any device of OpenCL is healthy."""
    return any(v.unhealthy is None for _, known in verdicts.of_opencl() for v in known)


def table(rows: list[tuple[str, ...]], columns: tuple[str, ...]) -> list[str]:
    """Return lines of columns, as wide as they must be."""
    rows = [columns, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(columns) - 1)]
    return ["  ".join([*map(str.ljust, row, widths), row[-1]]).rstrip() for row in rows]


def _rows() -> list[tuple[str, ...]]:
    known = [v for _, found in verdicts.of_opencl() for v in found]
    return [
        (d.id, d.kind, str(d.compute_units), *_numbers(v), d.name, d.health)
        for d, v in zip(devices(), [None, verdicts.of_threads(), *known], strict=True)
    ]


def _numbers(v: Verdict | None) -> tuple[str, ...]:
    if v is None or v.unhealthy is not None:
        return ("",) * 4
    return (str(v.lanes or ""), f"{v.gflops:.3g}", f"{v.gigabytes:.3g}",
            f"{v.seconds * 1e3:.3g}")  # fmt: skip


def _packages() -> list[str]:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _caches() -> list[str]:
    """Return what is kept of earlier runs, and how large it is."""
    own = cache.folder()
    folders = own, *(own.parent / name for name in ("pocl", "pyopencl"))
    return [f"{folder} {_size(folder)}" for folder in folders if folder.is_dir()]


def _size(folder: Path) -> str:
    files = [f for f in folder.rglob("*") if f.is_file()]
    return f"{sum(f.stat().st_size for f in files) / 1e6:.1f} MB in {len(files)} files"
