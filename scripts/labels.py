"""Step `labels`: from file names, or a labels.csv, to one table of labels."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scripts.lib import cifar, cli, datasets, image_files, labels, labels_csv
from scripts.lib.files import write_csv

REJECTED_COLUMNS = ("file", "kind", "reason")


def make_labels(config_path: Path, folder: Path, out: Path, rejected: Path) -> None:
    """Write labels.csv and rejected.csv of the drawings in `folder`.

    Raises: LabelError or DatasetError; then neither file is written.
    """
    config = datasets.load(config_path)
    files = datasets.list_drawings(config, folder)
    if config["kind"] in datasets.CIFAR:
        write_csv(rejected, REJECTED_COLUMNS, [])
        write_csv(out, cifar.LABEL_COLUMNS, cifar.label_rows(folder))
        return
    if config["kind"] == "labels_csv":
        found = labels_csv.from_csv(folder, files, config, config["title"])
    else:
        found = labels.from_names(files)
    labels.list_leftovers(found, image_files.walk(folder))
    known = (*image_files.IMAGE_SUFFIXES, *image_files.OTHER_SUFFIXES)
    for file in image_files.list_unreadable_names(folder, known):
        found.reject(file, "expected a name in UTF-8; rename it")
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    labels.check(found, f"{config['title']} ({folder})")
    columns = ("sample", "file", "child", *found.factors, *labels.AGE_COLUMNS)
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
