"""What was compiled before, on disk, for all processes of a user."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyopencl as cl
from pyopencl.characterize import has_src_build_cache

from engine import cache
from engine.backends.opencl import drivers, texts
from engine.exchange.atomic import atomic_write
from engine.health import processor

if TYPE_CHECKING:
    from engine.backends.opencl.program import Key

# A program that nobody used for so many seconds is removed when another is added.
_KEPT = 30 * 24 * 3600


class Library:
    """The programs that were compiled for one device, driver and text of the kernels.

    They lie in a folder of the user's cache folder: index.json says in which program a
    kernel is, and by what name; a program's file is named by its SHA-256. It is what
    the driver compiled, or the program's text where the driver itself keeps what it
    compiles. What is missing or damaged is compiled anew; a folder that cannot be
    written is done without.
    """

    def __init__(self, device: cl.Device, options: list[str]):
        self._by_text = bool(has_src_build_cache(device))
        names = device.platform.version, device.name, device.version
        parts = *names, device.driver_version, processor.signature(), options
        settings = drivers.settings(gpu=device.type != cl.device_type.CPU)
        identity = json.dumps([*parts, settings, texts.digest()])
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self.folder = cache.folder() / f"kernels-{digest}"

    def find(self, keys: Iterable[Key]) -> list[tuple[str | bytes, dict[Key, str]]]:
        """Return programs, and which of the kernels each has, by what names."""
        index, found = self._index(), {}
        for key in sorted(keys):
            digest, name = index.get(_line(key), ("", ""))
            if digest:
                found.setdefault(digest, {})[key] = name
        programs = ((self._content(digest), names) for digest, names in found.items())
        return [(content, names) for content, names in programs if content is not None]

    def add(self, program: cl.Program, text: str, names: Mapping[Key, str]) -> None:
        """Keep a program, beside what another process may have added meanwhile."""
        try:
            if self._by_text:
                content = text.encode()
            else:
                (content,) = program.get_info(cl.program_info.BINARIES)
            digest = hashlib.sha256(content).hexdigest()
            with atomic_write(self.folder / digest) as file:
                file.write(content)
            with cache.alone("kernels"):
                _tidy()
                index = {
                    line: (where, name)
                    for line, (where, name) in self._index().items()
                    if (self.folder / where).exists()
                }
                index |= {_line(key): (digest, name) for key, name in names.items()}
                with atomic_write(self.folder / "index.json") as file:
                    file.write(json.dumps(index, indent=1, sort_keys=True).encode())
        except (OSError, cl.Error):
            pass  # the next process compiles again

    def _content(self, digest: str) -> str | bytes | None:
        content = _read(self.folder / digest)
        if hashlib.sha256(content).hexdigest() != digest:
            return None
        return content.decode() if self._by_text else content

    def _index(self) -> dict[str, tuple[str, str]]:
        try:
            content = json.loads(_read(self.folder / "index.json"))
            return {
                line: (str(digest), str(name))
                for line, (digest, name) in content.items()
            }
        except (ValueError, TypeError, AttributeError):
            return {}


def _line(key: Key) -> str:
    files, name, definitions = key
    return " ".join([name, *files, *(f"{k}={v}" for k, v in definitions)])


def _read(file: Path) -> bytes:
    """Return a file's bytes, none if it cannot be read; note that it was used."""
    with suppress(OSError, ValueError):  # no name of a file is in a damaged index
        content = file.read_bytes()
        with suppress(OSError):
            os.utime(file)
        return content
    return b""


def _tidy() -> None:
    """Remove what nobody used for long, of whatever device and text."""
    for file in cache.folder().glob("kernels-*/*"):
        with suppress(OSError):  # another process did it
            if file.stat().st_mtime < time.time() - _KEPT:
                file.unlink()
                file.parent.rmdir()  # fails unless it was the last
