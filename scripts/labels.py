"""Step `labels`: from file names, a labels.csv or others to a table of labels."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.lib.data import kinds, labels
from scripts.lib.data.configured import load
from scripts.lib.io import cli
from scripts.lib.io.files import write_csv

REJECTED_COLUMNS = ("file", "kind", "reason")


def make_labels(config_path: Path, folder: Path, out: Path, rejected: Path) -> None:
    """Write labels.csv and rejected.csv of the drawings in `folder`.

    Raises: LabelError or DatasetError; then neither file is written.
    """
    config = load(config_path)
    kind = kinds.of(config)
    found = kind.labels(config, folder, kind.files(config, folder))
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    labels.check(found, f"{config['title']} ({folder})")
    ages = [c for c in labels.AGE_COLUMNS if c in found.rows[0]]
    columns = ("sample", "file", labels.GROUP, *found.factors, *ages)
    write_csv(rejected, REJECTED_COLUMNS, found.rejected)
    write_csv(out, columns, found.rows)


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="its YAML file")
    parser.add_argument("--folder", type=Path, required=True, help="the drawings")
    parser.add_argument("--labels", type=Path, required=True, help="written")
    parser.add_argument("--rejected", type=Path, required=True, help="written")
    args = parser.parse_args()
    make_labels(args.dataset, args.folder, args.labels, args.rejected)


if __name__ == "__main__":
    cli.run(main)
