"""Networks from and to ONNX files. The package `onnx` is imported at the first use.

export: every layer, in evaluation: the batch axis is open, weights are float32.
load: 2-D images and vectors; the operators of `operators.OPERATORS`, and constants that
are computed in the file (`constants`) or kept beside it (`beside`). What comes back is
a network like any other. Images are (C, H, W) on both sides, also where the file has
the channels last and transposes them (`order`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import PackageError

if TYPE_CHECKING:
    from engine.backends.base import Backend
    from engine.network import Network


def export(network: Network, path: str | Path) -> None:
    """Write the network as it computes in `predict`, whole or not at all.

    The file's input is called `input`, (batch, *input shape); a network for classes
    gives logits, as `predict` does. Dropout stands in the file and does nothing there;
    dropconnect and initial laws are not kept. Any reader takes it, but for an even
    number of channels in local_response_norm, which onnxruntime does not have.
    Raises: PackageError without the package `onnx`; InputError for a network that is
    larger than such a file may be.
    """
    _need_package(path)
    from engine.exchange.onnx import writer

    writer.write(network, Path(path))


def load(
    path: str | Path, *, device: Backend | str | None = None, loss: Any = None
) -> Network:
    """Return the network of an ONNX file, trainable, with the file's weights.

    path: the file; weights that it keeps in other files are read from its own folder,
    under plain names, and from nowhere else.
    loss: as in a spec; None: the one `export` wrote, else squared_error.
    Raises: FileNotFoundError; CheckpointError for a file that is truncated or foreign,
    or whose weights are missing, too short or somewhere else; SpecError for operators,
    attributes and shapes that no layer can do, naming the nodes, and for a softmax or
    sigmoid at the end that the loss has in it; PackageError without the package `onnx`.
    """
    _need_package(path)
    from engine.exchange.onnx import reader

    return reader.load(Path(path), device, loss)


def _need_package(path: str | Path) -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise PackageError(
            f"{path}: the format ONNX needs the Python package onnx, which cannot be "
            f"imported ({error}); install it: pip install onnx"
        ) from None
