"""Labels of drawings: the grammar of the file names, and the `labels.csv` kind.

Source: S0 section 2.1; EXPERIMENTS "File names", "A second label source".
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
AGE_COLUMNS = ("age_years", "age_months")
# A factor's value where the source leaves it empty.
UNKNOWN = "unknown"
# The most of all names that may be unreadable; beyond it the data set is not
# understood.
REJECTED_LIMIT = 0.05

_SUBJECTS = {"m": "man", "w": "woman", "s": "self"}
_AUTHORS = {"m": "boy", "f": "girl"}
_NAME = re.compile(
    r"(?P<category>nu|p[1-7])-(?P<number>\d{1,4})(?P<subject>[mws])"
    r"-(?P<years>\d{1,2})\.(?P<months>\d{1,2})(?P<author>[mf])"
)
# What copying leaves behind a name: " (2)", " - Copy", "_copy".
_COPY_MARK = re.compile(r"(\s*\(\d+\)|[\s_-]*copy)+$", re.IGNORECASE)


class LabelError(ValueError):
    """A labels source that cannot be used; names the file and what to do."""


@dataclass
class Labels:
    """What a source says.

    rows: one dict per drawing, sorted by `sample`: sample, file, child, the factors,
    age_years (whole years), age_months. rejected: dicts file, kind, reason, where kind
    is "rejected" (cannot be read) or "excluded" (left out by the data set's config).
    """

    factors: tuple[str, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, str]] = field(default_factory=list)

    def reject(self, file: str, reason: str, kind: str = "rejected") -> None:
        """Put a file on the list of those that are not used."""
        self.rejected.append({"file": file, "kind": kind, "reason": reason})


def parse_name(name: str) -> dict[str, Any]:
    """Return the labels in a name CATEGORY-NUMBERSUBJECT-YEARS.MONTHSAUTHOR.

    `p3-67w-6.7f.jpeg`: child p3-67, 6 years 7 months = 79 months, a girl drew a woman.
    YEARS.MONTHS is not a decimal: 6.1 is 73 months, 6.10 is 82. Any case; .jpg, .jpeg
    or .png, also twice; a name written twice over and marks of copying are read as the
    name.

    Raises: ValueError with the reason if the name does not follow the grammar.
    """
    text = name.strip().lower()
    while PurePosixPath(text).suffix in IMAGE_SUFFIXES:
        text = text[: -len(PurePosixPath(text).suffix)].strip()
    text = _COPY_MARK.sub("", text)
    half = len(text) // 2
    if len(text) % 2 == 0 and text[:half] == text[half:]:
        text = text[:half]
    match = _NAME.fullmatch(text)
    if match is None:
        raise ValueError(
            "expected CATEGORY-NUMBERSUBJECT-YEARS.MONTHSAUTHOR such as p3-67w-6.7f "
            "(CATEGORY nu or p1 ... p7, SUBJECT m, w or s, AUTHOR m or f)"
        )
    years, months = int(match["years"]), int(match["months"])
    if months > 11:
        raise ValueError(f"months: expected 0 ... 11, received {months}")
    child = f"{match['category']}-{int(match['number'])}"
    return {
        "sample": text,
        "child": child,
        "age_category": match["category"],
        "who_drew": _AUTHORS[match["author"]],
        "who_is_drawn": _SUBJECTS[match["subject"]],
        "age_years": years,
        "age_months": 12 * years + months,
    }


def from_names(files: Iterable[str]) -> Labels:
    """Return the labels of files named by S0's grammar; `files` are relative paths.

    Two files that name the same drawing (another case or ending, a copy): the first in
    sorted order is taken, the others are rejected.
    """
    labels = Labels(("age_category", "who_drew", "who_is_drawn"))
    taken: dict[str, str] = {}
    for file in sorted(files):
        try:
            row = parse_name(PurePosixPath(file).name)
        except ValueError as error:
            labels.reject(file, str(error))
            continue
        if row["sample"] in taken:
            labels.reject(file, f"names the same drawing as {taken[row['sample']]}")
            continue
        taken[row["sample"]] = file
        labels.rows.append({**row, "file": file})
    labels.rows.sort(key=lambda row: row["sample"])
    return labels


def from_csv(
    folder: Path, files: Sequence[str], config: Mapping[str, Any], where: str
) -> Labels:
    """Return the labels of a folder with a `labels.csv`.

    Columns: `file` (relative to the folder or to the folder above), the child's column
    and the factors' (config `columns: {child: NAME}`, `factors`), `age_months`. config
    may `keep` ({column: value}), `require` (columns that may not be empty) and
    `exclude` ({file's stem: reason}); what they leave out is listed as excluded.

    Raises: LabelError for a missing file or column, or a file listed twice.
    """
    table = _read_table(folder / "labels.csv", where)
    child_column = config.get("columns", {}).get("child", "child")
    factors = tuple(f for f in config["factors"] if f not in AGE_COLUMNS)
    _need_columns(table, ("file", child_column, "age_months", *factors), folder)
    labels, present, seen = Labels(factors), set(files), set()
    for record in table:
        file = _relative(record["file"], folder.name)
        if file in seen:
            raise LabelError(f"{folder / 'labels.csv'}: {file!r} is listed twice")
        seen.add(file)
        left_out = _left_out(record, file, config)
        if left_out:
            labels.reject(file, left_out, "excluded")
        elif file not in present:
            labels.reject(file, "listed in labels.csv, but there is no such file")
        else:
            _take(labels, record, file, child_column)
    for file in sorted(present - seen):
        labels.reject(file, "not listed in labels.csv")
    labels.rows.sort(key=lambda row: row["sample"])
    return labels


def check(labels: Labels, where: str) -> None:
    """Refuse labels that are not good enough to go on with.

    Raises: LabelError if no drawing is left, or more than 5 % of the names are
    rejected.
    """
    rejected = [entry for entry in labels.rejected if entry["kind"] == "rejected"]
    listed = "; ".join(f"{r['file']}: {r['reason']}" for r in rejected[:5])
    if not labels.rows:
        raise LabelError(
            f"{where}: no drawing is left. {listed or 'The folder is empty'}"
        )
    total = len(rejected) + len(labels.rows)
    if len(rejected) > REJECTED_LIMIT * total:
        raise LabelError(
            f"{where}: {len(rejected)} of {total} drawings were rejected, expected at "
            f"most {REJECTED_LIMIT:.0%}; the first: {listed}"
        )


def _read_table(path: Path, where: str) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file, strict=True))
    except FileNotFoundError:
        raise LabelError(
            f"{where}: expected the file {path}, which is not there"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path}: expected a CSV file in UTF-8: {error}") from None


def _need_columns(table: list[dict], columns: Sequence[str], folder: Path) -> None:
    path = folder / "labels.csv"
    if not table:
        raise LabelError(f"{path}: expected one row per drawing, received none")
    missing = [column for column in columns if column not in table[0]]
    if missing:
        raise LabelError(
            f"{path}: expected the columns {', '.join(columns)}; missing: "
            f"{', '.join(missing)}; there are: {', '.join(map(str, table[0]))}"
        )


def _relative(file: str, folder: str) -> str:
    """Return a listed path relative to the folder; it may begin with its name."""
    parts = PurePosixPath(file.strip().replace("\\", "/")).parts
    return str(PurePosixPath(*(parts[1:] if parts[:1] == (folder,) else parts)))


def _left_out(record: Mapping[str, str], file: str, config: Mapping) -> str | None:
    """Return why the data set's config leaves a drawing out, or None."""
    for column, value in config.get("keep", {}).items():
        if record.get(column) != value:
            return f"{column} is {record.get(column)!r}, kept is {value!r}"
    for column in config.get("require", ()):
        if not (record.get(column) or "").strip():
            return f"no {column}"
    return config.get("exclude", {}).get(PurePosixPath(file).stem)


def _take(labels: Labels, record: Mapping, file: str, child_column: str) -> None:
    """Add the row of one record, or reject it with the reason."""
    text = (record["age_months"] or "").strip()
    try:
        months = float(text)
    except ValueError:
        months = math.nan
    if not math.isfinite(months) or months != int(months) or not 0 < months <= 1200:
        labels.reject(file, f"age_months: expected whole months, received {text!r}")
        return
    child = (record[child_column] or "").strip()
    if not child:
        labels.reject(file, f"no {child_column}: the child must be known")
        return
    labels.rows.append(
        {
            "sample": str(PurePosixPath(file).with_suffix("")),
            "file": file,
            "child": child,
            **{f: (record[f] or "").strip() or UNKNOWN for f in labels.factors},
            "age_years": int(months) // 12,
            "age_months": int(months),
        }
    )
