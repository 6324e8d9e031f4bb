"""Drivers with faults, made of a healthy one, and processes that meet them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from engine.health import verdicts

from .conftest import environment
from .small_training import train

_SOURCE = Path(__file__).parent / "drivers/faulty.c"
PROGRAM = "-m", "tests.reliability.small_training"


def healthy() -> Path:
    """Return the library of a healthy driver; skips where there is none."""
    for driver, known in verdicts.of_opencl():
        if driver.file and any(v.unhealthy is None for v in known):
            return driver.file
    pytest.skip("no healthy driver of OpenCL to make a faulty one of")


def compiled(fault: str, folder: Path) -> Path:
    """Make the driver with that fault; return its library, beside its .icd file.

    Skips where there is no compiler, or no healthy driver to make it of.
    """
    if shutil.which("cc") is None:
        pytest.skip("no C compiler to make a faulty driver with")
    library = folder / f"{fault}.so"
    made = [f"-DFAULT={fault.upper()}", f'-DNAME="{fault}"', f'-DREAL="{healthy()}"']
    options = "-shared", "-fPIC", "-Wall", "-Werror", *made
    command = ["cc", *options, "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    (folder / f"{fault}.icd").write_text(f"{library}\n")
    return library


@dataclass(frozen=True)
class Place:
    """An empty cache, and drivers with faults in a folder of their own.

    What PoCL compiles is kept beside, for all places of a run of tests.
    """

    folder: Path

    @property
    def drivers(self) -> Path:
        return self.folder / "vendors"

    @property
    def cache(self) -> Path:
        """Where verdicts are."""
        return self.folder / "cache/ignetlab"

    def with_faults(self, *faults: str) -> Place:
        """Add drivers; those of Python packages are found beside them."""
        self.drivers.mkdir(parents=True, exist_ok=True)
        for fault in faults:
            compiled(fault, self.drivers)
        return self

    def with_a_healthy_one(self) -> Place:
        """Add the driver that the others are made of, as the last of the folder."""
        (self.drivers / "zz.icd").write_text(f"{healthy()}\n")
        return self

    @property
    def environment(self) -> dict[str, str]:
        return environment(
            XDG_CACHE_HOME=str(self.folder / "cache"),
            OCL_ICD_VENDORS=str(self.drivers),
            POCL_CACHE_DIR=str(self.folder.parent / "compiled"),
            FAULTS_LOG=str(self.folder / "log"),
        )

    @property
    def loaded(self) -> Counter[str]:
        """How often each driver was loaded."""
        log = self.folder / "log"
        return Counter(log.read_text().split() if log.exists() else [])

    def start(self, what: str, **more: str | None) -> subprocess.Popen:
        """Start a small training on a device; or with "--list", listing OpenCL's.

        more: of the environment; None takes a setting away.
        """
        settings = (self.environment | more).items()
        return subprocess.Popen(
            [sys.executable, *PROGRAM, "--without-intel", what],
            env={key: value for key, value in settings if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, what: str, **more: str | None) -> subprocess.CompletedProcess:
        return ended(self.start(what, **more))

    def list(self, **more: str) -> list[dict]:
        """Return OpenCL's devices, as a process that has just begun lists them."""
        return listed(self.run("--list", **more))

    def running(self) -> dict[int, str]:
        """Return the processes that live and were started from here."""
        mark = f"FAULTS_LOG={self.folder / 'log'}".encode()
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found[int(process.name)] = (process / "cmdline").read_text()
            except OSError:  # it has ended, or is another user's
                continue
        return found


def ended(process: subprocess.Popen, limit=600) -> subprocess.CompletedProcess:
    """Wait for a process; no process may end in a traceback, or by a signal."""
    out, errors = process.communicate(timeout=limit)
    assert "Traceback" not in errors, errors
    assert process.returncode in (0, 1), errors
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def listed(done: subprocess.CompletedProcess) -> list[dict]:
    """Return the devices that a process has listed, without a word beside."""
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def computed(done: subprocess.CompletedProcess) -> str:
    """Check a small training's numbers against the reference; return its device."""
    assert done.returncode == 0, done.stderr
    found, right = json.loads(done.stdout), train("reference")
    for name in ("losses", "learned"):
        np.testing.assert_allclose(found[name], right[name], rtol=1e-4, atol=1e-5)
    return found["id"]
