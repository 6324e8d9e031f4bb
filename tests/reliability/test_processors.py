"""Other processors than this one, by an emulator, with each runtime of OpenCL.

qemu-x86_64 gives a program another CPUID and what instructions belong to it; AVX-512 is
not among them. What is measured says nothing: an emulated CPU may find threads faster.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.backends.opencl import drivers

from .faulty import PROGRAM, Place, computed, ended

pytestmark = pytest.mark.reliability
PROCESSORS = {
    "Zen 5": "EPYC-Rome,family=26,model=2,stepping=1",
    "Zen 2": "EPYC-Rome",
    "Haswell": "Haswell",
    "Ivy Bridge": "IvyBridge",
    "Skylake": "Skylake-Client",
    "Dhyana": "Dhyana",
    "Knights Mill": "KnightsMill",
}
# Why a runtime is not taken there. Everything else is healthy.
_UNKNOWN = "with 8 lanes .*: error: unknown target CPU 'generic'"
UNHEALTHY = {
    ("Zen 5", "PoCL"): _UNKNOWN,
    ("Dhyana", "PoCL"): _UNKNOWN,
    ("Dhyana", "Intel"): "with 8 lanes it computes wrong numbers",
    ("Knights Mill", "PoCL"): r"its process ended \(SIGILL\) computing with 8 lanes",
}
# What takes the others away: Intel's is found where Python is, PoCL's by its wheel.
RUNTIMES = {
    "none": (["--without-intel"], {"POCL_DEVICES": ""}),
    "PoCL": (["--without-intel"], {}),
    "Intel": ([], {"POCL_DEVICES": ""}),
}
CELLS = [(processor, runtime) for runtime in RUNTIMES for processor in PROCESSORS]
# A trial takes minutes of a core where a runtime computes. These alone are tried, but
# for IGNETLAB_PROCESSORS=all.
SHORT = {
    *(("Zen 5", runtime) for runtime in RUNTIMES),
    ("Ivy Bridge", "none"),
    ("Dhyana", "PoCL"),
    ("Knights Mill", "PoCL"),
}
if os.environ.get("IGNETLAB_PROCESSORS") != "all":
    CELLS = [cell for cell in CELLS if cell in SHORT]
_NOISE = re.compile(r"^qemu-x86_64: warning: .*\n", re.MULTILINE)
# An emulated trial is a hundred times as slow as a real one.
_LIMIT = 1800


def lacking() -> str:
    """Return what this machine lacks for an emulation, if anything."""
    if shutil.which("qemu-x86_64") is None:
        return "no qemu-x86_64 (Debian's package qemu-user)"
    command = ["qemu-x86_64", "--version"]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    version = re.search(r"version (\d+)\.(\d+)", said)
    if version is None or tuple(map(int, version.groups())) < (7, 2):
        return f"qemu-x86_64 7.2 or newer is needed, for AVX2; here is {said[:40]!r}"
    return ""


def without(runtime: str) -> bool:
    """Return whether pip has not brought that runtime."""
    file = {"PoCL": "libpocl", "Intel": "libintelocl"}.get(runtime, "")
    names = [Path(d.library).name for d in drivers.find() if d.origin == "pip"]
    return not any(name.startswith(file) for name in ["", *names])


def trained(place: Place, processor: str, runtime: str) -> subprocess.CompletedProcess:
    """Train on `auto` in an empty cache; return what it said, but for the emulator."""
    words, settings = RUNTIMES[runtime]
    emulated = ["qemu-x86_64", "-cpu", PROCESSORS[processor], sys.executable]
    process = subprocess.Popen(
        [*emulated, *PROGRAM, *words, "auto"],
        env=place.environment | {"IGNETLAB_TRIAL_SECONDS": str(_LIMIT)} | settings,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    done = ended(process, _LIMIT)
    done.stderr = _NOISE.sub("", done.stderr)
    return done


@pytest.fixture(scope="module")
def outcome(request, tmp_path_factory) -> Iterator[Callable]:
    """Start all cells that are asked for, as many at a time as there are cores.

    Returns a function: the place and the outcome of a cell.
    """
    reason = lacking()
    if reason:
        pytest.skip(reason)
    asked = [item.callspec.params for item in request.session.items
             if item.path == request.path]  # fmt: skip
    folder = tmp_path_factory.mktemp("processors")
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        started = {
            (p := each["processor"], r := each["runtime"]): pool.submit(
                trained, Place(folder / f"{p} {r}"), p, r
            )
            for each in asked
            if not without(each["runtime"])
        }
        yield lambda *cell: started[cell].result()
        for future in started.values():
            future.cancel()


@pytest.mark.parametrize("processor, runtime", CELLS)
def test_it_learns_on_what_works_there(processor, runtime, outcome):
    if without(runtime):
        pytest.skip(f"the OpenCL runtime {runtime} is not installed")
    done = outcome(processor, runtime)
    taken, (line,) = computed(done), done.stderr.splitlines()
    print(f"{json.loads(done.stdout)['seconds']:.0f} s of a core: {line}")
    if runtime == "none":
        assert line == "engine: using threads; no OpenCL device was found"
    elif reason := UNHEALTHY.get((processor, runtime)):
        assert re.match(
            r"engine: using threads; not opencl:0:0 \(.*\): unhealthy", line
        )
        assert re.search(reason, line)
    else:
        assert "unhealthy" not in line
        assert line.startswith(f"engine: using {taken}")
        assert "opencl:0:0 (" in line
