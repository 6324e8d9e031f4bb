"""Reading a labels.csv as spreadsheets and people write it: its encoding and dialect.

How fields are separated is found once, from the column names, for the whole file.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from scripts.lib.data import label_text
from scripts.lib.data.spelling import clean, folded

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
# A first line by which Excel is told the separator.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<separator>[^\r\n])"?(\r\n|\r|\n)', re.I)


class TableError(ValueError):
    """A table that cannot be read; names the file and what to do."""


@dataclass(frozen=True)
class Table:
    """A table as it stands in the file.

    rows: (number, fields), where the first row below the column names is 1 and rows
    without any text are passed over but counted.
    """

    path: Path
    columns: list[str]
    rows: list[tuple[int, list[str]]]
    encoding: str
    separator: str

    @property
    def told(self) -> str:
        """How it was read."""
        return f"read as {self.encoding}, separated by {_SEPARATORS[self.separator]}"

    def place(self, name: str) -> int | None:
        """Return where a column stands, or None if it is not there.

        Its name is taken as written, else without regard to case, blanks and dashes.
        Raises: TableError if two columns have it.
        """
        for known in (self.columns, [_plain(column) for column in self.columns]):
            asked = name if known is self.columns else _plain(name)
            places = [i for i, column in enumerate(known) if column == asked]
            if len(places) > 1:
                raise TableError(f"{self.path}: columns given more than once: {name}")
            if places:
                return places[0]
        return None

    def broken(self, row: Sequence[str], needed: Sequence[int]) -> str | None:
        """Return what is wrong with a row's form, or None.

        needed: the columns that may not be missing at a row's end. Texts beyond the
        last named column are too much, for then a comma stood in another field.
        """
        named = max((i for i, c in enumerate(self.columns) if clean(c)), default=-1) + 1
        if any(clean(field) for field in row[named:]):
            told = f"more fields than columns ({len(row)}, {named})"
            numbers = [
                f"{a},{b}"
                for a, b in pairwise(row)
                if a.strip().isdecimal() and b.isdecimal()
            ]
            if numbers and self.separator == ",":
                return (
                    f"{told}; is {numbers[0]!r} a number with a decimal comma? Put it "
                    "in quotes, or write a point"
                )
            return f"{told}; put texts with {_SEPARATORS[self.separator]} in quotes"
        if len(row) <= max(needed, default=-1):
            told = f"fewer fields than columns ({len(row)}, {named})"
            for other, name in _SEPARATORS.items():
                if other != self.separator and row[0].count(other) >= named - 1 > 0:
                    told += f"; it is separated by {name}, the column names are not"
            return told
        return None


def read(path: Path, wanted: Sequence[str], where: str) -> Table:
    """Read a table; wanted: names by which its line of column names is understood.

    UTF-8, or UTF-16 with its mark; fields are separated by commas, semicolons, tabs or
    bars, as a line `sep=;` says or as gives most of the wanted names.
    Raises: TableError naming the file, what was found, and what to do.
    """
    try:
        text, encoding = label_text.decode(path.read_bytes())
    except FileNotFoundError:
        raise TableError(
            f"{where}: expected the file {path}, which is not there{_beside(path)}"
        ) from None
    except label_text.TextError as error:
        raise TableError(f"{path}: {error}") from None
    first = _SEPARATOR_LINE.match(text)
    body = text[first.end() :] if first else text
    separators = [*_SEPARATORS]
    if first and first["separator"] in _SEPARATORS:
        separators.remove(first["separator"])
        separators.insert(0, first["separator"])
    # max takes the first of equals: the one that is declared, else the comma.
    separator = max(separators, key=lambda s: _fit(_joined(body, s), s, wanted))
    rows = _records(_joined(body, separator), separator, path)
    columns = next((row for _, row in rows), [])
    begin = next((number for number, _ in rows), 0)
    below = [(number - begin, row) for number, row in rows if number > begin]
    if not below:
        raise TableError(
            f"{path}: expected column names and one row per drawing, received none"
        )
    return Table(path, columns, below, encoding, separator)


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", folded(name))


def _joined(text: str, separator: str) -> str:
    """Return a text without blanks before quotes: such a quote would begin no field."""
    return re.sub(rf"(^|{re.escape(separator)})[ \u00a0]+\"", r'\1"', text, flags=re.M)


def _fit(text: str, separator: str, wanted: Sequence[str]) -> tuple[int, int]:
    """Return how many wanted names, and columns, the first row gives."""
    known = {_plain(name) for name in wanted}
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            if any(map(clean, row)):
                return len(known.intersection(map(_plain, row))), len(row)
    except csv.Error:
        pass
    return 0, 0


def _records(text: str, separator: str, path: Path) -> list[tuple[int, list[str]]]:
    """Return (number, fields) of all rows that hold any text, counted from 0."""
    return [
        (number, row)
        for number, row in enumerate(_parse(text, separator, path))
        if any(map(clean, row))
    ]


def _parse(text: str, separator: str, path: Path) -> Iterator[list[str]]:
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True)
    begun = 1
    try:
        for row in reader:
            yield row
            begun = reader.line_num + 1
    except csv.Error as error:
        raise TableError(
            f"{path}: expected a CSV file separated by {_SEPARATORS[separator]}: the "
            f"row that begins at line {begun}: {error}; are its quotes in pairs?"
        ) from None


def _beside(path: Path) -> str:
    """Return the hint at a table under another name in the same folder."""
    if not path.parent.is_dir():
        return ""
    names = sorted(p.name for p in path.parent.iterdir() if p.is_file())
    like = [n for n in names if Path(n).stem.lower().startswith(path.stem)]
    tables = [n for n in names if Path(n).suffix.lower() in (".csv", ".tsv", ".xlsx")]
    near = like or tables
    return f"; there is {near[0]!r}: save it as {path.name}, CSV UTF-8" if near else ""
