"""One table of small networks for every layer and loss, and one set of tolerances.

Each case isolates one thing: the layer under test stands on the input and its output is
the network's, so that a comparison sees every number of forward and backward.
"""

from __future__ import annotations

from tests.engine.cases.case import (
    FINITE_DIFFERENCES,
    FLOAT32_FORWARD,
    FLOAT32_GRADIENT,
    Case,
    relative,
)
from tests.engine.cases.layers import (
    ACTIVATIONS,
    CLIPS,
    DROPOUTS,
    NORMS,
    PADS,
    POOLS,
    RESPONSE_NORMS,
    SCALES,
    SOFTMAXES,
)
from tests.engine.cases.networks import (
    LOSSES,
    MERGES,
    WHOLE,
)
from tests.engine.cases.weights import (
    CONNECTIONS,
    CONVOLUTIONS,
    DENSE,
)

CASES = [
    *CONVOLUTIONS,
    *DENSE,
    *POOLS,
    *PADS,
    *ACTIVATIONS,
    *CLIPS,
    *SCALES,
    *RESPONSE_NORMS,
    *SOFTMAXES,
    *NORMS,
    *DROPOUTS,
    *CONNECTIONS,
    *MERGES,
    *LOSSES,
    *WHOLE,
]

__all__ = [
    "ACTIVATIONS",
    "CASES",
    "CLIPS",
    "CONNECTIONS",
    "CONVOLUTIONS",
    "DENSE",
    "DROPOUTS",
    "FINITE_DIFFERENCES",
    "FLOAT32_FORWARD",
    "FLOAT32_GRADIENT",
    "LOSSES",
    "MERGES",
    "NORMS",
    "PADS",
    "POOLS",
    "RESPONSE_NORMS",
    "SCALES",
    "SOFTMAXES",
    "WHOLE",
    "Case",
    "relative",
]
