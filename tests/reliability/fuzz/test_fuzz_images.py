"""Damaged pictures, files of CIFAR, and archives."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
import zlib

import cv2
import numpy as np
import pytest

from scripts.lib.data import cifar_files
from scripts.lib.data.picture_files import read_image
from scripts.lib.download import archives
from tests.reliability.fuzz.harness import Case, fuzz
from tests.reliability.fuzz.mutate import INTEGERS, TEXTS, damaged, rezipped

pytestmark = pytest.mark.reliability


def pictures() -> list[tuple[str, bytes]]:
    """Return small whole pictures: grey, colour, with transparency, progressive."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (40, 30), np.uint8)
    colour = rng.integers(0, 256, (40, 30, 3), np.uint8)
    clear = rng.integers(0, 256, (40, 30, 4), np.uint8)
    deep = rng.integers(0, 65536, (20, 30, 4), np.uint16)
    progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    made = [("png", p, []) for p in (grey, colour, clear, deep)]
    made += [("jpg", grey, []), ("jpg", colour, []), ("jpg", colour, progressive)]
    return [(kind, cv2.imencode(f".{kind}", p, o)[1].tobytes()) for kind, p, o in made]


def damaged_png(rng, data: bytes) -> bytes:
    """Damage a chunk of a PNG file, and make its checksum right again."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    i = rng.randrange(len(chunks))
    name, content = chunks[i]
    kind = rng.randrange(5)
    if kind == 0:
        chunks[i] = name, damaged(rng, content)
    elif kind == 1 and name == b"IHDR":
        size = struct.pack(">II", *(rng.choice(INTEGERS) % 2**31 for _ in range(2)))
        chunks[i] = name, size + content[8:]
    elif kind == 2:
        chunks.insert(i, (rng.choice([b"tRNS", b"PLTE", b"gAMA", b"iCCP", b"abcd"]),
                          rng.randbytes(rng.choice([0, 1, 6, 768]))))  # fmt: skip
    elif kind == 3:
        chunks[i] = name[:3] + bytes([name[3] ^ 32]), content
    else:
        del chunks[i]
    packed = b"".join(
        struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c))
        for n, c in chunks
    )
    return data[:8] + packed


def test_images(tmp_path):
    seeds = pictures()
    others = [data for _, data in seeds]

    def attempt(case: Case):
        kind, data = case.rng.choice(seeds)
        if kind == "png" and case.rng.random() < 0.6:
            data = damaged_png(case.rng, data)
        else:
            data = damaged(case.rng, data, others)
        path = case.write(f"d.{kind}", data)
        case.names.clear()  # the step puts the file's name before the error
        image = read_image(path, 9, 11)
        assert image.shape == (11, 9) and image.dtype == np.uint8

    fuzz("images", tmp_path, attempt)


def batch() -> cifar_files.Batch:
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), np.uint8)
    return cifar_files.Batch(images, np.array([0, 1, 1]), np.array([0, 0, 1]))


def test_cifar(tmp_path):
    names = cifar_files.encode_names(["a", "b"], ["x", "y"])
    good = [cifar_files.encode(batch())]
    content = pickle.loads(good[0], encoding="bytes")
    good += [pickle.dumps(content, protocol=p) for p in range(6)]

    def attempt(case: Case):
        kind = case.rng.randrange(3)
        if kind == 0:
            cifar_files.read_names(case.write("meta", damaged(case.rng, names, good)))
            return
        data = case.rng.choice(good)
        if kind == 1:
            # Headers alone: the pixels take most of the file.
            edge = case.rng.choice([200, len(data) - 200])
            front, back = data[:edge], data[edge:]
            if edge == 200:
                data = damaged(case.rng, front, good) + back
            else:
                data = front + damaged(case.rng, back, good)
        else:
            data = damaged(case.rng, data, good)
        read = cifar_files.read_batch(case.write("train", data), 2, 2)
        assert read.images.shape[1:] == (3, 32, 32)

    fuzz("cifar", tmp_path, attempt)


MEMBERS = {"set/train": "train", "set/test": "test"}


KINDS = (
    *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE),
    *(tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE, b"Z"),
)


def tar(rng) -> bytes:
    """Return a .tar.gz of the members, sometimes of other kinds or names."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=rng.randrange(3)) as archive:
        for name in MEMBERS:
            if rng.random() < 0.2:
                name = rng.choice(["../../evil", "/tmp/evil", "x" * 90, name + "/.."])
            info = tarfile.TarInfo(name)
            content = rng.randbytes(700)
            info.size = len(content)
            if rng.random() < 0.2:
                info.type = rng.choice(KINDS)
                info.linkname = rng.choice(["/etc/passwd", "../..", "set/test"])
            archive.addfile(info, io.BytesIO(content))
    data = packed.getvalue()
    if rng.random() < 0.6:
        data = damaged(rng, data)
    return gzip.compress(data, 1, mtime=0)


def zipped(rng) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in MEMBERS:
            info = zipfile.ZipInfo(name)
            if rng.random() < 0.2:
                info.external_attr = rng.choice([0o120777, 0o040755, 0o010644]) << 16
            archive.writestr(info, rng.randbytes(700))
            if rng.random() < 0.1:
                archive.writestr(f"../evil/{name}", b"x")
    data = packed.getvalue()
    return rezipped(rng, data, damaged) if rng.random() < 0.4 else data


def test_archives(tmp_path):
    outside = tmp_path / "archives"

    def attempt(case: Case):
        data = tar(case.rng) if case.rng.random() < 0.5 else zipped(case.rng)
        if case.rng.random() < 0.5:
            data = damaged(case.rng, data)
        path = case.write("set.bin", data)
        folder = case.folder / "out"
        try:
            archives.unpack(path, MEMBERS, folder, size_limit=100_000)
        finally:
            there = {p.relative_to(outside).as_posix() for p in outside.rglob("*")}
            # All of them, or none.
            assert there - {"set.bin", "out"} in (set(), {"out/train", "out/test"})

    fuzz("archives", tmp_path, attempt)


def test_members(tmp_path):
    good = list(MEMBERS)

    def attempt(case: Case):
        rng = case.rng
        # Lone surrogates, which no file system has, do not come through YAML.
        texts = [text.replace("\ud800", "?") for text in TEXTS]
        known = [*texts, *good, *(f"a/{text}" for text in texts)]
        members = {rng.choice(known): rng.choice(known) for _ in range(3)}
        archives.check_members(members)
        for name in members.values():
            place = (case.folder / name).resolve()
            assert place.is_relative_to(case.folder.resolve())

    fuzz("members", tmp_path, attempt)
