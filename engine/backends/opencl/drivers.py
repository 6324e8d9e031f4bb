"""OpenCL's drivers: where each is, and loading the wanted ones and no other.

A loader takes every driver that it finds into the process, also one that kills it or
never answers. Here drivers are found without being loaded: each is tried by itself in
another process (engine/health), and only those that compute are then loaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine import cache

_BLANK = re.compile(r"\s")
_SYSTEM = Path("/etc/OpenCL/vendors")
# Where a driver's file is if its .icd file gives no folder.
_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64")
# What drivers read once, when they are loaded: PoCL and Intel's how many threads they
# start.
_THREADS = "POCL_MAX_PTHREAD_COUNT", "CL_CONFIG_CPU_TBB_NUM_WORKERS"
# Intel's says that a core has 256 KB near; Winograd's tiles want what an L2 holds.
_NEAR = {"CL_CONFIG_CPU_FORCE_LOCAL_MEM_SIZE": "1MB"}
# The beginnings of the names of settings on which a driver's health, and what it
# compiles, may depend.
_SETTINGS = ("POCL_", "CL_CONFIG_", "OCL_ICD_")
# Of those, what a cluster sets in a job with a GPU; nothing to the CPU's own drivers.
_GPU_SETTINGS = ("CUDA_VISIBLE_", "ROCR_", "GPU_")


@dataclass(frozen=True)
class Driver:
    """A driver: the library as its .icd file names it, and who brought it.

    An empty library stands for whatever the system's own loader finds; so it is where
    there are no .icd files.
    """

    library: str
    origin: str

    @property
    def file(self) -> Path | None:
        """The library's file, if it can be found."""
        if Path(self.library).is_absolute():
            return Path(self.library)
        named = os.environ.get("LD_LIBRARY_PATH", "").split(":")
        folders = [Path(f) for f in (*named, *_FOLDERS) if f]
        folders += [f / f"{os.uname().machine}-linux-gnu" for f in folders]
        return next(
            (f / self.library for f in folders if (f / self.library).is_file()), None
        )

    def identity(self) -> list:
        """Return what tells this driver, as it is now and is set now, from another."""
        file = self.file if self.library else None
        status = file.stat() if file and file.is_file() else None
        return [
            str(file or self.library),
            status and [status.st_size, status.st_mtime_ns],
            settings(gpu=self.origin != "pip"),
        ]


def settings(*, gpu: bool) -> list[tuple[str, str]]:
    """Return the environment's settings on which what drivers make may depend."""
    begin = _SETTINGS + (_GPU_SETTINGS if gpu else ())
    return sorted(
        (key, value)
        for key, value in os.environ.items()
        if key.startswith(begin) and key not in (*_THREADS, "OCL_ICD_VENDORS")
    )


def find() -> list[Driver]:
    """Return the drivers that there are, in a fixed order, each once.

    Those of OCL_ICD_VENDORS (a folder, an .icd file or a library), else of the system;
    then those that came with Python packages: PoCL's, Intel's.
    """
    package = importlib.util.find_spec("pyopencl")
    if package is None:
        return []
    if not sys.platform.startswith("linux"):
        return [Driver("", "the system")]
    named = os.environ.get("OCL_ICD_VENDORS") or os.environ.get("OPENCL_VENDOR_PATH")
    found = _named(Path(named)) if named else _in_folder(_SYSTEM, str(_SYSTEM))
    found += _in_folder(Path(package.origin).parent / ".libs", "pip")
    intel = Path(sys.prefix) / "lib" / "libintelocl.so"
    if intel.is_file():
        found.append(Driver(str(_without_blanks(intel.resolve())), "pip"))
    once: dict[object, Driver] = {}
    for driver in found:
        once.setdefault(driver.file or driver.library, driver)
    return list(once.values())


def _without_blanks(library: Path) -> Path:
    """Return where Intel's library can be loaded from.

    It reads where it lies from /proc/self/maps, as far as the first blank, and looks
    there for what else it needs. So in a folder with a blank in its name it is given
    another in the cache: of links, but for the library itself, which counts by its
    inode.
    """
    status, place = library.stat(), str(cache.folder())
    if not _BLANK.search(str(library)) or _BLANK.search(place):
        return library
    text = f"{library} {status.st_size} {status.st_mtime_ns}"
    folder = cache.folder() / f"intel-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    with suppress(OSError), cache.alone("intel"):
        if not folder.is_dir():
            fresh = Path(tempfile.mkdtemp(dir=cache.folder()))
            for file in library.parent.iterdir():
                if file.is_file() and not file.samefile(library):
                    (fresh / file.name).symlink_to(file)
            try:
                (fresh / library.name).hardlink_to(library)
            except OSError:  # another file system
                shutil.copy2(library, fresh)
            fresh.rename(folder)
    return folder / library.name if folder.is_dir() else library


def _named(path: Path) -> list[Driver]:
    """Return the drivers that OCL_ICD_VENDORS names."""
    if path.is_dir():
        return _in_folder(path, "OCL_ICD_VENDORS")
    if path.suffix == ".icd":
        return _in_file(path, "OCL_ICD_VENDORS")
    return [Driver(str(path), "OCL_ICD_VENDORS")] if path.is_file() else []


def _in_folder(folder: Path, origin: str) -> list[Driver]:
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    files = [folder / name for name in names if name.endswith(".icd")]
    return [driver for file in files for driver in _in_file(file, origin)]


def _in_file(file: Path, origin: str) -> list[Driver]:
    """Return the driver of an .icd file, if the file names one.

    Intel's packages bring files that hold a placeholder in place of a folder.
    """
    try:
        library = file.read_text().strip().splitlines()[0].strip()
    except (OSError, ValueError, IndexError):
        return []
    beside = file.parent / library
    if "/" not in library and beside.is_file():  # pyopencl's own loader looks there
        library = str(beside)
    return [Driver(library, origin)] if Path(library).name else []


@contextmanager
def alone(drivers: Iterable[Driver], threads: int | None = None) -> Iterator[None]:
    """Let the loader find these drivers and no other while the block runs.

    What is loaded stays; a loader looks once in a process, when it is first asked for
    platforms. threads: the most that a driver for the CPU may start, whatever the
    environment says; None: as the environment says.
    """
    import pyopencl  # noqa: F401  (sets PYOPENCL_HOME, which must be set after it)

    libraries = [driver.library for driver in drivers]
    with tempfile.TemporaryDirectory(prefix="ignetlab-") as folder:
        Path(folder, ".libs").mkdir()  # else pyopencl's loader looks beside itself
        for number, library in enumerate(libraries):
            Path(folder, f"{number:03}.icd").write_text(f"{library}\n")
        settings = (
            {}
            if libraries == [""]
            else {
                "OCL_ICD_VENDORS": folder,
                "OPENCL_VENDOR_PATH": folder,
                "OCL_ICD_FILENAMES": "",
                "OCL_ICD_PLATFORM_SORT": "none",
                "PYOPENCL_HOME": folder,
            }
        )
        settings |= {k: v for k, v in _NEAR.items() if k not in os.environ}
        if threads is not None:
            # These stay: Intel's reads its own when it first computes.
            os.environ.update({key: _fewest(key, threads) for key in _THREADS})
        before = {key: os.environ.get(key) for key in settings}
        os.environ.update(settings)
        try:
            yield
        finally:
            for key, value in before.items():
                if value is None:
                    del os.environ[key]
                else:
                    os.environ[key] = value


def _fewest(key: str, threads: int) -> str:
    """Return the number of threads, or the fewer that the environment asks for."""
    said = os.environ.get(key, "")
    return said if said.isdecimal() and 0 < int(said) < threads else str(threads)
