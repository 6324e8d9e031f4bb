"""How much memory a convolution takes beside its inputs and its output, measured.

NumPy's ways: tracemalloc, to which NumPy reports every array. The engine's kernels: the
peak resident memory of a process of their own, which is this module run as a program.

The process does everything twice, each time on a newly opened device, and the second
time counts: the first one compiles, loads, and measures tiles. Its allocator gives
every block of 64 KB and more back at once, so nothing of the first time is left to be
used again. Once all arrays are there and written, the kernel's stage is made, the peak
(VmHWM of /proc/self/status) is set back, and the stage runs: what the peak is above the
beginning is the answer. So what the stage keeps counts, but not what building its
program takes for a moment.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from scripts.lib.conv_study.cases import Case
from scripts.lib.conv_study.ways import OnDevice, open_device

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# glibc: no block of that size is kept for later, nor is a second heap begun. NumPy: no
# pages of 2 MB, of which a part would do. One thread, whatever else starts some.
_ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_ARENA_MAX": "1",
    "NUMPY_MADVISE_HUGEPAGE": "0",
    "OMP_NUM_THREADS": "1",
    "POCL_MAX_PTHREAD_COUNT": "1",
}


class NotMeasurableError(Exception):
    """This system, or this device, does not tell what memory is taken."""


def of_arrays(call: Callable[[], np.ndarray]) -> int:
    """Return the most bytes that a call takes beside what is there and its result."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        result = call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before - result.nbytes


def of_process(make: Callable[[], Callable[[], Any]]) -> int:
    """Return by how many bytes a run raises this process's resident memory at most.

    make: returns what is run; what it keeps counts, too, but not its own peak.
    Raises: NotMeasurableError where the system cannot set the peak back (not Linux, or
    it is forbidden).
    """
    gc.collect()
    try:
        before = _status("VmRSS")
        run = make()
        _RESET.write_text("5")
        run()
        return max(_status("VmHWM") - before, 0)
    except OSError as error:
        raise NotMeasurableError(
            f"the peak of a process cannot be set back ({error})"
        ) from None


def of_kernels(
    device: str, cases: Sequence[tuple[Case, str]], seed: int
) -> dict[tuple[Case, str], int | str]:
    """Return the bytes that a device's kernel takes for each (case, pass).

    Or why that is not known. Raises: RuntimeError if the process fails.
    """
    asked = [{"case": asdict(case), "pass": which} for case, which in cases]
    done = subprocess.run(
        [sys.executable, "-m", __name__, "--device", device, "--seed", str(seed)],
        input=json.dumps(asked),
        env=os.environ | _ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or len(answers) != len(cases):
        lines = done.stderr.strip().splitlines() or ["it ended without a word"]
        raise RuntimeError(f"memory of {device}: {lines[-1]}")
    return dict(zip(cases, answers, strict=True))


def _of_kernel(device: str, case: Case, which: str, seed: int) -> int | str:
    grown = 0
    for _ in range(2):
        backend = open_device(device)
        if backend.kind == "gpu":
            return "memory: not measured, a GPU's is not the process's"
        arrays = OnDevice(backend, case, which, seed)
        try:
            grown = of_process(arrays.call)
        except NotMeasurableError as error:
            return f"memory: not measured, {error}"
        del arrays
        backend.close()
        del backend
    return grown


def _status(key: str) -> int:
    """Return a line of /proc/self/status in bytes."""
    for line in _STATUS.read_text("ascii").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return 1024 * int(value.split()[0])
    raise NotMeasurableError(f"{_STATUS} has no {key}")


def main() -> None:
    """Answer the cases on standard input, JSON, by a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", required=True)
    parser.add_argument("--seed", type=int, required=True)
    args = parser.parse_args()
    # Answers go to the standard output alone, whatever a library prints there.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for entry in json.load(sys.stdin):
        series = tuple(entry["case"].pop("series"))
        case = Case(**entry["case"], series=series)
        found = _of_kernel(args.device, case, entry["pass"], args.seed)
        print(json.dumps(found), file=answers)


if __name__ == "__main__":
    main()
