"""Labels of drawings: the grammar of the file names, and what all kinds share.

`labels.csv` is read by `labels_csv`.

Source: S0 section 2.1; EXPERIMENTS "File names", "A second label source".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from scripts.lib.data import image_files
from scripts.lib.data.image_files import DOCUMENTS, IMAGE_SUFFIXES, OTHER_SUFFIXES

AGE_COLUMNS = ("age_years", "age_months")
# What belongs together, and must not stand on two sides of a split.
GROUP = "group"
# A factor's value where the source leaves it empty.
UNKNOWN = "unknown"
# The most of all names that may be unreadable; beyond it the data set is not
# understood.
REJECTED_LIMIT = 0.05

_SUBJECTS = {"m": "man", "w": "woman", "s": "self"}
_AUTHORS = {"m": "boy", "f": "girl"}
_ENDING = rf"(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})"
# The name, or the name again and again.
_NAME = re.compile(
    r"(?P<name>(?P<category>nu|p[1-7])-(?P<number>[0-9]{1,4})(?P<subject>[mws])"
    r"-(?P<years>[0-9]{1,2})\.(?P<months>[0-9]{1,2})(?P<author>[mf]))"
    rf"(?:(?:{_ENDING})?[\s_-]*(?P=name))*"
)
# What stands before and behind a name: endings, "Copy of ", " (2)", " - Copy", "_copy".
_BEFORE = re.compile(r"^(?:copy of\s+)+")
_BEHIND = re.compile(rf"(?:{_ENDING}|\([0-9]+\)|[\s_-]*copy)$")
HIDDEN = "a hidden file, as programs leave them: no drawing"


class LabelError(ValueError):
    """A labels source that cannot be used; names the file and what to do."""


@dataclass
class Labels:
    """What a source says.

    rows: one dict per image, sorted by `sample`: sample, file, group (who drew it), the
    factors, and where they are recorded age_years (whole years), age_months. rejected:
    dicts file, kind, reason, where kind is "rejected" (cannot be read) or "excluded"
    (no drawing, or left out by the data set's config). notes: what was read otherwise
    than it is written; no fault.
    """

    factors: tuple[str, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

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
        GROUP: child,
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
        if image_files.is_hidden(file):
            labels.reject(file, HIDDEN, "excluded")
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


def in_folder(labels: Labels, folder: Path) -> Labels:
    """Return labels with all on their list that lies in the folder and is not read."""
    list_leftovers(labels, image_files.walk(folder))
    known = (*IMAGE_SUFFIXES, *OTHER_SUFFIXES)
    for file in image_files.list_unreadable_names(folder, known):
        labels.reject(file, "expected a name in UTF-8; rename it")
    return labels


def list_leftovers(labels: Labels, walked: image_files.Found) -> None:
    """Put on the list what lies in the folder and is no picture that can be read.

    One that lies beside a drawing of the same name is that drawing in another form.
    """
    mentioned = {row["file"] for row in labels.rows}
    beside = {str(PurePosixPath(file).with_suffix("")) for file in mentioned}
    mentioned |= {entry["file"] for entry in labels.rejected}
    for file in walked.files:
        suffix = image_files.suffix_of(file)
        if suffix not in OTHER_SUFFIXES or file in mentioned:
            continue
        if image_files.is_hidden(file):
            labels.reject(file, HIDDEN, "excluded")
        elif str(PurePosixPath(file).with_suffix("")) in beside:
            labels.reject(file, "beside a picture of the same name", "excluded")
        else:
            kind = "excluded" if suffix in DOCUMENTS else "rejected"
            labels.reject(file, OTHER_SUFFIXES[suffix], kind)
    for name, reason in sorted(walked.passed_over.items()):
        labels.reject(name, reason, "excluded")


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
