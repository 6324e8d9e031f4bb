"""Models as configured, fitted to the number of outputs that a target needs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.options import fill
from scripts.lib.io import inheritance


def load_model(
    path: str | Path,
    outputs: int,
    loss: str,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the spec of a model file with `outputs` outputs and the given loss.

    options: what differs from the file's own options.
    Raises: ValueError if the file cannot be read, has no such option, or no dense layer
    at its end.
    """
    try:
        spec = fill(inheritance.load(path), options)
        return fit_head(spec, outputs, loss)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def fit_head(spec: Mapping[str, Any], outputs: int, loss: str) -> dict[str, Any]:
    """Return a copy whose last dense layer has `outputs` units, and the loss.

    Raises: ValueError if anything but activations stands behind that layer.
    """
    fitted = copy.deepcopy(dict(spec))
    behind = reversed(fitted.get("layers") or [None])
    last = next((layer for layer in behind if not _is_activation(layer)), None)
    if not isinstance(last, Mapping) or not isinstance(last.get("dense"), Mapping):
        raise ValueError(
            "layers: the last layer, but for activations, must be dense (its units are "
            f"set to the number of outputs), received {last!r}"
        )
    last["dense"]["units"] = outputs
    fitted["loss"] = loss
    return fitted


def _is_activation(layer: Any) -> bool:
    return isinstance(layer, Mapping) and "activation" in layer
