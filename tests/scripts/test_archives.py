"""Archives: the files that were asked for, and nothing an archive wants beside them."""

from __future__ import annotations

import gzip
import io
import random
import stat
import tarfile
import warnings
import zipfile

import pytest

from scripts.lib.download.archives import ArchiveError, unpack

FILES = {"data/train": b"train" * 1000, "data/test": b"test" * 1000}
WANTED = {"data/train": "train", "data/test": "below/test"}


def make_tar(path, files=FILES, *, more=()):
    """Write a .tar.gz; more: members (TarInfo, content) that come first."""
    with tarfile.open(path, "w:gz") as tar:
        for member, content in more:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def make_zip(path, files=FILES, *, more=()):
    """Write a .zip; more: members (ZipInfo, content) that come first."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for member, content in more:
            zipped.writestr(member, content)
        for name, content in files.items():
            zipped.writestr(name, content)
    return path


MAKERS = {"archive.tar.gz": make_tar, "archive.zip": make_zip}


@pytest.fixture(params=MAKERS)
def archive(request, tmp_path):
    """A sound archive."""
    return MAKERS[request.param](tmp_path / request.param)


@pytest.fixture
def folder(tmp_path):
    """Where to, one level down, so that what escapes would be seen."""
    return tmp_path / "results" / "raw"


def everything_below(path):
    return sorted(p.relative_to(path).as_posix() for p in path.rglob("*"))


def refused(archive, folder, text, members=WANTED, size_limit=1_000_000, **settings):
    """Unpack, and see that it is refused and nothing was written anywhere."""
    outside = folder.parent.parent
    with pytest.raises(ArchiveError, match=text) as caught:
        unpack(archive, members, folder, size_limit=size_limit, **settings)
    after = {p for p in outside.rglob("*") if not p.is_dir() and p != archive}
    assert not after
    return str(caught.value)


def test_the_named_members_are_written_and_no_others(archive, folder):
    unpack(archive, {"data/test": "below/test"}, folder, size_limit=100_000)
    assert everything_below(folder) == ["below", "below/test"]
    unpack(archive, WANTED, folder, size_limit=100_000)
    assert (folder / "train").read_bytes() == FILES["data/train"]
    assert (folder / "below/test").read_bytes() == FILES["data/test"]
    assert everything_below(folder) == ["below", "below/test", "train"]


def test_a_tar_of_the_current_folder_has_the_same_names(tmp_path, folder):
    files = {f"./{name}": content for name, content in FILES.items()}
    unpack(make_tar(tmp_path / "a.tgz", files), WANTED, folder, size_limit=100_000)
    assert (folder / "train").read_bytes() == FILES["data/train"]


@pytest.mark.parametrize("name", ["../x", "/x", "data/../../x", "../../results/raw/x"])
@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_names_that_lead_elsewhere(make, name, tmp_path, folder):
    archive = make(tmp_path / "archive", {name: b"evil", **FILES})
    # Not asked for: passed over. Asked for: refused before the archive is opened.
    refused(archive, folder, "relative and without", {name: "x"})
    refused(archive, folder, "relative and without", {"data/train": name})
    unpack(archive, WANTED, folder, size_limit=100_000)
    assert everything_below(folder) == ["below", "below/test", "train"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive", "results"]


@pytest.mark.parametrize("name", ["", ".", "./x", "a//b", "a/", "a\\b", "a\0b", ".."])
def test_names_that_are_not_plain(archive, folder, name):
    refused(archive, folder, r"members: expected names such as", {"data/train": name})


def test_two_members_cannot_become_one_file(archive, folder):
    refused(archive, folder, "names that differ", dict.fromkeys(WANTED, "same"))


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
        tarfile.GNUTYPE_SPARSE,
    ],
)
def test_a_tars_links_and_devices_are_refused(tmp_path, folder, kind):
    member = tarfile.TarInfo("data/train")
    member.type, member.linkname = kind, "/etc/hostname"
    rest = {"data/test": FILES["data/test"]}
    archive = make_tar(tmp_path / "archive.tar.gz", rest, more=[(member, b"")])
    refused(archive, folder, "data/train: expected a regular file, received a link")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_zips_links_and_devices_are_refused(tmp_path, folder, kind):
    member = zipfile.ZipInfo("data/train")
    member.external_attr = (kind | 0o777) << 16
    rest = {"data/test": FILES["data/test"]}
    archive = make_zip(tmp_path / "a.zip", rest, more=[(member, "/etc/hostname")])
    refused(archive, folder, "data/train: expected a regular file, received a link")


def test_a_link_on_the_way_in_the_archive_is_no_way(tmp_path, folder):
    link = tarfile.TarInfo("data")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    archive = make_tar(tmp_path / "archive.tar.gz", more=[(link, b"")])
    unpack(archive, WANTED, folder, size_limit=100_000)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["archive.tar.gz", "results"]


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(archive, folder):
    outside = folder.parent / "outside"
    folder.mkdir(parents=True)
    outside.write_bytes(b"mine")
    (folder / "train").symlink_to(outside)
    unpack(archive, WANTED, folder, size_limit=100_000)
    assert outside.read_bytes() == b"mine"
    assert (folder / "train").read_bytes() == FILES["data/train"]


def test_a_member_that_comes_twice_is_refused(tmp_path, folder):
    again = tarfile.TarInfo("./data/train")
    tar = make_tar(tmp_path / "a.tar.gz", more=[(again, b"another")])
    refused(tar, folder, "data/train: expected once, received twice")
    tar.unlink()
    with warnings.catch_warnings(action="ignore"):
        zipped = make_zip(
            tmp_path / "a.zip", more=[(zipfile.ZipInfo("data/train"), b"another")]
        )
    refused(zipped, folder, "data/train: expected once, received twice")


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_a_bomb_is_refused_while_it_is_read(make, tmp_path, folder):
    bomb = {"data/train": bytes(50_000_000), "data/test": b""}
    archive = make(tmp_path / "archive", bomb)
    assert archive.stat().st_size < 200_000
    text = refused(archive, folder, "expected at most 1000000 bytes unpacked")
    assert "raise the limit if it is meant to be so large" in text


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_each_member_has_its_limit_too(make, tmp_path, folder):
    archive = make(tmp_path / "archive")
    text = "data/train: expected at most 4999 bytes, received more"
    refused(archive, folder, text, member_limit=4999)
    unpack(archive, WANTED, folder, size_limit=100_000, member_limit=5000)


def test_a_zip_that_hides_its_size_is_refused(tmp_path, folder):
    archive = make_zip(tmp_path / "archive.zip", {"data/train": bytes(50_000_000)})
    content = archive.read_bytes()
    # Both headers hold the size as four bytes.
    lie = content.replace((50_000_000).to_bytes(4, "little"), b"\x10\0\0\0")
    assert lie != content
    archive.write_bytes(lie)
    refused(archive, folder, "expected a whole", {"data/train": "train"})


def test_a_bomb_beside_the_wanted_members_is_refused(tmp_path, folder):
    bomb = tarfile.TarInfo("bomb")
    archive = make_tar(tmp_path / "a.tar.gz", more=[(bomb, bytes(50_000_000))])
    refused(archive, folder, "expected at most 1000000 bytes unpacked")
    # In a .zip it is not read at all.
    zipped = zipfile.ZipInfo("bomb")
    zipped.compress_type = zipfile.ZIP_DEFLATED
    make_zip(archive, more=[(zipped, bytes(50_000_000))])
    unpack(archive, WANTED, folder, size_limit=100_000)


@pytest.mark.parametrize("size", [10**7, 8**11 - 1, 1 << 62, -512])
@pytest.mark.parametrize("name", ["data/train", "other"])
def test_sizes_that_headers_only_claim(tmp_path, folder, size, name):
    member = tarfile.TarInfo(name)
    member.size = size
    header = member.tobuf(tarfile.GNU_FORMAT)
    archive = tmp_path / "archive.tar.gz"
    archive.write_bytes(gzip.compress(header + bytes(10_240)))
    refused(archive, folder, "expected at most 1000000 bytes|expected a whole")


def test_a_header_as_large_as_a_bomb_is_refused(tmp_path, folder):
    member = tarfile.TarInfo("x" * 50_000_000)  # stands before the member, as a file
    archive = make_tar(tmp_path / "archive.tar.gz", more=[(member, b"")])
    refused(archive, folder, "expected at most 1000000 bytes unpacked")


@pytest.mark.parametrize("kept", [0.999, 0.9, 0.5, 0.01])
def test_a_truncated_archive_is_an_error(tmp_path, folder, kept):
    noise = random.Random(0).randbytes(100_000)
    for make in (make_tar, make_zip):
        archive = make(tmp_path / "archive", {**FILES, "data/train": noise})
        content = archive.read_bytes()
        archive.write_bytes(content[: int(len(content) * kept)])
        refused(archive, folder, "expected a whole .tar.gz or .zip, received: .*get it")


def test_a_tar_that_was_cut_before_it_was_compressed_is_an_error(tmp_path, folder):
    plain = gzip.decompress(make_tar(tmp_path / "a").read_bytes())
    # data/train's header and content take 512 + 5120 bytes, data/test's the same.
    for size in (300, 512, 4096, 6144):
        (tmp_path / "a").write_bytes(gzip.compress(plain[:size]))
        refused(tmp_path / "a", folder, "expected a whole .tar.gz or .zip")
    for size in (5632, 5800):
        (tmp_path / "a").write_bytes(gzip.compress(plain[:size]))
        refused(tmp_path / "a", folder, "expected data/test, received no such member")


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html>", b"PK\x05\x06" + bytes(18), b"\x1f"]
)
def test_a_foreign_file_is_an_error(tmp_path, folder, content):
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(content)
    text = refused(path, folder, "expected a .tar.gz or .zip, received a file that")
    assert repr(content[:4]) in text


def test_an_archive_that_is_not_there_is_an_error(tmp_path, folder):
    refused(tmp_path / "gone.zip", folder, "gone.zip: expected an archive, there is no")
    refused(tmp_path, folder, "expected an archive, there is none")


def test_a_missing_member_is_named_with_what_is_there(archive, folder):
    text = refused(archive, folder, "expected data/meta", {"data/meta": "meta"})
    assert text.endswith("received no such member, only 'data/train', 'data/test'")


def test_zips_with_a_password_or_a_strange_method_are_refused(tmp_path, folder):
    archive = make_zip(tmp_path / "archive.zip")
    sound = archive.read_bytes()
    # Bit 0 of the flags, 6 bytes into each member's header and 8 into its entry.
    broken = bytearray(sound)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        broken[sound.index(mark) + place] |= 1
    archive.write_bytes(broken)
    refused(archive, folder, "expected a whole .*password")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_LZMA) as zipped:
        for name, content in FILES.items():
            zipped.writestr(name, content)
    refused(archive, folder, "data/train: expected deflated or stored bytes, received")


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_damaged_archives_are_told_or_give_the_right_bytes(make, tmp_path, folder):
    archive = make(tmp_path / "archive")
    sound, chance = archive.read_bytes(), random.Random(1)
    told = 0
    for _ in range(300):
        broken = bytearray(sound)
        for _ in range(chance.choice((1, 3, 20))):
            broken[chance.randrange(4, len(broken))] = chance.randrange(256)
        archive.write_bytes(broken)
        try:
            unpack(archive, WANTED, folder, size_limit=100_000)
        except ArchiveError:
            told += 1
        else:
            assert (folder / "train").read_bytes() == FILES["data/train"]
            assert (folder / "below/test").read_bytes() == FILES["data/test"]
    assert told > 100
    assert everything_below(folder) in ([], ["below", "below/test", "train"], ["below"])
