"""What was found about each device: tried once, kept in the user's cache folder.

A verdict holds for one driver's file and settings, one processor and one text of the
kernels.
"""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from engine import cache
from engine.backends.opencl import texts
from engine.backends.opencl.drivers import Driver, find
from engine.errors import DeviceError
from engine.exchange.atomic import atomic_write
from engine.health import processor

# A trial takes 2 to 5 seconds; a driver that has not answered after so many hangs.
_LIMIT = 120.0
_LIMIT_KEY = "IGNETLAB_TRIAL_SECONDS"
# How much of what a driver says is kept.
_MOST = 300
# What a verdict depends on, beside the kernels.
_TRIED = "health/trial.py", "backends/opencl/drivers.py", "backends/opencl/meter.py"


@dataclass(frozen=True)
class Verdict:
    """What is known of a device, of OpenCL or the engine's own.

    number: its platform's number among its driver's, and its own.
    unhealthy: the reason, None if it is healthy.
    gflops: 10^9 operations a second of one thread, a multiply-add counted as two.
    gigabytes: 10^9 bytes a second to and from memory, of one thread.
    seconds: the least of a step of the trial's network, on one thread or a whole GPU.
    """

    number: tuple[int, int]
    platform: tuple[str, str, str]  # name, version, vendor
    name: str
    kind: str
    compute_units: int
    unhealthy: str | None = None
    lanes: int | None = None
    gflops: float | None = None
    gigabytes: float | None = None
    seconds: float | None = None

    @classmethod
    def read(cls, content: dict[str, Any]) -> Verdict:
        """Return the verdict that JSON gave.

        Raises: TypeError, KeyError, ValueError for another version's.
        """
        number, platform = tuple(content["number"]), tuple(content["platform"])
        verdict = cls(**content | {"number": number, "platform": platform})
        if verdict.unhealthy is None:
            float(verdict.seconds)
        return verdict


@functools.cache
def of_opencl() -> list[tuple[Driver, list[Verdict]]]:
    """Return each driver there is, with what was found about its devices.

    A driver that cannot be loaded has one, of kind "unknown".
    """
    cache.folder()  # drivers keep what they compile beside it
    return [(driver, _kept(driver.identity(), lambda d=driver: _try_driver(d)))
            for driver in find()]  # fmt: skip


@functools.cache
def of_threads() -> Verdict:
    """Return what was found about the device `threads`."""
    import numpy

    blas = os.environ.get("OPENBLAS_CORETYPE")
    identity = ["threads", numpy.__version__, numpy.__file__, blas]
    (verdict,) = _kept(identity, _try_threads)
    return verdict


def forget() -> None:
    """Forget what was found, here and on disk: everything is tried again."""
    of_opencl.cache_clear()
    of_threads.cache_clear()
    for file in cache.folder().glob("health-*.json"):
        file.unlink(missing_ok=True)
    for links in cache.folder().glob("intel-*/"):  # made anew where they are needed
        shutil.rmtree(links, ignore_errors=True)


def _kept(identity: list, attempt) -> list[Verdict]:
    """Return the verdicts kept for this identity; else have them made, and keep them.

    Two processes that ask at the same time make them once.
    """
    content = json.dumps([identity, processor.signature(), _texts()])
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    file = cache.folder() / f"health-{digest}.json"
    known = _read(file)
    if known is None:
        with cache.alone("health"):
            known = _read(file)
            if known is None:
                known = attempt()
                _write(file, known)
    return known


@functools.cache
def _texts() -> str:
    """Return a digest of what a trial runs: the kernels, and the trial itself."""
    root = Path(__file__).parents[1]
    own = [(root / name).read_bytes() for name in _TRIED]
    return hashlib.sha256(texts.digest().encode() + b"\0".join(own)).hexdigest()


def _read(file: Path) -> list[Verdict] | None:
    try:
        return [Verdict.read(each) for each in json.loads(file.read_text())]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # there is none, or it is damaged, or another version's


def _write(file: Path, verdicts: list[Verdict]) -> None:
    try:
        with atomic_write(file) as out:
            out.write(json.dumps([asdict(v) for v in verdicts], indent=1).encode())
    except OSError:
        pass  # the next process tries again


# --- trials ---------------------------------------------------------------------------


def _try_driver(driver: Driver) -> list[Verdict]:
    """Return the verdicts on a driver's devices, each tried in a process of its own."""
    found, failed = _trial("list", driver.library)
    if failed or "devices" not in found:
        name = Path(driver.library).name or driver.origin
        reason = failed or "it says nothing of its devices"
        return [Verdict((0, 0), ("", "", ""), name, "unknown", 0, reason)]
    verdicts = []
    for told in found["devices"]:
        words = "opencl", driver.library, *map(str, told["number"])
        tried, failed = _trial(*words, "16")
        if failed and "with 16 lanes" in failed:
            # Some compilers fail at vectors so wide, and at no others.
            tried, failed = _trial(*words, "8")
        verdicts.append(Verdict.read(told | _outcome(tried, failed)))
    return verdicts


def _try_threads() -> list[Verdict]:
    tried, failed = _trial("threads")
    told = (0, 0), ("", "", ""), "CPU threads, NumPy float32", "cpu", 1
    return [Verdict(*told, **_outcome(tried, failed))]


def _outcome(tried: dict[str, Any], failed: str | None) -> dict[str, Any]:
    return {"unhealthy": failed} if failed else tried


def _trial(*words: str) -> tuple[dict[str, Any], str | None]:
    """Run a trial; return the last it said, and why it failed, if it did."""
    said, failed = _in_process(words, _Spawned)
    if "processor" in said:
        # Under an emulator a new program runs on the machine's own processor, and not
        # on ours; only a copy of this process stays on it.
        said, failed = _in_process(words, _Forked)
    reason = said.get("unhealthy") or failed
    return said, reason and " ".join(reason.split())[:_MOST]


def _in_process(words: Sequence[str], start) -> tuple[dict[str, Any], str | None]:
    limit = limit_of_time()
    with TemporaryFile() as told, TemporaryFile() as errors:
        words = [str(told.fileno()), processor.signature(), *words]
        code = start(words, told, errors).wait(limit)
        lines = _lines(told)
        said = json.loads(lines[-1]) if lines else {"stage": "loading the driver"}
        if "stage" not in said:
            return said, None
        if code is None:
            return said, f"no end after {limit:g} seconds {said['stage']}"
        how = _signal(-code) if code < 0 else f"exit code {code}"
        last = "".join(f", and said: {line}" for line in _lines(errors)[-1:])
        return said, f"its process ended ({how}) {said['stage']}{last[:_MOST]}"


def limit_of_time() -> float:
    """Return after how many seconds a trial is ended.

    Raises: DeviceError if the environment says nonsense.
    """
    said = os.environ.get(_LIMIT_KEY) or _LIMIT
    with suppress(ValueError):
        if 0 < float(said) < float("inf"):
            return float(said)
    raise DeviceError(f"{_LIMIT_KEY}: expected a number of seconds, received {said!r}")


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _lines(file: IO[bytes]) -> list[str]:
    file.seek(0)
    lines = file.read().decode("utf-8", "replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


class _Spawned:
    """A trial as a new program: of this process it has nothing but the settings."""

    def __init__(self, words: list[str], told: IO[bytes], errors: IO[bytes]):
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "engine.health.trial", *words],
            stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
            pass_fds=[told.fileno()], env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )  # fmt: skip

    def wait(self, limit: float) -> int | None:
        """Return its exit code, a signal's negative; None if it had to be ended."""
        late = suppress(subprocess.TimeoutExpired)
        try:
            with late:
                return self._process.wait(limit)
        finally:  # also where this process is interrupted
            if self._process.returncode is None:
                _end(self._process.pid)
                with late:
                    self._process.wait(5)


class _Forked:
    """A trial as a copy of this process."""

    def __init__(self, words: list[str], told: IO[bytes], errors: IO[bytes]):
        def run() -> None:
            os.setsid()
            os.dup2(errors.fileno(), 1)
            os.dup2(errors.fileno(), 2)
            from engine.health import trial

            trial.main(words)
            os._exit(0)

        with warnings.catch_warnings():
            # Of threads that this process may have; none of them is asked anything.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process = multiprocessing.get_context("fork").Process(target=run)
            self._process.start()

    def wait(self, limit: float) -> int | None:
        """Return its exit code, a signal's negative; None if it had to be ended."""
        try:
            self._process.join(limit)
            return self._process.exitcode
        finally:
            if self._process.exitcode is None:
                _end(self._process.pid)
                self._process.join(5)


def _end(group: int) -> None:
    """End a trial and whatever its driver has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
