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
# Pictures that are not read, but not passed over in silence either.
OTHER_SUFFIXES = (".bmp", ".gif", ".heic", ".jfif", ".tif", ".tiff", ".webp")
AGE_COLUMNS = ("age_years", "age_months")
# A factor's value where the source leaves it empty.
UNKNOWN = "unknown"
# The most of all names that may be unreadable; beyond it the data set is not
# understood.
REJECTED_LIMIT = 0.05

_SUBJECTS = {"m": "man", "w": "woman", "s": "self"}
_AUTHORS = {"m": "boy", "f": "girl"}
_ENDING = r"\.(?:jpe?g|png)"
# The name, or the name again and again.
_NAME = re.compile(
    r"(?P<name>(?P<category>nu|p[1-7])-(?P<number>[0-9]{1,4})(?P<subject>[mws])"
    r"-(?P<years>[0-9]{1,2})\.(?P<months>[0-9]{1,2})(?P<author>[mf]))"
    rf"(?:(?:{_ENDING})?[\s_-]*(?P=name))*"
)
# What stands before and behind a name: endings, "Copy of ", " (2)", " - Copy", "_copy".
_BEFORE = re.compile(r"^(?:copy of\s+)+")
_BEHIND = re.compile(rf"(?:{_ENDING}|\([0-9]+\)|[\s_-]*copy)$")
_HIDDEN = "a hidden file, as programs leave them: no drawing"


class LabelError(ValueError):
    """A labels source that cannot be used; names the file and what to do."""


@dataclass
class Labels:
    """What a source says.

    rows: one dict per drawing, sorted by `sample`: sample, file, child, the factors,
    age_years (whole years), age_months. rejected: dicts file, kind, reason, where kind
    is "rejected" (cannot be read) or "excluded" (no drawing, or left out by the data
    set's config).
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
    name. `sample` is the name in lower case, its numbers without leading zeros.

    Raises: ValueError with the reason if the name does not follow the grammar.
    """
    text = _BEFORE.sub("", name.strip().lower())
    while mark := _BEHIND.search(text):
        text = text[: mark.start()].rstrip()
    match = _NAME.fullmatch(text)
    if match is None:
        raise ValueError(
            "expected CATEGORY-NUMBERSUBJECT-YEARS.MONTHSAUTHOR such as p3-67w-6.7f "
            "(CATEGORY nu or p1 ... p7, SUBJECT m, w or s, AUTHOR m or f)"
        )
    years, months = int(match["years"]), int(match["months"])
    if months > 11:
        raise ValueError(f"months: expected 0 ... 11, received {months}")
    if years == months == 0:
        raise ValueError("age: expected more than 0 months, received 0")
    child = f"{match['category']}-{int(match['number'])}"
    return {
        "sample": f"{child}{match['subject']}-{years}.{months}{match['author']}",
        "child": child,
        "age_category": match["category"],
        "who_drew": _AUTHORS[match["author"]],
        "who_is_drawn": _SUBJECTS[match["subject"]],
        "age_years": years,
        "age_months": 12 * years + months,
    }


def from_names(files: Iterable[str]) -> Labels:
    """Return the labels of files named by S0's grammar; `files` are relative paths.

    Two files that name the same drawing (another case or ending, a copy, another
    folder): the first in sorted order is taken, the others are rejected.
    """
    labels = Labels(("age_category", "who_drew", "who_is_drawn"))
    taken: dict[str, str] = {}
    for file in sorted(files):
        if _is_hidden(file):
            labels.reject(file, _HIDDEN, "excluded")
            continue
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

    Columns: `file` (relative to the folder or to the folder above), the child's (config
    `columns: {child: NAME}`; else `child` or `participant`) and the factors' (config
    `factors`; `columns: {FACTOR: NAME}` where the file calls one otherwise),
    `age_months`. config may `keep` ({column: value}), `require` (columns
    that may not be empty) and `exclude` ({file's stem: reason}); what they leave out is
    listed as excluded. Two files that differ only in their ending would be one sample:
    the first that is listed is taken, the other rejected.

    Raises: LabelError for a missing file or column, or a file listed twice.
    """
    path = folder / "labels.csv"
    columns, table = _read_table(path, where)
    named = config.get("columns", {})
    child = named.get("child") or next(
        (name for name in ("child", "participant") if name in columns), "child"
    )
    called = {name: factor for factor, name in named.items() if factor != "child"}
    _need_columns(columns, list(called), path)
    columns = [called.get(name, name) for name in columns]
    factors = tuple(f for f in config["factors"] if f not in AGE_COLUMNS)
    asked = (*config.get("keep", ()), *config.get("require", ()))
    _need_columns(columns, ("file", child, "age_months", *factors, *asked), path)
    labels, present, seen = Labels(factors), set(files), set()
    taken: dict[str, str] = {}
    for number, row in enumerate(table, 1):
        record = {called.get(name, name): value for name, value in row.items()}
        file = _relative(record["file"] or "", folder, present)
        file = file or f"labels.csv, row {number}"
        if file in seen:
            raise LabelError(f"{path}: {file!r} is listed twice; leave one row")
        seen.add(file)
        if broken := _broken(record):
            labels.reject(file, broken)
        elif left_out := _left_out(record, file, config):
            labels.reject(file, left_out, "excluded")
        elif file not in present:
            labels.reject(file, "listed in labels.csv, but there is no such image")
        else:
            _take(labels, record, file, child, taken)
    for file in sorted(present - seen):
        hidden = _is_hidden(file)
        reason = _HIDDEN if hidden else "not listed in labels.csv"
        labels.reject(file, reason, "excluded" if hidden else "rejected")
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
        excluded = [e for e in labels.rejected if e["kind"] == "excluded"]
        others = "; ".join(f"{r['file']}: {r['reason']}" for r in excluded[:5])
        raise LabelError(
            f"{where}: expected drawings with labels, no drawing is left of "
            f"{len(labels.rejected)}. Rejected: {listed or 'none'}. Excluded: "
            f"{others or 'none'}"
        )
    total = len(rejected) + len(labels.rows)
    if len(rejected) > REJECTED_LIMIT * total:
        raise LabelError(
            f"{where}: {len(rejected)} of {total} drawings were rejected, expected at "
            f"most {REJECTED_LIMIT:.0%}; correct or remove them; the first: {listed}"
        )


def _is_hidden(file: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(file).parts)


def _read_table(path: Path, where: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the column names and the rows."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            columns, rows = list(reader.fieldnames or ()), list(reader)
    except FileNotFoundError:
        raise LabelError(
            f"{where}: expected the file {path}, which is not there"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise LabelError(f"{path}: expected a CSV file in UTF-8: {error}") from None
    if not rows:
        raise LabelError(
            f"{path}: expected column names and one row per drawing, received none"
        )
    return columns, rows


def _need_columns(columns: list[str], needed: Sequence[str], path: Path) -> None:
    needed = list(dict.fromkeys(needed))
    missing = [name for name in needed if name not in columns]
    if missing:
        raise LabelError(
            f"{path}: expected the columns {', '.join(needed)}; missing: "
            f"{', '.join(missing)}; there are: {', '.join(columns)}"
        )
    twice = [name for name in needed if columns.count(name) > 1]
    if twice:
        raise LabelError(f"{path}: columns given more than once: {', '.join(twice)}")


def _broken(record: Mapping[Any, Any]) -> str | None:
    """Return what is wrong with a row's form, or None."""
    if None in record:
        return "more fields than columns; put texts with commas in quotes"
    if None in record.values():
        return "fewer fields than columns"
    return None if record["file"].strip() else "the row names no file"


def _relative(file: str, folder: Path, present: set[str]) -> str:
    """Return a listed path relative to the folder; it may begin with its name."""
    if file in present:  # though it has blanks at its ends, or a backslash
        return file
    path = PurePosixPath(file.strip().replace("\\", "/"))
    if str(path) not in present and path.parts[:1] == (folder.absolute().name,):
        path = PurePosixPath(*path.parts[1:])
    return str(path) if path.parts else ""


def _left_out(record: Mapping[str, str], file: str, config: Mapping) -> str | None:
    """Return why the data set's config leaves a drawing out, or None."""
    for column, value in config.get("keep", {}).items():
        if record[column].strip() != value:
            return f"{column} is {record[column]!r}, kept is {value!r}"
    for column in config.get("require", ()):
        if not record[column].strip():
            return f"no {column}"
    return config.get("exclude", {}).get(PurePosixPath(file).stem)


def _take(
    labels: Labels,
    record: Mapping[str, str],
    file: str,
    child_column: str,
    taken: dict[str, str],
) -> None:
    """Add the row of a record, or reject it with the reason; taken: sample -> file."""
    text = record["age_months"].strip()
    try:
        months = float(text)
    except ValueError:
        months = math.nan
    if not math.isfinite(months) or months != int(months) or not 0 < months <= 1200:
        labels.reject(file, f"age_months: expected whole months, received {text!r}")
        return
    child = record[child_column].strip()
    if not child:
        labels.reject(file, f"no {child_column}: the child must be known")
        return
    sample = str(PurePosixPath(file).with_suffix(""))
    if sample in taken:
        labels.reject(file, f"names the same drawing as {taken[sample]}")
        return
    taken[sample] = file
    labels.rows.append(
        {
            "sample": sample,
            "file": file,
            "child": child,
            **{f: record[f].strip() or UNKNOWN for f in labels.factors},
            "age_years": int(months) // 12,
            "age_months": int(months),
        }
    )
