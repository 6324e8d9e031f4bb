"""One convolution to be measured: its numbers, what it costs on paper, its arrays."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine import random
from engine.backends.geometry import ConvGeometry
from scripts.lib.conv_study.settings import sizes

FORWARD, BACKWARD = "forward", "backward"
PASSES = (FORWARD, BACKWARD)
SERIALISATION = "serialisation"
BYTES = 4  # of a number, float32 in all ways


@dataclass(frozen=True)
class Case:
    """A convolution of square maps and kernels, stride 1, without biases.

    series: the names of those in the experiment's file that it belongs to.
    """

    batch: int
    maps_in: int
    maps_out: int
    size: int
    kernel: int
    padding: int
    series: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return how tables call it."""
        maps = f"{self.maps_in}to{self.maps_out}"
        return f"batch{self.batch}-maps{maps}-size{self.size}"

    @property
    def geometry(self) -> ConvGeometry:
        """Return its numbers as the engine has them."""
        return ConvGeometry(
            channels=self.maps_in,
            height=self.size,
            width=self.size,
            filters=self.maps_out,
            kernel=(self.kernel, self.kernel),
            padding=(self.padding, self.padding),
            padding_end=(self.padding, self.padding),
        )

    @property
    def out_size(self) -> int:
        """Return the rows, and columns, of y: without padding H − K + 1, as in S4."""
        return self.geometry.out_height

    @property
    def calls(self) -> int:
        """Return BatchSize × F_out × F_in, the calls of S4's convolution function."""
        return self.batch * self.maps_out * self.maps_in

    @property
    def multiply_adds(self) -> int:
        """Return those of every way, forward and backward: calls × K² × H_out W_out."""
        return self.calls * self.kernel**2 * self.out_size**2

    def map_bytes(self, side: str) -> int:
        """Return the bytes of all maps `in` (x, dx) or `out` (y, dy).

        Those of the result are S4's S_forward = BatchSize × F_out × H_out × W_out and
        S_backward = BatchSize × F_in × H_in × W_in.
        """
        maps, size = {
            "in": (self.maps_in, self.size),
            "out": (self.maps_out, self.out_size),
        }[side]
        return BYTES * self.batch * maps * size**2

    def given_bytes(self, which: str) -> int:
        """Return the bytes of the maps that a pass reads: x forward, dy backward."""
        return self.map_bytes("in" if which == FORWARD else "out")

    def result_bytes(self, which: str) -> int:
        """Return the bytes of what a pass gives: y forward, dx backward."""
        return self.map_bytes("out" if which == FORWARD else "in")

    def formula_bytes(self, way: str, which: str) -> int:
        """Return the storage by a way's formula, without its Θ(1).

        S4's S_forward or S_backward; of the serialisation also its columns, K² · F_in ×
        BatchSize · H_out W_out, for which S4 has words only.
        """
        columns = BYTES * self.kernel**2 * self.maps_in * self.batch * self.out_size**2
        return self.result_bytes(which) + (columns if way == SERIALISATION else 0)

    def arrays(self, which: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return noise, float32: x or dy (N, F, H, W), and w (F_out, F_in, K, K)."""
        return _noise(self, which, seed)


# Every way of a pass takes the same arrays, and none changes them.
@functools.lru_cache(maxsize=1)
def _noise(case: Case, which: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    maps, size = case.maps_in, case.size
    if which == BACKWARD:
        maps, size = case.maps_out, case.out_size
    draw = random.stream(seed, "noise", case.name, which)
    given = draw.normal(size=(case.batch, maps, size, size))
    w = draw.normal(size=(case.maps_out, case.maps_in, case.kernel, case.kernel))
    return given.astype(np.float32), w.astype(np.float32)


def cases_of(settings: Mapping[str, Any]) -> list[Case]:
    """Return every case once, the least work first; settings: of an experiment."""
    found: dict[Case, Case] = {}
    for name, series in settings["series"].items():
        for numbers in sizes(series):
            case = Case(
                **numbers, kernel=settings["kernel"], padding=settings["padding"]
            )
            known = found.get(case, case)
            if name not in known.series:
                found[case] = replace(known, series=(*known.series, name))
    return sorted(found.values(), key=lambda case: (case.multiply_adds, case.name))
