"""The `labels_csv` kind: a folder of drawings and a table of what is known of each."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from scripts.lib.data import image_files, label_table, spelling
from scripts.lib.data.file_matching import Names, near_files, stem
from scripts.lib.data.labels import (
    AGE_COLUMNS,
    GROUP,
    HIDDEN,
    UNKNOWN,
    LabelError,
    Labels,
)

_NAMED = 3  # spellings that a note names
_MISSING = "listed in labels.csv, but there is no such image"


@dataclass
class _Reading:
    """What is known while the rows are read.

    columns: {what the column is used as: its place}; seen: {file: (row, as written)};
    taken: {sample: file}; numbers: {sample: row}; missing: listed names without a file;
    respelled: in words, names that were found under another spelling; meant: {file:
    the listed name that may mean it}.
    """

    table: label_table.Table
    config: Mapping[str, Any]
    child: str
    columns: dict[str, int]
    labels: Labels
    seen: dict[str, tuple[int, str]] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    respelled: list[str] = field(default_factory=list)
    meant: dict[str, str] = field(default_factory=dict)


def from_csv(
    folder: Path, files: Sequence[str], config: Mapping[str, Any], where: str
) -> Labels:
    """Return the labels of a folder with a `labels.csv`.

    Columns: `file` (relative to the folder or to the folder above), the child's or
    another group's (config `columns: {group: NAME}` or `{child: NAME}`; else `child` or
    `participant`) and the factors' (config `factors`; `columns: {FACTOR: NAME}` where
    the file calls one otherwise), `age_months` if an age is among them, and with
    `columns: {part: NAME}` whether it is of the set's part train or test. config may
    `keep` ({column: value}), `require` (columns that may not be empty) and `exclude`
    ({file's stem: reason}); what they leave out is listed as excluded. Two files that
    differ only in their ending would be one sample: the first that is listed is taken,
    the other rejected. How tables, names and spellings are read: `label_table`,
    `file_matching`, `spelling`.

    Raises: LabelError for a missing file or column, a file listed twice, or children
    who may be one (config `similar_names`).
    """
    walked = image_files.walk(folder)
    reading = _open(folder / "labels.csv", config, where)
    labels = reading.labels
    names = Names(folder, {*files, *walked.files} - {"labels.csv"})
    for number, row in reading.table.rows:
        _read_row(reading, names, number, row)
    unlisted = set(files) - set(reading.seen)
    near = near_files(
        reading.missing, {f for f in unlisted if not image_files.is_hidden(f)}
    )
    for name in reading.missing:
        labels.reject(name, _why_missing(name, near.get(name), walked))
    reading.meant |= {file: name for name, file in near.items()}
    _list_unlisted(labels, unlisted, reading.meant)
    _join_spellings(reading)
    _note_found(reading)
    labels.rows.sort(key=lambda row: row["sample"])
    return labels


def _open(path: Path, config: Mapping[str, Any], where: str) -> _Reading:
    """Read the table and find its columns.  Raises: LabelError."""
    columns = config.get("columns", {})
    named = {"child": columns.get("group", "child"), **columns}
    named.pop("group", None)
    factors = tuple(f for f in config["factors"] if f not in AGE_COLUMNS)
    ages = ["age_months"] if set(config["factors"]) & set(AGE_COLUMNS) else []
    rules = (*config.get("keep", ()), *config.get("require", ()))
    used = dict.fromkeys(("file", "child", *ages, *factors, *named, *rules))
    wanted = {name: named.get(name, name) for name in used}
    try:
        asked = [*wanted.values(), "participant"]
        table = label_table.read(path, asked, where)
        if not {"child", "group"} & set(columns) and table.place("child") is None:
            taken = "participant" if table.place("participant") is not None else "child"
            wanted["child"] = taken
        places = {name: table.place(called) for name, called in wanted.items()}
    except label_table.TableError as error:
        raise LabelError(str(error)) from None
    missing = [wanted[name] for name, place in places.items() if place is None]
    if missing:
        raise LabelError(
            f"{path}: expected the columns {', '.join(dict.fromkeys(wanted.values()))};"
            f" missing: {', '.join(missing)}; there are: {', '.join(table.columns)} "
            f"({table.told})"
        )
    told = Labels((*factors, "part") if "part" in named else factors)
    reading = _Reading(table, config, wanted["child"], places, told)
    if (table.encoding, table.separator) != ("UTF-8", ","):
        reading.labels.notes.append(f"{path}: {table.told}")
    return reading


def _read_row(reading: _Reading, names: Names, number: int, row: Sequence[str]) -> None:
    """Add one row's drawing, or list why it is not used."""
    record = {
        name: row[place] if place < len(row) else ""
        for name, place in reading.columns.items()
    }
    listed, labels = record["file"], reading.labels
    fit = names.find(listed)
    file = fit[0] if len(fit) == 1 else names.paths(listed)[-1]
    broken = reading.table.broken(row, list(reading.columns.values()))
    broken = broken or _swallowed(record, ("child", *labels.factors))
    if not file or (broken and not fit):  # its fields may stand in other columns
        others = {other for text in row for other in names.find(text)}
        file = others.pop() if len(others) == 1 else f"labels.csv, row {number}"
    if file in reading.seen:
        first, written = reading.seen[file]
        raise LabelError(
            f"{reading.table.path}: {file!r} is listed twice, in row {first} "
            f"({written!r}) and row {number} ({listed!r}); leave one row"
        )
    reading.seen[file] = number, listed
    if len(fit) == 1 and file not in (listed, *names.paths(listed)):
        reading.respelled.append(spelling.show(listed, file))
    suffix = image_files.suffix_of(file)
    if broken:
        labels.reject(file, broken)
    elif not spelling.clean(listed):
        labels.reject(file, "the row names no file")
    elif left_out := _left_out(record, file, reading.config):
        labels.reject(file, left_out, "excluded")
    elif len(fit) > 1:
        told = " and ".join(map(repr, fit[:_NAMED]))
        labels.reject(file, f"{len(fit)} files fit this name, {told}; write which")
        reading.meant |= dict.fromkeys(fit, file)
    elif not fit:
        reading.missing.append(file)
    elif suffix in image_files.OTHER_SUFFIXES:
        labels.reject(file, image_files.OTHER_SUFFIXES[suffix])
    elif suffix not in image_files.IMAGE_SUFFIXES:
        known = ", ".join(image_files.IMAGE_SUFFIXES)
        labels.reject(file, f"its ending is none of {known}; rename or convert it")
    else:
        _take(reading, record, file, number)


def _swallowed(record: Mapping[str, str], columns: Sequence[str]) -> str | None:
    """Return what is wrong with a row whose quotes have taken in others, or None."""
    for name in columns:
        if len(record[name].strip().splitlines()) > 1:
            return f"{name}: several lines in one field; are its quotes in pairs?"
    return None


def _left_out(record: Mapping[str, str], file: str, config: Mapping) -> str | None:
    """Return why the data set's config leaves a drawing out, or None."""
    for column, value in config.get("keep", {}).items():
        if spelling.folded(record[column]) != spelling.folded(value):
            return f"{column} is {record[column]!r}, kept is {value!r}"
    for column in config.get("require", ()):
        if not spelling.clean(record[column]):
            return f"no {column}"
    name = spelling.clean(PurePosixPath(stem(file)).name)
    for excluded, reason in config.get("exclude", {}).items():
        if spelling.clean(excluded) == name:
            return reason
    return None


def _take(reading: _Reading, record: Mapping[str, str], file: str, number: int) -> None:
    """Add the row of a record, or reject it with the reason."""
    labels = reading.labels
    ages = {}
    if "age_months" in reading.columns:
        text = spelling.clean(record["age_months"])
        months = _months(text)
        if months is None:
            labels.reject(file, f"age_months: expected whole months, received {text!r}")
            return
        ages = {"age_years": months // 12, "age_months": months}
    if "part" in labels.factors and record["part"].strip() not in ("train", "test"):
        told = f"part: expected train or test, received {record['part']!r}"
        labels.reject(file, told)
        return
    child = spelling.clean(record["child"])
    if not child:
        labels.reject(file, f"no {reading.child}: the child must be known")
        return
    if told := spelling.lost(child):
        labels.reject(file, f"{reading.child}: {child!r} is {told}; write who it is")
        return
    sample = str(PurePosixPath(file).with_suffix(""))
    if sample in reading.taken:
        labels.reject(file, f"names the same drawing as {reading.taken[sample]}")
        return
    reading.taken[sample], reading.numbers[sample] = file, number
    labels.rows.append(
        {
            "sample": sample,
            "file": file,
            GROUP: record["child"].strip(),
            **{factor: _value(record[factor]) for factor in labels.factors},
            **ages,
        }
    )


def _value(text: str) -> str:
    known = spelling.clean(text)
    unknown = not known or spelling.folded(known) == UNKNOWN or spelling.lost(known)
    return UNKNOWN if unknown else text.strip()


def _months(text: str) -> int | None:
    """Return whole months, 1 ... 1200; with a decimal comma as with a point."""
    try:
        months = math.nan if "_" in text else float(text.replace(",", "."))
    except ValueError:
        return None
    whole = math.isfinite(months) and months == int(months) and 0 < months <= 1200
    return int(months) if whole else None


def _why_missing(name: str, near: str | None, walked: image_files.Found) -> str:
    """Return why a listed name has no file, and what may be meant."""
    if near is not None:
        return f"{_MISSING}; there is {near!r}: correct the one or the other"
    for above in (name, *map(str, PurePosixPath(name).parents)):
        if above in walked.passed_over:
            return f"{_MISSING}: {above!r} is {walked.passed_over[above]}"
    return _MISSING


def _list_unlisted(
    labels: Labels, unlisted: Collection[str], meant: Mapping[str, str]
) -> None:
    """List the files that no row names; meant: {file: the row that probably does}."""
    beside = {row["sample"] for row in labels.rows}
    for file in sorted(unlisted):
        name = str(PurePosixPath(file).with_suffix(""))
        if image_files.is_hidden(file):
            labels.reject(file, HIDDEN, "excluded")
        elif file in meant:
            told = f"not listed in labels.csv, which lists {meant[file]!r}: see there"
            labels.reject(file, told, "excluded")
        elif name in beside:
            labels.reject(file, "beside a picture of the same name", "excluded")
        else:
            labels.reject(file, "not listed in labels.csv")


def _join_spellings(reading: _Reading) -> None:
    """Give each child, and each value of a factor, one spelling.

    Raises: LabelError for those that may be one, unless `similar_names` says so or not.
    """
    labels, choice = reading.labels, reading.config.get("similar_names")
    for column in (GROUP, *labels.factors):
        joined = spelling.join_certain({row[column] for row in labels.rows})
        _note_joined(reading, column, joined)
        for row in labels.rows:
            row[column] = joined[row[column]]
        groups = spelling.alike({row[column] for row in labels.rows})
        if groups and choice is None:
            raise LabelError(_told_alike(reading, column, groups))
        if groups and choice == "joined":
            _join(reading, column, groups)


def _join(reading: _Reading, column: str, groups: Sequence[Sequence[str]]) -> None:
    labels = reading.labels
    values = [row[column] for row in labels.rows]
    one = {name: spelling.most_used(g, values) for g in groups for name in g}
    for row in labels.rows:
        row[column] = one.get(row[column], row[column])
    _note_joined(reading, column, one)


def _note_joined(reading: _Reading, column: str, joined: Mapping[str, str]) -> None:
    """Note which values, written otherwise, count as one."""
    spellings = defaultdict(list)
    for written in sorted(joined):
        spellings[joined[written]].append(written)
    several = [group for group in spellings.values() if len(group) > 1]
    if several:
        told = [spelling.show(*group) for group in several]
        what = reading.child if column == GROUP else column
        reading.labels.notes.append(f"{what}: read as one: {_first(told)}")


def _told_alike(reading: _Reading, column: str, groups: Sequence[Sequence[str]]) -> str:
    rows: dict[str, list[int]] = defaultdict(list)
    for row in reading.labels.rows:
        rows[row[column]].append(reading.numbers[row["sample"]])
    told = [
        " and ".join(
            f"{name!r} (row {min(rows[name])}"
            + (f" and {len(rows[name]) - 1} more)" if len(rows[name]) > 1 else ")")
            for name in group
        )
        for group in groups
    ]
    what = f"children ({reading.child})" if column == GROUP else column
    return (
        f"{reading.table.path}: {what}: expected one spelling of each, {len(groups)} "
        f"may be one under several: {_first(told)}. If they are one, correct the table "
        "or write `similar_names: joined` in the data set's file; if they are not, "
        "write `similar_names: apart`"
    )


def _first(told: Sequence[str]) -> str:
    more = len(told) - _NAMED
    return "; ".join(told[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _note_found(reading: _Reading) -> None:
    labels = reading.labels
    if reading.respelled:
        told = f"{len(reading.respelled)} files are found under another spelling"
        labels.notes.append(f"{told}: {_first(reading.respelled)}")
    stems = {spelling.clean(PurePosixPath(stem(f)).name) for f in reading.seen}
    for name in reading.config.get("exclude", {}):
        if spelling.clean(name) not in stems:
            labels.notes.append(f"exclude: {name!r} fits no file of labels.csv")
