"""Tables as Markdown and LaTeX from the rows of the CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.io.files import write_text

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
}


class TableError(ValueError):
    """A table's file that is not as `write_csv` writes it."""


def write_texts(
    csv_path: Path,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    notes: Iterable[str],
) -> None:
    """Write PATH.md and PATH.tex beside PATH.csv, with a title and notes."""
    notes = list(notes)
    write_text(csv_path.with_suffix(".md"), markdown(title, columns, rows, notes))
    write_text(csv_path.with_suffix(".tex"), latex(title, columns, rows, notes))


def read(path: str | Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return the rows of a table's CSV file; what is empty is an empty text.

    columns: those that must be there.
    Raises: TableError for a file that `write_csv` would not write; FileNotFoundError.
    """
    return read_with_columns(path, columns)[1]


def read_with_columns(
    path: str | Path, columns: Sequence[str] = ()
) -> tuple[list[str], list[dict[str, str]]]:
    """Return (names of the columns, rows).  As `read`."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(
            f"{path}: expected a CSV file in UTF-8, received: {error}; make it anew"
        ) from None
    missing = [name for name in columns if name not in header]
    if missing or len(set(header)) < len(header):
        raise TableError(
            f"{path}: expected columns that differ, among them {', '.join(columns)}, "
            f"received {', '.join(header) or 'none'}; make it anew"
        )
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise TableError(
                f"{path}: row {number}: expected {len(header)} fields, received "
                f"{len(row)}; make it anew"
            )
    return header, [dict(zip(header, row, strict=True)) for row in rows]


def about_data(source: Mapping[str, Any], what: str = "drawings") -> str:
    """Return the note that says whose data a table shows.

    source: source.json; what: its images are.
    """
    told = f"Data: {source['title']} ({source['dataset']}, {source['status']})."
    if source["status"] == "stand-in":
        told += (
            f" These are generated {what}, not the {source['stands_in_for']} "
            f"{what} of the document: no number here is a reproduction."
        )
    return told


def markdown(title: str, columns: Sequence[str], rows, notes: Iterable[str]) -> str:
    """Return a Markdown table under a heading, the notes below."""
    lines = [f"# {title}", "", _row(columns), _row("---" for _ in columns)]
    lines += [
        _row(_text(row.get(c)).replace("|", "\\|") for c in columns) for row in rows
    ]
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])


def latex(title: str, columns: Sequence[str], rows, notes: Iterable[str]) -> str:
    """Return a LaTeX table environment (booktabs), the notes in its caption."""
    body = [" & ".join(_escape(_text(row.get(c))) for c in columns) for row in rows]
    head = " & ".join(_escape(column) for column in columns)
    caption = _escape(" ".join([f"{title}.", *notes]))
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{'l' * len(columns)}}}",
            r"\toprule",
            head + r" \\",
            r"\midrule",
            *(line + r" \\" for line in body),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).splitlines())


def _escape(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
