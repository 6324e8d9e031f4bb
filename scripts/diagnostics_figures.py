"""Step `diagnostics_figures`: a picture of one table of the step `diagnostics`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from scripts.lib import figures
from scripts.lib.diagnostics import figures as own
from scripts.lib.io import cli, tables

DRAWN = {
    "derivatives": own.derivatives,
    "w2": own.w2,
    "freezeconnect": own.freezeconnect,
}


def make_figure(part: str, table: Path, output: Path) -> None:
    """Draw a table's CSV file; the data, scale and seeds stand below.

    Raises: ValueError for a table without rows.
    """
    texts = tables.read(table)
    if not texts:
        raise ValueError(f"{table}: expected rows, received none; make the table anew")
    rows = [{key: _value(text) for key, text in row.items()} for row in texts]
    figures.save(own.signed(DRAWN[part](rows), texts[0]), output)


def _value(text: str) -> Any:
    """Return a field as the number that it is, None if it is empty, else the text."""
    if text == "":
        return None
    try:
        return float(text) if "." in text or "e" in text else int(text)
    except ValueError:
        return text


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=DRAWN)
    parser.add_argument("--table", type=Path, required=True, help="its CSV file")
    parser.add_argument("--output", type=Path, required=True, help="written, .png")
    args = parser.parse_args()
    make_figure(args.part, args.table, args.output)


if __name__ == "__main__":
    cli.run(main)
