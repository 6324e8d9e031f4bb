"""Files that are whole or not there, and that hold the same bytes for the same content.

Everything goes through `engine.exchange.atomic`.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.exchange.atomic import atomic_write


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes, whole or not at all."""
    with atomic_write(path) as file:
        file.write(content)


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON with sorted keys; NaN and infinity are refused (ValueError)."""
    text = json.dumps(
        value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False
    )
    write_text(path, text + "\n")


def read_json(path: str | Path) -> Any:
    """Return the content of a JSON file.  Raises: ValueError naming the file."""
    try:
        text = Path(path).read_text("utf-8")
        value = json.loads(text)
        if "\\ud" in text.lower():  # half a character, by an escape, is no text
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    # ValueError: json's own, and a number of more digits than Python reads.
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected JSON, received: {error}") from None


def write_csv(
    path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Write a CSV file with a header; None becomes an empty field.

    Raises: ValueError for a row with a key that is not a column.
    """
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    # A writer whose lines end in \n does not quote \r, and readers end a line there.
    careful = csv.DictWriter(
        buffer, columns, lineterminator="\n", quoting=csv.QUOTE_ALL
    )
    writer.writeheader()
    for row in rows:
        has_return = any("\r" in v for v in row.values() if isinstance(v, str))
        (careful if has_return else writer).writerow(row)
    write_text(path, buffer.getvalue())


def write_npz(
    path: str | Path, *, compressed: bool = True, **arrays: np.ndarray
) -> None:
    """Write named arrays without pickle."""
    save = np.savez_compressed if compressed else np.savez
    with atomic_write(path) as file:
        save(file, allow_pickle=False, **arrays)


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
