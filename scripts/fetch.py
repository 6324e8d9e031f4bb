"""Step `fetch`: put a data set in place, and write down where it comes from."""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.lib.data import kinds
from scripts.lib.data.configured import load
from scripts.lib.io import cli
from scripts.lib.io.files import write_bytes, write_json


def fetch(
    config_path: Path,
    folder: Path,
    source: Path,
    *,
    dataset: str,
    stands_in_for: str | None = None,
) -> None:
    """Write source.json of a data set; the embedded one is also drawn into `folder`.

    Raises: DatasetError if a local data set's folder is missing or empty.
    """
    config = load(config_path)
    kind = kinds.of(config)
    if kind.make:
        for name, content in kind.make(config):
            write_bytes(folder / name, content)
    files = kind.files(config, folder)
    write_json(
        source,
        {
            "dataset": dataset,
            "title": config["title"],
            "status": config["status"],
            "stands_in_for": stands_in_for,
            "address": config["address"],
            "licence": config["licence"],
            "files": len(files),
        },
    )


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="its YAML file")
    parser.add_argument("--stands-in-for", help="id of the data set it replaces")
    parser.add_argument("--folder", type=Path, required=True, help="the drawings")
    parser.add_argument("--source", type=Path, required=True, help="written")
    args = parser.parse_args()
    fetch(
        args.dataset,
        args.folder,
        args.source,
        dataset=args.dataset.stem,
        stands_in_for=args.stands_in_for,
    )


if __name__ == "__main__":
    cli.run(main)
