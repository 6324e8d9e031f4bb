"""Many damaged cases through one reader, and what counts as well behaved.

A case passes if the reader returns something, or raises one of this project's errors
whose text names the file. Everything else is a find: another error, one that was raised
outside this project, a warning, more than SECONDS of computing, more than BYTES of
memory. Its files are kept, and the failure says how to run it again.
"""

from __future__ import annotations

import faulthandler
import os
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError

ROOT = Path(__file__).resolve().parents[3]
SEED = os.environ.get("FUZZ_SEED", "0")
TIMES = float(os.environ.get("FUZZ_CASES", "1"))
ONLY = os.environ.get("FUZZ_ONLY")  # the number of one case
KEPT = Path(os.environ.get("FUZZ_KEPT", ROOT / "fuzz-failures"))
SECONDS = 3.0  # of computing; a good case takes milliseconds
HANG = 30  # seconds of the clock
BYTES = 1 << 30  # of address space, beyond what is taken when a kind begins
SHOWN = 5  # failures, then the rest is not run
# How many cases there are of each kind.
CASES = {
    "npz": 700,
    "networks": 600,
    "checkpoints": 500,
    "safetensors": 700,
    "pictures": 400,
    "labels_csv": 900,
    "tables": 500,
    "folds": 900,
    "json": 300,
    "datasets": 300,
    "yaml": 600,
    "overlays": 400,
    "settings": 100,
    "specs": 1500,
    "spec_files": 300,
    "recipes": 600,
    "names": 1500,
    "step_names": 60,
    "onnx": 700,
    "hdf5": 250,
    "hdf5_apart": 12,
    "images": 800,
    "cifar": 600,
    "archives": 600,
    "members": 300,
}
done: dict[str, tuple[int, int, float]] = {}  # cases, refused, seconds


class Hang(BaseException):
    """A case that does not end; no error that a reader might catch."""


class Case:
    """One case: a source of chance, and a folder for the files that are read."""

    def __init__(self, kind: str, number: int, folder: Path):
        self.rng = random.Random(f"{SEED}/{kind}/{number}")
        self.number, self.folder = number, folder
        self.names: list[str] = []

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file and return its path; an error must name one of them."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            content = content.encode("utf-8", "surrogatepass")
        path.write_bytes(content)
        self.names.append(name)
        return path

    def named(self, text: str) -> bool:
        """Return whether a text names a file of the case; with no file, True."""
        return not self.names or any(name in text for name in self.names)


def fuzz(kind: str, folder: Path, attempt: Callable[[Case], Any]) -> None:
    """Make all cases of a kind; fail with what is found.

    attempt: makes one case and reads it.
    """
    numbers = [int(ONLY)] if ONLY else range(max(round(CASES[kind] * TIMES), 1))
    found, refused, begin = [], 0, time.process_time()
    with _limits(), _watching() as begins:
        for number in numbers:
            begins(f"{kind}, case {number} of seed {SEED}")
            place = folder / kind
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            case = Case(kind, number, place)
            problem, was_refused = _tried(case, attempt)
            refused += was_refused
            if problem:
                found.append(_told(kind, case, problem))
            if len(found) == SHOWN:
                break
    spent = time.process_time() - begin
    done[kind] = len(numbers), refused, spent
    if found:
        pytest.fail("\n\n".join(found), pytrace=False)


def _tried(case: Case, attempt: Callable[[Case], Any]) -> tuple[str | None, bool]:
    """Return (what is wrong or None, whether it was refused)."""
    begin, refused = time.process_time(), False
    signal.setitimer(signal.ITIMER_REAL, HANG)
    try:
        attempt(case)
    except Hang:
        return f"no end after {HANG} s\n{traceback.format_exc()[-3000:]}", False
    except Exception as error:
        refused = True
        if problem := _problem(case, error):
            return f"{problem}\n{traceback.format_exc()[-3000:]}", True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    spent = time.process_time() - begin
    if spent > SECONDS:
        return f"{spent:.1f} s of computing, expected at most {SECONDS}", refused
    return None, refused


def _problem(case: Case, error: Exception) -> str | None:
    """Return what is wrong with an error, or None."""
    # As scripts.lib.io.cli.run expects them; anything else ends in a traceback.
    expected = isinstance(error, ValueError | OSError | EngineError)
    if not expected or isinstance(error, UnicodeError):
        return f"expected an error of this project, received {type(error).__name__}"
    if not case.named(str(error)):
        return f"expected an error that names {case.names}, received {str(error)!r}"
    frames = traceback.extract_tb(error.__traceback__)
    if not isinstance(error, OSError) and not _is_ours(frames[-1].filename):
        return f"expected an error raised by this project, not in {frames[-1].filename}"
    return None


@contextmanager
def _watching() -> Iterator[Callable[[str], None]]:
    """Give a function that is told what begins, and ends this process if it hangs.

    For a library that never comes back to Python no signal does; the file hang.txt then
    says which case it was, and where.
    """
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / "hang.txt"
    with open(path, "w") as file:

        def begin(what: str) -> None:
            file.seek(0)
            file.truncate()
            file.write(f"{what}\n")
            file.flush()
            faulthandler.dump_traceback_later(4 * HANG, exit=True, file=file)

        try:
            yield begin
        finally:
            faulthandler.cancel_dump_traceback_later()
    path.unlink()
    if not any(KEPT.iterdir()):
        KEPT.rmdir()


def _is_ours(filename: str) -> bool:
    return any(filename.startswith(str(ROOT / name)) for name in ("engine", "scripts"))


def _told(kind: str, case: Case, problem: str) -> str:
    kept = KEPT / f"{kind}-{SEED}-{case.number}"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(case.folder, kept, symlinks=True)
    return (
        f"{kind}, case {case.number} of seed {SEED}: {problem}\n"
        f"Its files: {kept}. Again: FUZZ_SEED={SEED} FUZZ_ONLY={case.number} "
        f"{Path(sys.executable).name} -m pytest -m reliability tests/reliability/fuzz "
        f"-k {kind}"
    )


@contextmanager
def _limits() -> Iterator[None]:
    """Bound the memory, and let a signal end a case."""

    def hang(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, hang)
    try:
        with bounded(BYTES):
            yield
    finally:
        signal.signal(signal.SIGALRM, before)


@contextmanager
def bounded(room: int) -> Iterator[None]:
    """Let this process take at most `room` bytes more of address space."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    taken = pages * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (taken + room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
