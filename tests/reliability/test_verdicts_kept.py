"""What was found about a driver is kept: tried once, whatever happens to the cache."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

from .conftest import environment, remount
from .faulty import Place, computed, ended, listed

pytestmark = pytest.mark.reliability
ONE = {"no_fault": 2}  # a trial: loaded to list its devices, and to compute
TWO = {"no_fault": 4}


@pytest.fixture
def place(tmp_path, monkeypatch) -> Place:
    """A driver without a fault, which tells how often it is loaded, and no other."""
    place = Place(tmp_path).with_faults("no_fault")
    monkeypatch.setenv("POCL_DEVICES", "")  # it takes PoCL's wheel away, and not itself
    return place


def test_two_processes_at_the_same_time_try_it_once(place):
    first, second = place.start("--list"), place.start("--list")
    found = listed(ended(first))
    assert found == listed(ended(second))
    assert [device["health"] for device in found] == ["healthy"]
    assert place.loaded == ONE


@pytest.mark.parametrize("content", [b"\xff{", b'[{"number": [0, 0]}]', b""])
def test_a_damaged_verdict_is_made_anew(content, place):
    before = place.list()
    files = list(place.cache.glob("health-*.json"))
    assert files
    for file in files:
        file.write_bytes(content)
    for _ in range(2):
        assert place.list() == before
        assert place.loaded == TWO
    assert content not in [file.read_bytes() for file in files]


def test_a_driver_that_was_changed_is_tried_again(place):
    before = place.list()
    os.utime(place.drivers / "no_fault.so", (1, 1))
    for _ in range(2):
        assert place.list() == before
        assert place.loaded == TWO


def test_another_version_of_the_engine_tries_it_itself(place, tmp_path):
    before = place.list()
    shutil.copytree(ROOT / "engine", tmp_path / "other/engine")
    with open(tmp_path / "other/engine/backends/opencl/kernels/loss.cl", "a") as file:
        file.write("// a change\n")
    other = os.pathsep.join([str(tmp_path / "other"), str(ROOT)])
    for path in (other, str(ROOT), other):
        assert place.list(PYTHONPATH=path) == before
        assert place.loaded == TWO


def test_a_process_learns_in_5_ms_what_is_known(place):
    assert place.run("auto").returncode == 0
    code = """
import time
from engine.devices import choice
begin = time.process_time()
choice()
print(time.process_time() - begin)
"""
    before = place.loaded

    def seconds() -> float:
        command = [sys.executable, "-c", code]
        return float(subprocess.check_output(command, env=place.environment))

    assert statistics.median(seconds() for _ in range(7)) <= 0.005
    assert place.loaded == before


# --- a cache folder that cannot be written --------------------------------------------


def no_folder(folder: Path) -> dict[str, str]:
    folder.write_text("a file where a folder should be")
    return {"XDG_CACHE_HOME": str(folder)}


def no_home(folder: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": "", "HOME": "/proc/no-such-place"}


@pytest.fixture
def read_only(small_disk) -> Callable[[Path], dict[str, str]]:
    def mounted(folder: Path) -> dict[str, str]:
        remount(small_disk("size=1m", folder), "ro")
        return {"XDG_CACHE_HOME": str(folder)}

    return mounted


def taken_instead(tmp_path: Path, environment: dict[str, str]) -> tuple[Path, str]:
    """Return which cache folder is taken, and what is said of that."""
    code = "from engine import cache; print(cache.folder().parent)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {"TMPDIR": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return Path(done.stdout.strip()), done.stderr


@pytest.mark.parametrize("how", [no_folder, no_home, "read_only"])
def test_where_none_can_be_written_a_temporary_one_is_taken(how, tmp_path, request):
    how = request.getfixturevalue(how) if isinstance(how, str) else how
    broken = environment(**how(tmp_path / "broken"))
    for _ in range(2):
        taken, said = taken_instead(tmp_path, broken)
        assert taken == tmp_path / f"ignetlab-cache-{os.getuid()}"
        assert taken.stat().st_mode & 0o777 == 0o700
        assert said.startswith("engine: the user's cache folder cannot be written ([")
        assert f"is kept in {taken}, and XDG_CACHE_HOME can name another" in said
    whole = environment(XDG_CACHE_HOME=str(tmp_path / "whole"))
    assert taken_instead(tmp_path, whole) == (tmp_path / "whole", "")


def test_a_temporary_folder_of_others_is_not_taken(tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / f"ignetlab-cache-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    broken = environment(**no_folder(tmp_path / "broken"))
    taken, said = taken_instead(tmp_path, broken)
    assert taken == tmp_path / "broken"
    assert "is kept nowhere" in said


def test_without_a_home_the_device_computes_and_is_tried_once(place, tmp_path):
    """PoCL has no device then, and pyopencl fails on others, if nothing is done."""
    more = no_home(tmp_path) | {"TMPDIR": str(tmp_path), "POCL_CACHE_DIR": None}
    for times in (3, 4):  # a trial and the training; the training
        done = place.run("opencl:0:0", **more)
        assert computed(done) == "opencl:0:0"
        assert done.stderr.startswith("engine: the user's cache folder cannot be")
        assert place.loaded == {"no_fault": times}
