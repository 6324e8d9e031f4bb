"""A data set that is downloaded: through failures to its files, and kept."""

from __future__ import annotations

import hashlib
import tarfile

import cv2
import numpy as np
import yaml

from scripts.lib.io.files import read_json
from tests.scripts import loopback


def make_archive(folder, number: int = 12) -> tuple[bytes, list[str]]:
    """Return an archive of drawings with labels, and the names of its files."""
    folder.mkdir()
    lines = ["file,child,age_months,hand"]
    for i in range(number):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((60, 40), 255 - i, np.uint8))
        lines.append(f"{i}.png,child{i // 2},{60 + i},{'left' if i % 3 else 'right'}")
    (folder / "labels.csv").write_text("\n".join([*lines, ""]))
    names = sorted(path.name for path in folder.iterdir())
    archive = folder.parent / "archive.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in names:
            tar.add(folder / name, f"published/{name}")
    return archive.read_bytes(), names


def describe(address: str, content: bytes, names: list[str]) -> str:
    """Return the configuration of that data set."""
    return yaml.safe_dump(
        {
            "title": "Published drawings",
            "status": "official",
            "kind": "labels_csv",
            "folder": "published-drawings",
            "address": "our own",
            "licence": "none",
            "stand_in": "embedded-drawings",
            "factors": ["hand", "age_years", "age_months"],
            "stratify": "age_years",
            "image": {"width": 36, "height": 58},
            "archive": {
                "address": address,
                "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}",
                "bytes": 1_000_000,
                "members": {f"published/{name}": name for name in names},
            },
        }
    )


def files_in(folder):
    """The files' names, without the folder of their sums."""
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_a_published_data_set_is_downloaded_checked_and_kept(
    project, tmp_path, monkeypatch
):
    monkeypatch.setenv("no_proxy", "*")
    content, names = make_archive(tmp_path / "published")
    own = project.root / "config/datasets/published.yaml"
    place = project.work / "results/data/published"
    target = "results/data/published/images.npz"
    settings = ("scale=smoke", "dataset=published", "download=true")
    command = ("--config", *settings, "--", target)
    half = len(content) // 2
    try:
        with loopback.serving(content) as server:
            own.write_text(describe(server.address, content, names))
            # The job fails twice, for it is tried twice.
            gone = [loopback.status(404)] * 2
            server.plan = [loopback.cut(half, "end"), *gone, loopback.well]
            failed = project.run(*command)
            lay = sorted(path.name for path in place.rglob("*") if path.is_file())
            result = project.run(*command)
        # Edited code makes the files anew, from the archive that was kept.
        with project.edited("scripts/lib/download/archives.py"):
            again = project.run(*command)
    finally:
        own.unlink()
    assert failed.code == 1
    assert "expected the file, received 404 Not Found" in failed.output
    assert "leave download: true out to run on the stand-in" in failed.output
    assert "Traceback" not in failed.output
    assert lay == ["file.bin.part"]
    assert result.code == 0, result.output[-4000:]
    assert result.rules == {"download_published", "fetch_local", "labels", "images"}
    assert server.ranges == [None, *[f"bytes={half}-"] * 3]
    assert files_in(place / "archive") == ["file.bin"]
    source = read_json(place / "source.json")
    assert (source["status"], source["files"]) == ("official", 12)
    assert again.code == 0, again.output[-4000:]
    assert "download_published" in again.rules
    assert files_in(place / "raw") == names
