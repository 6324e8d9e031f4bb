"""What was compiled is kept for all processes; a damaged file is compiled anew."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import engine
from engine import cache
from tests.conftest import ROOT

pytest.importorskip("pyopencl")

from engine.backends.opencl.program import Programs

# Prints a digest of the parameters after two steps; with a third word compiling fails.
STEPS = """
import hashlib, sys
import numpy as np
import engine
from engine.backends.opencl.program import Programs
from tests.engine.test_drawn import SPEC, data
if sys.argv[2:]:
    Programs._compiled = None
device = engine.open_device(sys.argv[1], threads=2)
network = engine.Network.from_spec(SPEC, device=device, seed=0)
x, t = data()
trainer = engine.Trainer(network, {"sgd": {"learning_rate": 0.01}}, batch_size=len(x))
losses = [trainer.step(x, t) for _ in range(2)]
numbers = b"".join(values.tobytes() for values in network.parameters().values())
print(losses, hashlib.sha256(numbers).hexdigest())
"""
TO_ROWS, GUARD = (("transfer",), "to_rows"), (("loss",), "guard")
DAYS = 24 * 3600


@pytest.fixture
def folder(monkeypatch, tmp_path) -> Path:
    """An empty cache folder, but for what is known of the devices' health."""
    known = [*cache.folder().glob("health-*.json")]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache.folder().mkdir(exist_ok=True)
    for file in known:
        shutil.copy2(file, cache.folder())
    return tmp_path


@pytest.fixture
def programs(folder, opened):
    """Return a function that gives new programs, as a new process has them.

    may_compile: else it fails to compile.
    """
    context = opened("opencl").context

    def get(*, may_compile: bool = True) -> Programs:
        new = Programs(context, {"LANES": 8})
        if not may_compile:
            new._compiled = None
        return new

    return get


def build(programs: Programs, kernel: tuple = TO_ROWS) -> None:
    _ = programs.kernel(*kernel).built


def folder_of(programs) -> Path:
    return programs()._library.folder


def start(*words: str) -> subprocess.Popen:
    command = [sys.executable, "-c", STEPS, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def said(process: subprocess.Popen) -> str:
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return text


def files(folder: Path) -> set[Path]:
    """Return the files in it, but for those that PoCL leaves at every start."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path for path in found if not path.name.startswith("tempfile_")}


def test_two_processes_compile_at_once_and_the_next_one_nothing(folder):
    healthy = [
        device.id
        for device in engine.devices()
        if device.id.startswith("opencl") and device.health == "healthy"
    ]
    if not healthy:
        pytest.skip("no OpenCL device")
    for device in healthy:
        first, second = map(said, [start(device), start(device)])
        assert first == second
        kept = files(folder)
        assert any(path.name == "index.json" for path in kept)
        assert said(start(device, "nothing")) == first
        assert files(folder) == kept  # nor did the driver itself


def test_kernels_of_one_text_and_other_sizes_become_one_program(programs):
    new = programs()
    one, other = (
        new.kernel(("loss",), "squared_error", K=k, TARGETS=k) for k in (2, 3)
    )
    built = one.built, other.built
    assert built[0].program == built[1].program
    assert built[0].function_name != built[1].function_name


def test_what_each_adds_is_kept_together(programs):
    first, second = programs(), programs()
    build(first)
    build(second, GUARD)
    last = programs(may_compile=False)
    build(last)
    build(last, GUARD)


def check_made_anew(programs) -> None:
    with pytest.raises(TypeError, match="not callable"):
        build(programs(may_compile=False))
    build(programs())
    build(programs(may_compile=False))


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: b"",
        lambda whole: b"\0KERNEL",
        lambda whole: whole[:-9],
        lambda whole: whole.replace(b"+", b"-"),
    ],
)
def test_a_damaged_program_is_compiled_anew(change, programs):
    build(programs())
    (file,) = (f for f in files(folder_of(programs)) if f.name != "index.json")
    file.write_bytes(change(file.read_bytes()))
    check_made_anew(programs)


@pytest.mark.parametrize(
    "change",
    [
        lambda index: "",
        lambda index: "{",
        lambda index: "[1, 2]",
        lambda index: json.dumps({line: 3 for line in index}),
        lambda index: json.dumps({line: ["..", "guard"] for line in index}),
        lambda index: json.dumps({line: ["\0", "guard"] for line in index}),
        lambda index: json.dumps(
            {line: [d, "other"] for line, (d, _) in index.items()}
        ),
    ],
)
def test_a_damaged_index_is_made_anew(change, programs):
    build(programs())
    file = folder_of(programs) / "index.json"
    file.write_text(change(json.loads(file.read_text())))
    check_made_anew(programs)


def test_a_folder_that_cannot_be_written_is_done_without(
    programs, monkeypatch, tmp_path
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    for _ in range(2):
        build(programs())


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes where nobody may")
def test_what_can_only_be_read_is_used(programs):
    build(programs())
    folder = folder_of(programs)
    try:
        for path in (cache.folder(), folder):
            path.chmod(0o555)
        build(programs(may_compile=False))
        build(programs(), GUARD)
    finally:
        for path in (cache.folder(), folder):
            path.chmod(0o755)


def test_another_device_option_processor_or_setting_has_another_folder(
    programs, opened, monkeypatch
):
    before = folder_of(programs)
    assert folder_of(programs) == before
    other = Programs(opened("opencl").context, {"LANES": 16})
    assert other._library.folder != before
    monkeypatch.setenv("CL_CONFIG_CPU_TBB_NUM_WORKERS", "7")
    assert folder_of(programs) == before
    for setting in ("CL_CONFIG_CPU_TARGET_ARCH", "POCL_KERNEL_CACHE"):
        monkeypatch.setenv(setting, "1")
        assert folder_of(programs) != before
        monkeypatch.delenv(setting)
    monkeypatch.setattr("engine.health.processor.signature", lambda: "another")
    assert folder_of(programs) != before


def test_what_nobody_used_for_a_month_is_removed(programs):
    old = cache.folder() / "kernels-old"
    old.mkdir()
    for name in ("index.json", "program"):
        (old / name).write_text("")
        os.utime(old / name, (time.time() - 31 * DAYS,) * 2)
    build(programs())
    assert not old.exists()
    kept = files(folder_of(programs))
    for file in kept:
        os.utime(file, (time.time() - 31 * DAYS,) * 2)
    build(programs(may_compile=False))  # it is in use
    build(programs(), GUARD)
    assert kept < files(folder_of(programs))


def test_a_kernel_that_does_not_compile_says_so(programs):
    text = r"kernels to_rows do not compile on .+ with .*-DLANES=5.*says: "
    new = programs()
    new._options[-1] = "-DLANES=5"
    with pytest.raises(engine.DeviceError, match=text):
        build(new)
