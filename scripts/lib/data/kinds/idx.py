"""The kind `idx`: the files of MNIST, EMNIST and Fashion-MNIST.

Images and labels of a training and a test part, gzipped or not, under their official
names: [PREFIX]train-images-idx3-ubyte[.gz], [PREFIX]test-… or t10k-….
Source: http://yann.lecun.com/exdb/mnist (the format).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from scripts.lib.data import labels
from scripts.lib.data.configured import DatasetError
from scripts.lib.data.kind import Config, Images, Kind, Rows, where_from

PARTS = ("train", "test")
_WHAT = {"images": 3, "labels": 1}
_NAMED = {"train": "train", "test": "(?:test|t10k)"}


def files_of(config: Config, folder: Path) -> list[str]:
    """Return the four files, and that of the classes' names.  Raises: DatasetError."""
    found = [_file(config, folder, part, what) for part in PARTS for what in _WHAT]
    classes = config.get("classes")
    if isinstance(classes, str):
        if not (folder / classes).is_file():
            raise DatasetError(
                f"{config['title']}: classes: expected the file {folder / classes}, it "
                "is not there"
            )
        found.append(classes)
    return sorted(found)


def _file(config: Config, folder: Path, part: str, what: str) -> str:
    """Return the name of one of the four files."""
    if not folder.is_dir():
        raise DatasetError(
            f"{config['title']}: expected the folder {folder}, it is not there"
        )
    prefix = re.escape(config["prefix"]) if "prefix" in config else "(?:.*-)?"
    name = rf"{prefix}{_NAMED[part]}-{what}[-.]idx{_WHAT[what]}-ubyte(?:\.gz)?"
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    fit = [n for n in names if re.fullmatch(name, n)]
    plain = {n.removesuffix(".gz") for n in fit}
    if len(plain) == 1:
        return fit[0]  # unpacked, where it is there twice
    if fit:
        raise DatasetError(
            f"{config['title']}: {folder}: expected one file of {part} {what}, "
            f"received {', '.join(fit)}; say which by `prefix`"
        )
    official = f"{'t10k' if part == 'test' else part}-{what}-idx{_WHAT[what]}-ubyte"
    raise DatasetError(
        f"{config['title']}: expected a file such as {official}.gz in {folder}, there "
        f"are {', '.join(names[:6]) or 'none'}; {where_from(config)}"
    )


def read_labels(config: Config, folder: Path, files: Sequence[str]) -> labels.Labels:
    """Return class and part of each image, which stands for itself.

    First the training part, then the test part, in the files' order.
    Raises: DatasetError, IdxError.
    """
    from scripts.lib.data import idx_files

    read = {}
    for part in PARTS:
        path = folder / _file(config, folder, part, "labels")
        read[path, part] = idx_files.read(path, 1).tolist()
    names = _names(config, folder, max(max(numbers) for numbers in read.values()))
    found = labels.Labels(("class", "part"))
    for (path, part), numbers in read.items():
        for i, number in enumerate(numbers):
            if number not in names:
                raise DatasetError(
                    f"{path}: image {i} is of class {number}; classes: expected its "
                    f"name, {len(names)} are named"
                )
            name = _sample(part, i)
            row = {"sample": name, "file": path.name, labels.GROUP: name}
            found.rows.append({**row, "class": names[number], "part": part})
    return found


def _sample(part: str, number: int) -> str:
    return f"{part}-{number:06d}"


def _names(config: Config, folder: Path, largest: int) -> dict[int, str]:
    """Return the classes' names by their numbers.

    Of a file as EMNIST's mapping: each line a number, and the number of its character.
    """
    classes = config.get("classes")
    if isinstance(classes, str):
        path, names = folder / classes, {}
        for line in path.read_text("utf-8").splitlines():
            numbers = line.split()
            if not all(n.isdecimal() for n in numbers) or len(numbers) not in (2, 3):
                raise DatasetError(
                    f"{path}: expected lines such as `10 65` (class, character), "
                    f"received {line!r}"
                )
            names[int(numbers[0])] = chr(int(numbers[1]))
        return names
    if classes:
        return dict(enumerate(classes))
    digits = len(str(largest))  # so that they are sorted as the numbers are
    return {number: f"{number:0{digits}d}" for number in range(largest + 1)}


def read_images(config: Config, folder: Path, rows: Rows) -> Images:
    """Return the images of both parts, uint8 (n, 1, h, w).

    `transposed`: they are stored column by column, as EMNIST's are.
    Raises: DatasetError for images of another size than the configuration says.
    """
    import numpy as np

    from scripts.lib.data import idx_files

    parts, ids = [], []
    for part in PARTS:
        path = folder / _file(config, folder, part, "images")
        pixels = idx_files.read(path, 3)
        if config.get("transposed"):
            pixels = pixels.transpose(0, 2, 1)
        width, height = config["image"]["width"], config["image"]["height"]
        if pixels.shape[1:] != (height, width):
            raise DatasetError(
                f"{path}: its images have {pixels.shape[2]} × {pixels.shape[1]} pixels "
                f"(width × height); image: expected the same, received {width} × "
                f"{height}; correct the data set's file"
            )
        parts.append(pixels[:, None])
        ids += [_sample(part, i) for i in range(len(pixels))]
    return Images(np.concatenate(parts), ids)


def check_folder(config: Config, folder: Path) -> None:
    """Refuse a folder without one of the files.  Raises: DatasetError."""
    files_of(config, folder)


def problems(config: Config) -> Iterator[str]:
    """Yield what such files cannot say."""
    if config["factors"] != ["class"]:
        yield f"factors: expected [class], received {config['factors']}"
    if config["image"].get("channels", 1) != 1:
        yield f"image.channels: expected 1, received {config['image']['channels']}"


KIND = Kind(
    files_of,
    read_labels,
    read_images,
    lambda config, files: [f for f in files if "-images" not in f],
    problems,
    check_folder,
    has_parts=lambda config: True,
)
