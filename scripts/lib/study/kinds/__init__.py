"""The kinds of experiments: one module each, named here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.lib.study.kinds import (
    convolutions,
    diagnostics,
    keras_peer,
    ladder,
    training,
    xor,
)
from scripts.lib.study.kinds.kind import Kind

KINDS: dict[str, Kind] = {
    "training": training.KIND,
    "ladder": ladder.KIND,
    "diagnostics": diagnostics.KIND,
    "keras_peer": keras_peer.KIND,
    "convolutions": convolutions.KIND,
    "xor": xor.KIND,
}


def of(experiment: Mapping[str, Any]) -> Kind:
    """Return an experiment's kind."""
    return KINDS[experiment["kind"]]
