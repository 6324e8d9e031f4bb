"""The kind `folders`: photos in a folder for each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from scripts.lib.data import image_files, labels
from scripts.lib.data.kind import Config, Kind
from scripts.lib.data.kinds.s0_names import files_of, read_images


def read_labels(config: Config, folder: Path, files: Sequence[str]) -> labels.Labels:
    """Return the class that each image's folder names: CLASS/…/NAME.

    With `parts: {train: FOLDER, test: FOLDER}` it lies below that of its part:
    FOLDER/CLASS/…/NAME. Each image stands for itself.
    Raises: LabelError.
    """
    of = {name: part for part, name in config.get("parts", {}).items()}
    found = labels.Labels(("class", *(["part"] if of else [])))
    wanted = "PART/CLASS/NAME" if of else "CLASS/NAME"
    for file in files:
        folders = PurePosixPath(file).parts[:-1]
        if image_files.is_hidden(file):
            found.reject(file, labels.HIDDEN, "excluded")
        elif len(folders) <= bool(of):
            found.reject(file, f"expected {wanted}, it lies in no folder of a class")
        elif of and folders[0] not in of:
            told = f"expected the folder of a part ({', '.join(of)}) first"
            found.reject(file, told, "excluded")
        else:
            row = {"sample": file, "file": file, labels.GROUP: file}
            row |= {"part": of[folders[0]]} if of else {}
            found.rows.append({**row, "class": folders[bool(of)]})
    return labels.in_folder(found, folder)


def problems(config: Config) -> Iterator[str]:
    """Yield what a folder cannot say, or what must be said of it."""
    if config["factors"] != ["class"]:
        yield f"factors: expected [class], received {config['factors']}"
    if "channels" not in config["image"]:
        yield "image.channels: expected 1 (grey) or 3 (colour), received none"


KIND = Kind(
    files_of,
    read_labels,
    read_images,
    lambda config, files: [],
    problems,
    has_parts=lambda config: "parts" in config,
)
