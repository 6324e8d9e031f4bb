"""The step `download`: from a data set's configuration to its files."""

from __future__ import annotations

import re
import tarfile

import pytest
import yaml

from scripts.download import download_dataset, main
from scripts.lib.io import cli, schema
from tests.conftest import ROOT
from tests.scripts import loopback
from tests.scripts.downloading import left, md5

SCHEMA = ROOT / "workflow/schemas/dataset.schema.yaml"
PERSON = yaml.safe_load((ROOT / "config/datasets/draw-a-person.yaml").read_text())


@pytest.fixture
def config(server, tmp_path):
    """Return a function that writes a data set's YAML; its archive is served."""
    for name in ("train", "test"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    with tarfile.open(tmp_path / "served.tar.gz", "w:gz") as tar:
        for name in ("train", "test"):
            tar.add(tmp_path / name, f"set/{name}")
    server.content = (tmp_path / "served.tar.gz").read_bytes()

    def write(**changes):
        archive = {
            "address": server.address,
            "checksum": md5(server.content),
            "bytes": 100_000,
            "members": {"set/train": "train", "set/test": "below/test"},
            **changes,
        }
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({**PERSON, "archive": archive}))
        return path

    return write


def test_the_files_are_there_and_the_archive_is_kept(config, server, target, tmp_path):
    folder = tmp_path / "raw"
    download_dataset(config(), target, folder)
    assert (folder / "train").read_bytes() == b"train" * 100
    assert (folder / "below/test").read_bytes() == b"test" * 100
    assert left(target) == ["file.bin"]
    # Files that a failed job took with it need no network again.
    (folder / "train").unlink()
    download_dataset(config(), target, folder)
    assert (folder / "train").exists()
    assert len(server.asked) == 1


def test_what_to_do_without_the_archive_is_told(
    config, server, target, tmp_path, monkeypatch
):
    server.plan = [loopback.status(404)]
    arguments = ["--dataset", config(), "--archive", target, "--folder", tmp_path / "r"]
    monkeypatch.setattr("sys.argv", ["download", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.run(main)
    assert str(caught.value) == (
        f"error: {PERSON['title']}: {server.address}: expected the file, received 404 "
        "Not Found; correct the address (nothing is kept); without a network lay the "
        f"file out by hand at {target}, or its files in the folder 'draw-a-person' of "
        "data_dir; or leave download: true out to run on the stand-in"
    )
    assert not (tmp_path / "r").exists()


def test_members_are_looked_at_before_anything_is_asked_for(config, server, target):
    with pytest.raises(ValueError, match="names that differ"):
        download_dataset(
            config(members={"a": "same", "b": "same"}), target, target.parent
        )
    assert server.asked == []


def test_a_member_that_is_not_there_leaves_no_files(config, target, tmp_path):
    path = config(members={"set/train": "train", "set/meta": "meta"})
    with pytest.raises(ValueError, match="expected set/meta, received no such member"):
        download_dataset(path, target, tmp_path / "raw")
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"address": "file:///etc/hostname"}, "expected a text: http(s)://HOST/FILE"),
        ({"address": "https://example.org"}, "expected a text: http(s)://HOST/FILE"),
        ({"address": "https://example.org/a/"}, "expected a text: http(s)://HOST/F"),
        ({"checksum": "md5:0"}, "md5: and 32 or sha256: and 64 hexadecimal digits"),
        ({"checksum": ["md5:0"]}, "md5: and 32 or sha256: and 64 hexadecimal digits"),
        ({"bytes": 0}, "bytes: expected a whole number of at least 1"),
        ({"members": {}}, "archive.members: expected keys and values"),
        ({"members": {"a": "../a"}}, "members.a: expected a text: a relative name"),
        ({"members": {"a": "a/.."}}, "members.a: expected a text: a relative name"),
        ({"members": {"a": "/a"}}, "members.a: expected a text: a relative name"),
        ({"members": {"a": "a//b"}}, "members.a: expected a text: a relative name"),
        ({"members": {"a": "{a}"}}, "members.a: expected a text: a relative name"),
        ({"members": {"../a": "a"}}, "members: expected a text: a relative name"),
        ({"sha": "x"}, "archive: unknown key 'sha'"),
    ],
)
def test_an_impossible_archive_is_refused_by_the_schema(config, changes, text):
    value = yaml.safe_load(config(**changes).read_text())
    found = schema.problems(value, SCHEMA, "mine.yaml")
    assert len(found) == 1
    assert re.match(r"mine\.yaml: archive", found[0])
    assert text in found[0]


@pytest.mark.parametrize(
    "members", [{"a": "a"}, {"a b/c.d": "x/..y"}, {"..a": ".hidden"}]
)
def test_possible_archives_pass_the_schema(config, members):
    both = ["md5:" + "0" * 32, "sha256:" + "0" * 64]
    address = "https://example.org/x/a.zip?download=1"
    path = config(members=members, address=address, checksum=both)
    assert schema.problems(yaml.safe_load(path.read_text()), SCHEMA, "mine") == []
