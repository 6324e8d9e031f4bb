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
        kernel, -(-size // _CHUNK), w, dw, first, second, numbers, decay,
        np.uint64(size),
    )  # fmt: skip

    def run() -> None:
        values = rule.at(state)
        numbers[: len(values)] = values
        kernel.set_arg(4, numbers)
        if decays:
            decay[:] = rule.decay_at(state)
            kernel.set_arg(5, decay)
        launch()

    return run
