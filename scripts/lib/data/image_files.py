"""Which files of a folder are pictures, by their names; linked folders included.

Imported while Snakemake reads the rules: nothing slow here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

# Endings of one kind of file: a name that is listed with one may bear another.
JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")
TIFF = (".tif", ".tiff")
IMAGE_SUFFIXES = (*JPEG, ".png", *TIFF, ".webp", ".bmp", ".gif")
_AS_JPEG = "save it as JPEG or PNG"
# Pictures that are not read, but not passed over in silence either: what to do.
OTHER_SUFFIXES = {
    ".heic": f"HEIC, as phones take photos, is not read; {_AS_JPEG}",
    ".heif": f"HEIF is not read; {_AS_JPEG}",
    ".avif": f"AVIF is not read; {_AS_JPEG}",
    ".jxl": f"JPEG XL is not read; {_AS_JPEG}",
    ".jp2": f"JPEG 2000 is not read; {_AS_JPEG}",
    ".dng": f"a camera's raw file is not read; {_AS_JPEG}",
    ".cr2": f"a camera's raw file is not read; {_AS_JPEG}",
    ".nef": f"a camera's raw file is not read; {_AS_JPEG}",
    ".arw": f"a camera's raw file is not read; {_AS_JPEG}",
    ".psd": f"Photoshop's file is not read; {_AS_JPEG}",
    ".xcf": f"GIMP's file is not read; {_AS_JPEG}",
    ".svg": f"SVG is drawn by lines, not pixels, and not read; {_AS_JPEG}",
    ".pdf": "PDF is not read; save each page of it that is a drawing as JPEG or PNG",
}
# May hold a drawing or a letter to the parents: no fault unless it is listed.
DOCUMENTS = (".svg", ".pdf")
# What programs leave in folders; names of files and folders.
_LEFT_BY_PROGRAMS = ("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "lost+found")


@dataclass
class Found:
    """The files below a folder, relative to it and sorted; and what was not entered.

    passed_over: {link or folder: why nothing below it is seen}.
    """

    files: list[str] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)


def walk(folder: Path) -> Found:
    """Return the files below `folder`, also through links, each folder once.

    A link to a folder above it, or to one that was seen by another name, is not
    entered: links in circles have no end.
    """
    found, linked = Found(), []
    known = {_identity(above) for above in folder.absolute().parents}
    _enter(folder, "", found, known, linked)
    while linked:
        # Of several links to one folder the one that is the least deep, by name.
        linked.sort(key=lambda name: (name.count("/"), name), reverse=True)
        name = linked.pop()
        _enter(folder / name, f"{name}/", found, known, linked)
    found.files.sort()
    return found


def is_hidden(file: str) -> bool:
    """Tell whether a file, or a folder that holds it, is a program's, not a user's."""
    parts = PurePosixPath(file).parts
    return any(p.startswith((".", "~$")) or p in _LEFT_BY_PROGRAMS for p in parts)


def suffix_of(name: str) -> str:
    """Return the ending in lower case."""
    return PurePosixPath(name).suffix.lower()


def list_files(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """Return the files below `folder` that end so, in any case; relative, sorted.

    But for those of `list_unreadable_names`.
    """
    return [name for name in _names(folder, suffixes) if shown(name) == name]


def list_unreadable_names(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """Return, with escapes, the names that are no UTF-8: no table can hold them."""
    names = ((name, shown(name)) for name in _names(folder, suffixes))
    return [text for name, text in names if text != name]


def tell_others(folder: Path) -> str:
    """Return what is in a folder without pictures: "; there are 24 .heic, 1 .csv"."""
    walked = walk(folder)
    endings = [suffix_of(file) or "without an ending" for file in walked.files]
    ranked = sorted(set(endings), key=lambda e: (-endings.count(e), e))
    told = ", ".join(f"{endings.count(e)} {e}" for e in ranked[:5])
    advice = next((OTHER_SUFFIXES[e] for e in ranked if e in OTHER_SUFFIXES), None)
    parts = [f"there are {told}"] if told else []
    parts += [advice] if advice else []
    parts += [f"{name}: {why}" for name, why in [*walked.passed_over.items()][:3]]
    return "".join(f"; {part}" for part in parts)


def _names(folder: Path, suffixes: Sequence[str]) -> list[str]:
    return [name for name in walk(folder).files if suffix_of(name) in suffixes]


def shown(name: str) -> str:
    """Return a name with escapes for bytes that are no text."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def _enter(
    folder: Path, prefix: str, found: Found, known: set, linked: list[str]
) -> None:
    """Add the files below a folder; put links to folders on the list `linked`."""
    waiting = [(folder, prefix)]
    while waiting:
        path, before = waiting.pop()
        if _identity(path) in known:
            found.passed_over[before.rstrip("/")] = "read by another name, or above"
            continue
        known.add(_identity(path))
        try:
            entries = sorted(os.scandir(path), key=lambda e: e.name)
        except OSError as error:
            found.passed_over[before.rstrip("/")] = f"cannot be read: {error.strerror}"
            continue
        for entry in entries:
            name = before + entry.name
            try:
                mode = entry.stat().st_mode
            except OSError:
                if entry.is_symlink():
                    target = os.readlink(entry.path)
                    found.passed_over[name] = f"a link to {target}, which is not there"
                continue
            if stat.S_ISREG(mode):
                found.files.append(name)
            elif stat.S_ISDIR(mode) and entry.is_symlink():
                linked.append(name)
            elif stat.S_ISDIR(mode):
                waiting.append((Path(entry.path), name + "/"))
