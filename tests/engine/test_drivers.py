"""Where drivers are found, and that only those that are wanted are loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyopencl")

from engine.backends.opencl import drivers
from engine.backends.opencl.drivers import Driver, alone, find


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder that OCL_ICD_VENDORS names, in place of the system's."""
    monkeypatch.setenv("OCL_ICD_VENDORS", str(tmp_path))
    return tmp_path


def named(found: list[Driver]) -> list[str]:
    return [d.library for d in found if d.origin == "OCL_ICD_VENDORS"]


def test_drivers_of_a_folder_in_the_order_of_its_files(folder):
    for name, text in (("b", "/b.so\n"), ("a", "a.so\nmore"), ("c", ""), ("d", "  ")):
        (folder / f"{name}.icd").write_text(text)
    (folder / "binary.icd").write_bytes(b"\xff\xfe")
    (folder / "no-driver.txt").write_text("/x.so")
    assert named(find()) == ["a.so", "/b.so"]


def test_a_library_beside_its_file_is_found_there_and_listed_once(folder):
    (folder / "x.so").write_text("")
    (folder / "a.icd").write_text("x.so")
    (folder / "b.icd").write_text(str(folder / "x.so"))
    assert named(find()) == [str(folder / "x.so")]


def test_a_file_and_a_library_can_be_named_instead_of_a_folder(folder, monkeypatch):
    library = folder / "x.so"
    library.write_text("")
    (folder / "a.icd").write_text(str(library))
    for name in ("a.icd", "x.so"):
        monkeypatch.setenv("OCL_ICD_VENDORS", str(folder / name))
        assert named(find()) == [str(library)]
    monkeypatch.setenv("OCL_ICD_VENDORS", str(folder / "missing"))
    assert named(find()) == []


def test_what_pip_brought_is_found_beside_what_the_environment_names(folder):
    before = [d for d in find() if d.origin == "pip"]
    (folder / "a.icd").write_text("/a.so")
    assert find() == [Driver("/a.so", "OCL_ICD_VENDORS"), *before]


def test_another_size_time_or_setting_is_another_identity(tmp_path, monkeypatch):
    driver = Driver(str(tmp_path / "x.so"), "")
    seen = [driver.identity()]
    Path(driver.library).write_text("1")
    seen.append(driver.identity())
    Path(driver.library).write_text("12")
    seen.append(driver.identity())
    os.utime(driver.library, (1, 1))
    seen.append(driver.identity())
    monkeypatch.setenv("POCL_DEVICES", "cpu")
    seen.append(driver.identity())
    assert len({str(identity) for identity in seen}) == 5
    monkeypatch.setenv("POCL_MAX_PTHREAD_COUNT", "3")  # its health is the same
    assert driver.identity() == seen[-1]


def test_only_the_wanted_drivers_are_loaded():
    code = """
import os, sys
from engine.backends.opencl.drivers import alone
before = dict(os.environ)
with alone([], threads=None):
    import pyopencl as cl
    try:
        print(cl.get_platforms())
    except cl.Error:
        print([])
mine = {"PYOPENCL_HOME": ""}  # pyopencl sets it
print(before | mine == os.environ | mine)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["[]", "True"], done.stderr


def test_a_limit_of_threads_is_the_fewer_of_two(monkeypatch):
    keys = drivers._THREADS
    for said, threads, told in (("4", 2, "2"), ("1", 2, "1"), ("x", 2, "2")):
        with pytest.MonkeyPatch.context() as patch:
            for key in keys:
                patch.setenv(key, said)
            with alone([], threads):
                assert [os.environ[key] for key in keys] == [told, told]


def test_a_library_in_a_folder_with_a_blank_is_given_another(tmp_path, monkeypatch):
    """Intel's library looks for its files where its path ends at the first blank."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    lib = tmp_path / "a folder/lib"
    lib.mkdir(parents=True)
    (lib / "libintelocl.so.1").write_text("the library")
    (lib / "libintelocl.so").symlink_to("libintelocl.so.1")
    (lib / "cl.cfg").write_text("its settings")
    monkeypatch.setattr(sys, "prefix", str(lib.parent))
    for _ in range(2):
        library = Path(find()[-1].library)
        assert library.parent.parent == tmp_path / "cache/ignetlab"
        assert library.resolve() == library  # no link: its own path has no blank
        assert library.read_text() == "the library"
        assert (library.parent / "cl.cfg").read_text() == "its settings"


def test_a_library_in_any_other_folder_stays_there(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libintelocl.so").write_text("")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert find()[-1].library == str(tmp_path / "lib/libintelocl.so")
