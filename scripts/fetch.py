"""Step `fetch`: put a data set in place, and write down where it comes from."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.lib import cli, datasets
from scripts.lib.files import write_bytes, write_json


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
    config = datasets.load(config_path)
    if config["kind"] in datasets.GENERATED:
        for name, content in _generated(config):
            write_bytes(folder / name, content)
    files = datasets.list_drawings(config, folder)
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


def _generated(config: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file of a generated data set."""
    settings = config["embedded"]
    if config["kind"] == "textures":
        from scripts.lib import cifar, textures

        yield "meta", cifar.encode_names(*textures.names())
        for part in ("train", "test"):
            batch = textures.make(part, settings[part], settings["seed"])
            yield part, cifar.encode(batch)
        return
    from scripts.lib import embedded, person

    for drawing in embedded.make_drawings(**settings):
        yield f"{drawing.name}.jpeg", person.encode(drawing)


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
