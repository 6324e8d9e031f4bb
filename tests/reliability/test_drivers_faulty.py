"""Drivers that err, die, hang or compute wrong numbers, beside one that does not.

Each fault is first seen to break a program that takes what a loader finds.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import wait_for
from .faulty import Place, computed, ended

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="no /proc"),
]

# {fault: (how a plain program ends, why the engine does not take the device)}
FAULTS = {
    "aborts_at_compiling": (
        "ended: -6",
        r"its process ended \(SIGABRT\) computing with 8 lanes, and said: LLVM ERROR: "
        "Cannot select: a thing",
    ),
    "crashes_at_run": (
        "ended: -11", r"its process ended \(SIGSEGV\) computing with 8 lanes",
    ),
    "exits_at_load": (
        "ended: 3",
        r"its process ended \(exit code 3\) loading the driver, and said: no licence",
    ),
    "finite_math": (
        "wrong", "with 8 lanes the guard against NaN and infinity does not hold",
    ),
    "reads_wrong": ("wrong", "with 8 lanes it computes wrong numbers: conv1.weight"),
    "refuses_to_compile": (
        "ended: 1", "with 8 lanes the kernels .* do not compile on .*: clBuildProg",
    ),
    "skips_kernels": (
        "wrong", "with (8|16) lanes it computes wrong numbers|computing with 16 lanes",
    ),
    "hangs_at_load": ("hangs", "no end after 20 seconds loading the driver"),
    "hangs_at_run": ("hangs", "no end after 20 seconds computing with 8 lanes"),
}  # fmt: skip
HANG = [fault for fault in FAULTS if fault.startswith("hangs")]
# What a program does that trusts the first device: NaN shall become -1, and all else
# be doubled five times.
PLAIN = """
import numpy as np, pyopencl as cl
context = cl.Context(cl.get_platforms()[0].get_devices()[:1])
queue = cl.CommandQueue(context)
program = cl.Program(context, "__kernel void twice(__global float *x) {"
    "int i = get_global_id(0); x[i] = x[i] != x[i] ? -1 : 2 * x[i]; }").build()
x = np.arange(64, dtype=np.float32)
x[7] = np.nan
buffer = cl.Buffer(context, cl.mem_flags.COPY_HOST_PTR, hostbuf=x)
for _ in range(5):
    program.twice(queue, (64,), None, buffer)
found = np.empty_like(x)
cl.enqueue_copy(queue, found, buffer)
right = 32 * np.arange(64)
right[7] = -16
print("right" if np.array_equal(found, right) else "wrong")
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    """All faulty drivers, and a healthy one behind them; each was tried."""
    place = Place(tmp_path_factory.mktemp("place"))
    others = [fault for fault in FAULTS if fault not in HANG]
    place.with_faults(*others).with_a_healthy_one()
    ended(place.start("auto"))
    # The shorter limit is for these two alone: the others are known by now.
    place.with_faults(*HANG)
    place.list(IGNETLAB_TRIAL_SECONDS="20")
    return place


@pytest.fixture(scope="module")
def known(place) -> dict[str, dict]:
    """The devices by the names of their drivers, in the order of their .icd files."""
    names = [*sorted(FAULTS), "healthy"]
    return dict(zip(names, place.list(), strict=False))


@pytest.mark.parametrize("fault", ["no_fault", *FAULTS])
def test_it_breaks_a_program_that_trusts_it(fault, place, tmp_path):
    alone = Place(tmp_path).with_faults(fault)
    only = {"OCL_ICD_VENDORS": str(alone.drivers / f"{fault}.icd")}
    process = subprocess.Popen(
        [sys.executable, "-c", PLAIN], env=alone.environment | only,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        out = process.communicate(timeout=4 if fault in HANG else 60)[0].strip()
        found = f"ended: {process.returncode}" if process.returncode else out
    except subprocess.TimeoutExpired:
        found = "hangs"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert found == ("right" if fault == "no_fault" else FAULTS[fault][0])


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_listed_with_the_reason(fault, known):
    assert re.match(f"unhealthy: .*({FAULTS[fault][1]})", known[fault]["health"])
    assert known["healthy"]["health"] == "healthy"


def test_auto_takes_the_healthy_one_and_says_why(place, known):
    done = place.run("auto")
    assert computed(done) == known["healthy"]["id"]
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"engine: using {known['healthy']['id']} (")
    for fault in FAULTS:
        reason = known[fault]["health"].replace("unhealthy: ", "unhealthy, ")
        assert f"; not {known[fault]['id']} ({known[fault]['name']}): {reason}" in line


def test_opencl_takes_the_first_healthy_one(place, known):
    done = place.run("opencl")
    assert computed(done) == known["healthy"]["id"]
    assert done.stderr == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_named_in_full_it_is_an_error_that_says_what_to_do(fault, place, known):
    failed = place.run(known[fault]["id"])
    assert (failed.returncode, failed.stdout) == (1, "")
    (line,) = failed.stderr.splitlines()
    reason = known[fault]["health"].replace("unhealthy: ", "")
    device = f"{known[fault]['id']} ({known[fault]['name']})"
    assert line == (
        f"error: device {known[fault]['id']}: unhealthy, {device}: {reason}. Use the "
        "device threads, or auto; where something has changed, `python -m engine "
        "doctor --again` tries all devices anew"
    )


def test_nothing_is_left_running(place, known):
    assert place.running() == {}


def test_none_is_tried_twice(place, known):
    """A driver is loaded to list its devices, and for the trial, or for two.

    Where it errs with 16 lanes, it is tried with 8.
    """
    before = place.loaded
    assert set(before) == set(FAULTS)
    for fault, times in before.items():
        assert times in ((1,) if fault.endswith("at_load") else (2, 3))
    assert place.list() == list(known.values())
    assert place.run("auto").returncode == 0
    assert place.loaded == before


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_a_trial_does_not_outlive_its_parent(by, tmp_path):
    place = Place(tmp_path).with_faults("hangs_at_run")
    process = place.start("--list", POCL_DEVICES="", IGNETLAB_TRIAL_SECONDS="20")
    wait_for(lambda: len(place.running()) == 3, process)  # the driver started one
    process.send_signal(by)
    process.communicate()
    most = 1 if by == signal.SIGKILL else 0  # what the driver has started is its own
    end = time.monotonic() + 60
    while len(place.running()) > most and time.monotonic() < end:
        time.sleep(0.1)
    left = place.running()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert len(left) <= most


@pytest.mark.parametrize("fault", ["refuses_to_compile", "hangs_at_run"])
def test_where_nothing_is_healthy_auto_takes_threads(fault, tmp_path):
    place = Place(tmp_path).with_faults(fault)
    done = place.run("auto", POCL_DEVICES="", IGNETLAB_TRIAL_SECONDS="20")
    assert computed(done) == "threads"
    (line,) = done.stderr.splitlines()
    assert re.match(r"engine: using threads; not opencl:0:0 \(.*\): unhealthy, ", line)
    assert re.search(FAULTS[fault][1], line)
    failed = place.run("opencl", POCL_DEVICES="")
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: device opencl: unhealthy, opencl:0:0 (")
    assert place.running() == {}


def test_one_that_fails_at_vectors_of_512_bits_is_used_at_256(tmp_path):
    place = Place(tmp_path).with_faults("aborts_where_wide")
    assert place.list()[0]["health"] == "healthy"
    assert place.loaded == {"aborts_where_wide": 3}  # to list, for 16 lanes, for 8
    assert computed(place.run("opencl:0:0")) == "opencl:0:0"


def test_two_platforms_of_one_name_are_told_apart(tmp_path):
    place = Place(tmp_path).with_faults("no_fault").with_a_healthy_one()
    first, second, *_ = place.list()
    assert first["name"] == second["name"]
    for each in (first, second):
        assert computed(place.run(each["id"])) == each["id"]
