"""Reading an HDF5 file in a process of its own.

The HDF5 library believes what a file says of itself: over some damaged files it never
ends, over others it crashes, and no error can be caught. So a process that can be
ended reads it, and hands the arrays over.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from engine.errors import CheckpointError
from engine.exchange import npz
from engine.exchange.keras_files import StoredLayer, read_here

SECONDS = 120  # weights of 500 MB take some seconds
_LARGEST = 8  # bytes of a number
_REFUSED = 3  # exit status: the answer is an error's text


def read(path: Path, seconds: float = SECONDS) -> list[StoredLayer]:
    """Return what `keras_files.read_here` does.

    Raises: CheckpointError, also where the library does not end in time or crashes.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "arrays.npz"
        known = os.pathsep.join(place or os.getcwd() for place in sys.path)
        try:
            done = subprocess.run(
                [sys.executable, "-m", __name__, str(path), str(out)],
                env=os.environ | {"PYTHONPATH": known},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CheckpointError(
                f"{path}: expected weights that are read within {seconds} s, the HDF5 "
                "library did not end; the file is damaged"
            ) from None
        if done.returncode == _REFUSED:
            raise CheckpointError(json.loads(done.stdout))
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise CheckpointError(
                f"{path}: the HDF5 library ended with status {done.returncode} "
                f"({''.join(last) or 'no word'}); the file is damaged"
            )
        arrays = npz.read(out)
    return [
        StoredLayer(name, {v: arrays[key] for v, key in variables}, kind, line)
        for name, kind, line, variables in json.loads(done.stdout)
    ]


def main(path: Path, out: Path) -> None:
    """Read a file; write its arrays to `out`, their names as JSON to stdout."""
    try:
        layers = read_here(path)
        arrays: dict[str, np.ndarray] = {}
        told = []
        for i, layer in enumerate(layers):
            variables = [(name, f"{i}.{j}") for j, name in enumerate(layer.arrays)]
            told.append((layer.name, layer.kind, layer.line, variables))
            for name, key in variables:
                arrays[key] = _number(path, name, layer.arrays[name])
        npz.write(out, arrays)
    except CheckpointError as error:
        json.dump(str(error), sys.stdout)
        sys.exit(_REFUSED)
    json.dump(told, sys.stdout)


def _number(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    """Return an array that an .npz can hold.  Raises: CheckpointError."""
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > _LARGEST:
        raise CheckpointError(
            f"{path}: {name}: expected numbers, received {array.dtype}"
        )
    return array


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
