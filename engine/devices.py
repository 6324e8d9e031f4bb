"""Which devices there are, whether they can be trusted, and opening one by its name."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass

from engine.backends.base import Backend
from engine.errors import DeviceError, nearest
from engine.health import verdicts
from engine.health.verdicts import Verdict
from engine.settings import is_integer

_DOCTOR = "python -m engine doctor"
# Two trials of one device were seen 10 to 30 % apart, more on a busy machine: what is
# nearer than this is not told apart.
_NEAR = 1.5


@dataclass(frozen=True)
class Device:
    """One device.

    id: what `open_device` takes; kind: reference, cpu or gpu, "unknown" where a driver
    cannot be loaded; health: "healthy", or "unhealthy: " and the reason; platform: what
    OpenCL calls the driver, "" for the two that need none.
    """

    id: str
    name: str
    kind: str
    compute_units: int
    health: str = "healthy"
    platform: str = ""


@dataclass(frozen=True)
class _Found:
    """A device of OpenCL with what is known of it."""

    id: str
    driver: verdicts.Driver
    verdict: Verdict

    @property
    def text(self) -> str:
        return f"{self.id} ({self.verdict.name})"


def devices() -> list[Device]:
    """Return all devices: the two that need only NumPy, then OpenCL's.

    A device of OpenCL that was never used here is tried first, which takes seconds.
    """
    cores = _cores()
    found = [
        Device("reference", "NumPy float64", "reference", 1),
        Device("threads", "CPU threads, NumPy float32", "cpu", cores),
    ]
    for each in _opencl():
        v = each.verdict
        health = "healthy" if v.unhealthy is None else f"unhealthy: {v.unhealthy}"
        device = Device(each.id, v.name, v.kind, v.compute_units, health, v.platform[0])
        found.append(device)
    return found


def open_device(
    name: str = "auto", *, threads: int | None = None, tune: bool = True
) -> Backend:
    """Return the device as a backend to build networks on.

    name: "reference", "threads", "opencl" (the first that is healthy), "opencl:P:D"
    (platform and device by number, or by a part of their names), or "auto": the fastest
    of OpenCL's healthy devices and `threads`, by a step of training that was measured
    on each; it says on stderr which, and why not another.
    threads: the most CPU threads it may use; None: all cores.
    tune: OpenCL measures which shapes of its kernels are the fastest, once for each
    device, and keeps that in the user's cache folder; no result depends on it.

    Raises: DeviceError if there is no such device, or it is unhealthy.
    """
    if threads is not None and (not is_integer(threads) or threads < 1):
        raise DeviceError(
            f"threads: expected an integer of at least 1, received {threads!r}"
        )
    if name == "auto":
        return _open_auto(threads, tune)
    if name == "reference":
        from engine.backends.reference import Reference

        return Reference()
    if name == "threads":
        from engine.backends.threads import Threads

        return Threads(threads)
    if str(name).split(":")[0] == "opencl":
        return _open_opencl(_chosen(name), threads, tune)
    known = ["auto", "reference", "threads", "opencl"]
    raise DeviceError(
        f"device: expected {', '.join(known)} or opencl:PLATFORM:DEVICE, received "
        f"{name!r}{nearest(name, known)}; list them with: python -m engine devices"
    )


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _opencl() -> list[_Found]:
    """Return OpenCL's devices; a driver that cannot be loaded has a number, too."""
    found, first = [], 0
    for driver, known in verdicts.of_opencl():
        for v in known:
            p, d = v.number
            found.append(_Found(f"opencl:{first + p}:{d}", driver, v))
        first += 1 + max((v.number[0] for v in known), default=-1)
    return found


# --- one that is named ----------------------------------------------------------------


def _chosen(name: str) -> _Found:
    """Return the device of that name.

    Raises: DeviceError if nothing fits, or what fits is unhealthy.
    """
    if importlib.util.find_spec("pyopencl") is None:
        raise DeviceError(
            f"device {name}: pyopencl is not installed; install pyopencl[pocl], or use "
            "the device threads"
        )
    found = _opencl()
    if not found:
        raise DeviceError(
            f"device {name}: no OpenCL device was found; install pyopencl[pocl] for a "
            "CPU device, or use one of those there are: threads, reference"
        )
    wanted = str(name).split(":")[1:]
    if len(wanted) > 2:
        raise DeviceError(f"device: expected opencl:PLATFORM:DEVICE, received {name!r}")
    fitting = [each for each in found if _fits(each, wanted)]
    if not fitting:
        listed = ", ".join(
            f"{each.id} ({each.verdict.platform[0]}, {each.verdict.name})"
            for each in found
        )
        raise DeviceError(
            f"device: no OpenCL device fits {name!r}; there are: {listed}"
        )
    healthy = [each for each in fitting if each.verdict.unhealthy is None]
    if healthy:
        return healthy[0]
    reasons = "; ".join(f"{each.text}: {each.verdict.unhealthy}" for each in fitting)
    raise DeviceError(
        f"device {name}: unhealthy, {reasons}. Use the device threads, or auto; where "
        f"something has changed, `{_DOCTOR} --again` tries all devices anew"
    )


def _fits(found: _Found, wanted: list[str]) -> bool:
    numbers = found.id.split(":")[1:]
    full = found.verdict.platform[0], found.verdict.name
    for text, number, words in zip(wanted, numbers, full, strict=False):
        right = (
            int(text) == int(number)
            if text.isdigit()
            else text.lower() in words.lower()
        )
        if not right:
            return False
    return True


def _open_opencl(found: _Found, threads: int | None, tune: bool) -> Backend:
    """Return the backend on a healthy device.

    Raises: DeviceError if it is not there any more, or a CPU device cannot be limited.
    """
    from engine.backends.opencl import device as opencl

    # All that are healthy at once: a loader looks once in a process.
    healthy = [each for each in _opencl() if each.verdict.unhealthy is None]
    entries = opencl.loaded(dict.fromkeys(each.driver for each in healthy), threads)
    # Of platforms of one name and version, as two drivers may have, the one whose turn
    # it is.
    v = found.verdict
    alike = [each for each in healthy if each.verdict.platform == v.platform]
    place = list(dict.fromkeys(map(_platform, alike))).index(_platform(found))
    same = [entry for entry in entries if opencl.signature(entry[2]) == v.platform]
    platforms = sorted({p for p, _, _ in same})
    for p, d, device in same:
        if (platforms.index(p), d) == (place, v.number[1]):
            return opencl.opened(device, found.id, v.lanes, threads, tune=tune)
    raise DeviceError(
        f"device {found.text}: its driver {found.driver.library} was not loaded or "
        "does not show it any more; if this program uses pyopencl by itself, open the "
        f"engine's device first. `{_DOCTOR}` tells what there is"
    )


def _platform(found: _Found) -> str:
    return found.id.rpartition(":")[0]


# --- the fastest ----------------------------------------------------------------------


def _open_auto(threads: int | None, tune: bool) -> Backend:
    chosen, why = choice(threads)
    _say(f"engine: using {why}")
    if chosen is None:
        return open_device("threads", threads=threads)
    return _open_opencl(chosen, threads, tune)


def choice(threads: int | None = None) -> tuple[_Found | None, str]:
    """Return what `auto` takes (None: `threads`), and one line that says why.

    The least seconds of a trial's step. A CPU's were measured on one thread and are
    divided among those that may be used; a GPU's are those of all of it. Of devices
    nearly as fast the first listed, so that no other job takes another one by chance.
    """
    found = _opencl()
    cores = min(threads or _cores(), _cores())

    def seconds(v: Verdict) -> float:
        return v.seconds if v.kind == "gpu" else v.seconds / cores

    ranked = [(seconds(each.verdict), each.text, each)
              for each in found if each.verdict.unhealthy is None]  # fmt: skip
    sick = [f"not {each.text}: unhealthy, {each.verdict.unhealthy}"
            for each in found if each.verdict.unhealthy is not None]  # fmt: skip
    if not ranked:
        return None, "; ".join(["threads", *(sick or ["no OpenCL device was found"])])
    own = verdicts.of_threads()
    if own.unhealthy is None:
        ranked.append((seconds(own), "threads", None))
    least = min(time for time, _, _ in ranked)
    # Python's sort keeps the order of what is as near.
    ranked.sort(key=lambda entry: max(entry[0], _NEAR * least))
    (best, text, chosen), *others = ranked
    said = [f"{text}, {best * 1e3:.3g} ms a step"]
    for time, text, _ in others:
        near = " (nearly the same: the first listed is taken)" if time < best else ""
        said.append(f"not {text}, {time * 1e3:.3g} ms{near}")
    return chosen, "; ".join(said + sick)


_said: set[str] = set()


def _say(text: str) -> None:
    """Say it on stderr, once in a process."""
    if text not in _said:
        _said.add(text)
        print(text, file=sys.stderr, flush=True)


__all__ = ["Device", "choice", "devices", "open_device"]
