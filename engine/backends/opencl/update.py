"""The optimiser's update on OpenCL: one launch. The kernel: kernels/update.cl."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from engine.backends.base import Stage
from engine.backends.update import UpdateRule

if TYPE_CHECKING:
    from engine.backends.opencl.backend import FlatArray, OpenCL

_CHUNK = 2048


def update(
    backend: OpenCL, rule: UpdateRule, w: FlatArray, dw: FlatArray, *kept: FlatArray
) -> Stage:
    """Return the stage that changes w and what is kept."""
    decays = any(rule.decay.kinds)
    defined = {rule.name.upper(): 1, "KEPT": len(kept), "DECAYS": int(decays)}
    kernel = backend.programs.kernel(("update",), "update", **defined)
    first, second = (*kept, w, w)[:2]  # where the rule keeps less, w is not touched
    # The kernel's numbers: the rule's, in its order, and the decay's.
    numbers, decay = np.zeros(8, np.float32), np.zeros(4, np.float32)
    size, state = math.prod(w.shape), backend.state
    launch = backend.launch(
        kernel, -(-size // _CHUNK), w, dw, first, second, backend.fault, numbers,
        decay, np.uint64(size),
    )  # fmt: skip

    known: dict[int, tuple[float, ...]] = {}

    def set_changed(place: int, argument: np.ndarray, values: tuple) -> None:
        # Setting an argument takes the host longer than all the rest of a launch.
        if known.get(place) != values:
            known[place] = values
            argument[: len(values)] = values
            kernel.set_arg(place, argument)

    def run() -> None:
        set_changed(5, numbers, rule.at(state))
        if decays:
            set_changed(6, decay, rule.decay_at(state))
        launch()

    return run
