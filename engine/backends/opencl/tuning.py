"""Which tile is the fastest on a device: measured once, kept on disk.

Only what leaves every byte of the results as it is may be chosen here: shapes of tiles
whose sums run in the same order.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyopencl as cl

from engine import cache
from engine.backends.opencl import texts
from engine.exchange.atomic import atomic_write
from engine.health import processor

Shape = tuple[int, ...]

# How often each shape is measured, in turn with the others; the least time counts. What
# is gained must be more than the noise.
_ROUNDS, _NOISE = 5, 0.05


class Tuning:
    """What was found to be the fastest on one device.

    Found shapes lie in a file of the user's cache folder, one for each device, driver
    and text of the kernels. A file that is missing or damaged is made anew; one that
    cannot be written is done without. enabled: False takes the first of all shapes.
    """

    def __init__(self, device: cl.Device, *, enabled: bool = True):
        self.enabled = enabled
        self._device = device
        self._found: dict[str, Shape] | None = None

    @property
    def file(self) -> Path:
        """Where the shapes are kept."""
        digest = hashlib.sha256(self._identity().encode()).hexdigest()[:16]
        return cache.folder() / f"tiles-{digest}.json"

    def choose(
        self,
        name: str,
        shapes: Sequence[Shape],
        prepare: Callable[[Shape], Callable[[], None]],
    ) -> Shape:
        """Return the fastest of `shapes`, the likeliest first.

        name: what is computed, with all its sizes. prepare(shape) gives what computes
        it, or a part of it that stands for the whole, and waits until that is done.
        """
        if not self.enabled or len(shapes) == 1:
            return shapes[0]
        if self._found is None:
            self._found = self._read()
        if self._found.get(name) not in shapes:
            self._found[name] = _fastest(shapes, [prepare(shape) for shape in shapes])
            self._write()
        return self._found[name]

    def _identity(self) -> str:
        """Return what the measurements depend on."""
        device = self._device
        names = (device.name, device.version, device.driver_version)
        units = device.max_compute_units
        return json.dumps([*names, processor.signature(), units, texts.digest()])

    def _read(self) -> dict[str, Shape]:
        try:
            content = json.loads(self.file.read_text())
            return {str(name): tuple(shape) for name, shape in content.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _write(self) -> None:
        """Keep what was found, beside what another process may have found meanwhile."""
        found = self._read() | self._found
        try:
            with atomic_write(self.file) as file:
                file.write(json.dumps(found, indent=1, sort_keys=True).encode())
        except OSError:
            pass  # the next process measures again


def _fastest(shapes: Sequence[Shape], runs: Sequence[Callable[[], None]]) -> Shape:
    """Return the shape of the fastest run; the first, unless another is clearly so."""
    for run in runs:
        run()  # the first time may compile
    seconds = [float("inf")] * len(runs)
    for _ in range(_ROUNDS):
        for i, run in enumerate(runs):
            start = time.perf_counter()
            run()
            seconds[i] = min(seconds[i], time.perf_counter() - start)
    best = min(range(len(runs)), key=seconds.__getitem__)
    return shapes[best if seconds[best] < (1.0 - _NOISE) * seconds[0] else 0]
