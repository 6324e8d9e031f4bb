"""Which file of a folder a name in a table means."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from scripts.lib.data import spelling
from scripts.lib.data.image_files import (
    IMAGE_SUFFIXES,
    JPEG,
    OTHER_SUFFIXES,
    TIFF,
    suffix_of,
)

_MOST_COMPARED = 100_000  # pairs of names whose likeness is measured letter by letter


class Names:
    """The names of the files of a folder, to be found by what a table calls them."""

    def __init__(self, folder: Path, present: Iterable[str]):
        self._folder = spelling.folded(folder.absolute().name)
        self._present = set(present)
        self._by_name = _grouped(self._present, spelling.folded)
        self._by_stem = _grouped(self._present, _stem_key)

    def find(self, listed: str) -> list[str]:
        """Return the files that a name fits: one, none, or several, which is no answer.

        As written; else without the folder's own name (and what is before it) and with
        / for \\; else whatever their Unicode form and case; else with another ending of
        the same kind of file, or the ending added.
        """
        if listed in self._present:  # though it has blanks at its ends, or a backslash
            return [listed]
        paths = self.paths(listed)
        for path in paths:
            if path in self._present:
                return [path]
        for known, key in (
            (self._by_name, spelling.folded),
            (self._by_stem, _stem_key),
        ):
            for path in paths:
                fit = [f for f in known.get(key(path), ()) if _same_kind(path, f)]
                read = [f for f in fit if suffix_of(f) in IMAGE_SUFFIXES]
                if fit:
                    return read or fit
        return []

    def paths(self, listed: str) -> list[str]:
        """Return how a name may be meant, relative to the folder; at least once."""
        return list(self._paths(listed)) or [""]

    def _paths(self, listed: str) -> Iterator[str]:
        for text in dict.fromkeys((listed.strip(), unquote(listed.strip()))):
            path = PurePosixPath(text.replace("\\", "/"))
            if not path.parts:
                continue
            yield str(path)
            for i, part in enumerate(path.parts[:-1]):
                if spelling.folded(part) == self._folder:
                    yield str(PurePosixPath(*path.parts[i + 1 :]))


def near_files(missing: Collection[str], unlisted: Collection[str]) -> dict[str, str]:
    """Return {missing name: the unlisted file that is probably meant}.

    By its name without folder and ending, with leading zeros, accents and punctuation
    aside; of few names also by their letters. No file is named for two.
    """
    by_key, found, left = _grouped(unlisted, _bare), {}, set(unlisted)
    for name in missing:
        fit = by_key.get(_bare(name), ())
        if len(fit) == 1 and fit[0] in left:
            found[name] = fit[0]
            left.remove(fit[0])
    rest = [name for name in missing if name not in found]
    if len(rest) * len(left) <= _MOST_COMPARED:
        for name in rest:
            for file in difflib.get_close_matches(name, sorted(left), 1, 0.85):
                found[name] = file
                left.remove(file)
    return found


def stem(file: str) -> str:
    """Return a name without its ending, if that is a picture's."""
    return str(PurePosixPath(file).with_suffix("")) if _has_ending(file) else file


def _has_ending(file: str) -> bool:
    return suffix_of(file) in (*IMAGE_SUFFIXES, *OTHER_SUFFIXES)


def _stem_key(file: str) -> str:
    return spelling.folded(stem(file))


def _bare(file: str) -> tuple[str, ...]:
    return spelling.key(PurePosixPath(stem(file).replace("\\", "/")).name)


def _same_kind(listed: str, file: str) -> bool:
    """Tell whether a listed name's ending allows a file: the same kind, or none."""
    endings = suffix_of(listed), suffix_of(file)
    return (
        endings[0] == endings[1]
        or not _has_ending(listed)
        or any(set(endings) <= set(kind) for kind in (JPEG, TIFF))
    )


def _grouped(
    names: Iterable[str], key: Callable[[str], Hashable]
) -> dict[Hashable, list[str]]:
    groups = defaultdict(list)
    for name in sorted(names):
        groups[key(name)].append(name)
    return groups
