"""Models as configured, fitted to the number of outputs that a target needs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def load_model(path: str | Path, outputs: int, loss: str) -> dict[str, Any]:
    """Return the spec of a model file with `outputs` outputs and the given loss.

    Raises: ValueError if the file cannot be read or does not end in a dense layer.
    """
    try:
        spec = yaml.safe_load(Path(path).read_text("utf-8"))
        return fit_head(spec, outputs, loss)
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def fit_head(spec: Mapping[str, Any], outputs: int, loss: str) -> dict[str, Any]:
    """Return a copy whose last layer, a dense one, has `outputs` units, and the loss.

    Raises: ValueError if the last layer is not dense.
    """
    fitted = copy.deepcopy(dict(spec))
    last = fitted.get("layers", [None])[-1]
    if not isinstance(last, Mapping) or not isinstance(last.get("dense"), Mapping):
        raise ValueError(
            "layers: the last layer must be dense (its units are set to the number of "
            f"outputs), received {last!r}"
        )
    last["dense"]["units"] = outputs
    fitted["loss"] = loss
    return fitted
