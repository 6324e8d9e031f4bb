"""Numbers that an ONNX file keeps in files beside it, as PyTorch writes them.

A model is a stranger's. So only a regular file is opened that lies in the model's own
folder, under a plain name; of it only the bytes that the tensor's shape and type ask
for; and of all tensors together no more than MOST_NUMBERS.
"""

from __future__ import annotations

import math
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from onnx import TensorProto, helper

from engine.errors import CheckpointError

# All constants of a model together: a few bytes can ask for terabytes.
MOST_NUMBERS = 2**30

_ONE_FILE = "onnx.save(onnx.load(path), path, save_as_external_data=False)"


def is_external(tensor: TensorProto) -> bool:
    """Return whether another file holds the tensor's numbers."""
    return tensor.data_location == TensorProto.EXTERNAL


class Beside:
    """The files beside a model."""

    def __init__(self, model: Path):
        self.folder, self._left = model.parent, MOST_NUMBERS

    def inlined(self, tensor: TensorProto, where: str) -> TensorProto:
        """Return an external tensor of numbers with the numbers in it.

        Raises: CheckpointError for a place that is not allowed, not there or too short.
        """
        # str: protobuf leaves bytes where they are no UTF-8
        told = {str(entry.key): str(entry.value) for entry in tensor.external_data}
        location = told.get("location", "")
        where = f"{where}, kept in the file {location!r},"
        begin = _count(told.get("offset", "0"), f"{where} offset")
        width = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        numbers = math.prod(tensor.dims)
        if min(tensor.dims, default=0) < 0 or numbers > self._left:
            raise CheckpointError(
                f"{where} has the shape {[*tensor.dims]}; a file's constants may be "
                f"{MOST_NUMBERS:,} numbers together"
            )
        size = numbers * width
        length = _count(told.get("length", str(size)), f"{where} length")
        if length != size:
            raise CheckpointError(
                f"{where} length: expected {size:,} bytes for the shape "
                f"{[*tensor.dims]}, received {length:,}"
            )
        self._left -= numbers
        content = self._bytes(location, begin, size, where)
        return TensorProto(
            dims=tensor.dims, data_type=tensor.data_type, raw_data=content
        )

    def _bytes(self, location: str, begin: int, size: int, where: str) -> bytes:
        place = self._place(location, where)
        try:
            held = place.stat().st_size
            if held < begin + size:
                raise CheckpointError(
                    f"{where} needs the bytes {begin:,} to {begin + size:,}, the file "
                    f"holds {held:,}: it is truncated, or of another model"
                )
            with place.open("rb") as file:
                file.seek(begin)
                return file.read(size)
        except OSError as error:
            raise CheckpointError(f"{where} cannot be read: {error}") from None

    def _place(self, location: str, where: str) -> Path:
        """Return the path of a file in the model's folder.  Raises: CheckpointError."""
        names = {PurePosixPath(location).name, PureWindowsPath(location).name}
        if names != {location} or location in ("", "..") or "\0" in location:
            raise CheckpointError(
                f"{where} is not read: expected a plain name of a file in the model's "
                f"folder. Save the model as one file: {_ONE_FILE}"
            )
        try:
            place = (self.folder / location).resolve()
            if not place.exists():
                raise CheckpointError(
                    f"{where} is missing: there is no such file in {self.folder}. Copy "
                    "it there, under this name, from where the model was exported; or "
                    f"there save the model as one file: {_ONE_FILE}"
                )
            if place.parent != self.folder.resolve() or not place.is_file():
                raise CheckpointError(
                    f"{where} is not read: expected a file, received a folder, a "
                    "device or a link that leads out of the model's folder; put the "
                    "file itself there"
                )
        except (OSError, RuntimeError) as error:  # too long a name; links in a circle
            raise CheckpointError(f"{where} cannot be read: {error}") from None
        return place


def _count(value: str, where: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise CheckpointError(
            f"{where}: expected a number of bytes, received {value!r}"
        )
    return int(value)
