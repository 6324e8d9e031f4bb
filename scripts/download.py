"""Step `download`: get a data set's archive, check it, and unpack its files."""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.lib.data.configured import DatasetError, load
from scripts.lib.download import archives
from scripts.lib.download.fetching import DownloadError, download
from scripts.lib.io import cli


def download_dataset(config_path: Path, archive: Path, folder: Path) -> None:
    """Put the files of a data set's archive into `folder`.

    archive: where the archive is kept; if it lies there already no network is used.

    Raises: DatasetError if the archive cannot be had; ArchiveError if it does not hold
    what the configuration says.
    """
    config = load(config_path)
    asked = config["archive"]
    archives.check_members(asked["members"])
    try:
        download(
            asked["address"],
            archive,
            checksum=asked["checksum"],
            size_limit=asked["bytes"],
        )
    except DownloadError as problem:
        raise DatasetError(
            f"{config['title']}: {problem}, or its files in the folder "
            f"{config['folder']!r} of data_dir; or leave download: true out to run on "
            "the stand-in"
        ) from None
    archives.unpack(archive, asked["members"], folder, size_limit=asked["bytes"])


def main() -> None:
    """Run the step from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, required=True, help="its YAML file")
    parser.add_argument("--archive", type=Path, required=True, help="written and kept")
    parser.add_argument("--folder", type=Path, required=True, help="its files")
    args = parser.parse_args()
    download_dataset(args.dataset, args.archive, args.folder)


if __name__ == "__main__":
    cli.run(main)
