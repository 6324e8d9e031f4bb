"""The packages that only the comparisons need: are they there, and how to get them."""

from __future__ import annotations

import importlib.util

from engine.errors import PackageError

TORCH = ("torch",)
KERAS = ("torch", "keras")


def missing(*names: str) -> str:
    """Return which of these packages is not there and what installs it, or ''."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            return f"no {name} here: `make .venv/compare` installs it"
    return ""


def require_keras() -> None:
    """Do nothing where Keras and what it computes on are installed.

    Raises: PackageError.
    """
    if said := missing(*KERAS):
        raise PackageError(
            f"keras_peer: expected the packages {' and '.join(KERAS)}, received "
            f"{said}; nothing else needs it"
        )
