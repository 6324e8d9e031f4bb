"""Reading what the steps `images`, `parts`, `augment` wrote, checked for its form."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engine.exchange import npz

# Of one picture beside its id: the number of the copy, its drawing, its child.
COPIES = ("copy", "parent", "child")


class PictureFileError(ValueError):
    """A file of pictures that is not as the steps write it."""


def read_images(path: str | Path) -> tuple[np.ndarray, list[str]]:
    """Return (images, ids): uint8 (n, h, w) or (n, channels, h, w), and n texts.

    Raises: PictureFileError; CheckpointError for a damaged file; FileNotFoundError.
    """
    arrays = npz.read(Path(path), ("images", "ids"))
    _check(path, arrays)
    return arrays["images"], arrays["ids"].tolist()


def read_ids(path: str | Path) -> list[str]:
    """Return the ids alone, of a file of any size.  Raises: as read_images."""
    arrays = npz.read(Path(path), ("ids",))
    _check_column(path, "ids", arrays["ids"], None)
    return arrays["ids"].tolist()


def read_rows(path: str | Path, needed: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Return images, ids, copy, parent and child of each row.

    needed: which of COPIES must be there. Where nothing was enlarged every row is a
    picture itself, with no child beside it.
    Raises: as read_images.
    """
    path = Path(path)
    arrays = npz.read(path)
    missing = [name for name in ("images", "ids", *needed) if name not in arrays]
    if missing:
        raise PictureFileError(
            f"{path}: expected the arrays images, ids, {', '.join(COPIES)}, received "
            f"{', '.join(arrays) or 'none'}; make it anew"
        )
    ids = arrays["ids"]
    own = {"copy": np.zeros(ids.shape, np.int64), "parent": ids, "child": ids}
    arrays = own | {k: arrays[k] for k in ("images", "ids", *COPIES) if k in arrays}
    _check(path, arrays)
    return arrays


def _check(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    images = arrays["images"]
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape[1:]:
        raise PictureFileError(
            f"{path}: images: expected uint8 (n, height, width) or (n, channels, "
            f"height, width), received {images.dtype} {images.shape}; make it anew"
        )
    for name in ("ids", *COPIES):
        if name in arrays:
            _check_column(path, name, arrays[name], len(images))


def _check_column(
    path: str | Path, name: str, column: np.ndarray, n: int | None
) -> None:
    """Raise PictureFileError unless it is one text, or number, for each image."""
    kinds, wanted = ("iu", "integers") if name == "copy" else ("U", "texts")
    if (
        column.ndim != 1
        or column.dtype.kind not in kinds
        or n not in (None, len(column))
    ):
        raise PictureFileError(
            f"{path}: {name}: expected {wanted}, one for each "
            f"{'image' if n is None else f'of {n} images'}, received {column.dtype} "
            f"{column.shape}; make it anew"
        )
