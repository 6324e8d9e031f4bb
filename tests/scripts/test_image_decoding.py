"""Kinds of picture files: whatever holds the sheet, the same sheet is read."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from scripts.lib.data.image_decoding import ImageError, decode

# A sheet that looks another in each of the eight orientations; soft lines.
SHEET = np.full((40, 30), 255, np.uint8)
SHEET[4:14, 3:9] = 40
SHEET[20:36, 15:17] = 100
HARD = np.where(SHEET < 255, 0, 255).astype(np.uint8)
DEEP = SHEET.astype(np.uint16) * 257
INK = 255 - SHEET  # how much of a black ink covers the paper
# How a sheet is stored that is to be turned so by its reader, as EXIF counts.
STORED = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x, -1),
}


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return (
        struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))
    )


def _exif(orientation: int) -> bytes:
    return b"MM\0*\0\0\0\x08\0\1" + struct.pack(">HHIHHI", 274, 3, 1, orientation, 0, 0)


def _png(levels, depth, colour, *more, orientation=1) -> bytes:
    """Encode levels (rows, columns[, channels]); more: chunks before."""
    rows, columns = levels.shape[:2]
    head = struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, 0)
    if depth < 8:
        bits = levels[..., None] >> np.arange(depth - 1, -1, -1) & 1
        body = np.packbits(bits.reshape(rows, -1).astype(np.uint8), axis=1)
    else:
        body = levels.reshape(rows, -1).astype(">u2" if depth == 16 else np.uint8)
    lines = b"".join(b"\0" + row.tobytes() for row in body)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + b"".join(more)
        + _chunk(b"eXIf", _exif(orientation))
        + _chunk(b"IDAT", zlib.compress(lines))
        + _chunk(b"IEND", b"")
    )


def _transparent(*levels: int) -> bytes:
    return _chunk(b"tRNS", struct.pack(f">{len(levels)}H", *levels))


def _grey_level(depth: int, ink: int, paper: int, turn, orientation) -> bytes:
    levels = np.where(HARD == 0, ink, paper)
    return _png(turn(levels), depth, 0, _transparent(paper), orientation=orientation)


def _with_alpha(deep: bool, channels: int, turn, orientation) -> bytes:
    alpha = INK.astype(np.uint16) * (257 if deep else 1)
    levels = np.stack([np.zeros_like(alpha)] * channels + [alpha], -1)
    colour = 4 if channels == 1 else 6
    return _png(turn(levels), 16 if deep else 8, colour, orientation=orientation)


def _colour_key(depth: int, turn, orientation) -> bytes:
    levels = np.stack([np.where(HARD == 0, 0, 7)] * 3, -1)
    return _png(turn(levels), depth, 2, _transparent(7, 7, 7), orientation=orientation)


def _palette(alphas: list[int], turn, orientation) -> bytes:
    """Black entries that cover the paper as the sheet's levels say."""
    levels = np.select([SHEET == 40, SHEET == 100], [0, 1], 2)
    more = _chunk(b"PLTE", bytes(9)), _chunk(b"tRNS", bytes(alphas))
    return _png(turn(levels), 8, 3, *more, orientation=orientation)


# name -> (the sheet, a function of (stored as, orientation) that gives the file)
PNG = {
    "grey": (SHEET, lambda t, o: _png(t(SHEET), 8, 0, orientation=o)),
    "grey16": (SHEET, lambda t, o: _png(t(DEEP), 16, 0, orientation=o)),
    "rgb": (
        SHEET,
        lambda t, o: _png(t(np.stack([SHEET] * 3, -1)), 8, 2, orientation=o),
    ),
    **{
        f"grey{d}, level {paper} transparent": (
            HARD,
            lambda t, o, d=d, i=ink, p=paper: _grey_level(d, i, p, t, o),
        )
        for d, ink, paper in (
            (1, 0, 1),
            (2, 0, 1),
            (4, 0, 5),
            (8, 0, 7),
            (16, 0, 0x777),
            (16, 0, 0xFE),
        )
    },
    "grey and alpha": (SHEET, lambda t, o: _with_alpha(False, 1, t, o)),
    "grey and alpha 16": (SHEET, lambda t, o: _with_alpha(True, 1, t, o)),
    "rgb and alpha": (SHEET, lambda t, o: _with_alpha(False, 3, t, o)),
    "rgb and alpha 16": (SHEET, lambda t, o: _with_alpha(True, 3, t, o)),
    "a colour transparent": (HARD, lambda t, o: _colour_key(8, t, o)),
    "a colour transparent 16": (HARD, lambda t, o: _colour_key(16, t, o)),
    "palette with alpha": (SHEET, lambda t, o: _palette([215, 155, 0], t, o)),
}


@pytest.mark.parametrize("kind", PNG)
def test_png_of_every_kind_and_orientation(kind):
    sheet, encode = PNG[kind]
    for orientation, turn in STORED.items():
        image = decode(encode(turn, orientation), 10_000)
        assert image.shape == sheet.shape, orientation
        assert np.abs(image.astype(int) - sheet).max() <= 1, orientation


def test_a_black_level_that_is_transparent_is_paper():
    """The ink is the lighter of the two: on white it is grey."""
    levels = np.where(HARD == 0, 100, 0)
    image = decode(_png(levels, 8, 0, _transparent(0)), 10_000)
    assert np.array_equal(image, np.where(HARD == 0, 100, 255))


def _saved(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _rgba(turn=STORED[1]) -> Image.Image:
    alpha = Image.fromarray(np.ascontiguousarray(turn(INK)))
    return Image.merge("RGBA", [Image.new("L", alpha.size, 0)] * 3 + [alpha])


def _grey(turn=STORED[1]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(turn(SHEET)))


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "JPEG"])
def test_others_are_turned_as_they_say(kind):
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(kind, {})
    for orientation, turn in STORED.items():
        exif = Image.Exif()
        exif[274] = orientation
        pictures = [_grey(turn), _grey(turn).convert("RGB")]
        pictures += [_rgba(turn)] if kind != "JPEG" else []
        for picture in pictures:
            image = decode(_saved(picture, kind, exif=exif, **options), 10_000)
            assert image.shape == SHEET.shape
            assert np.abs(image.astype(int) - SHEET).max() <= 12, (orientation, picture)


def _tiff(levels, photometric, *, extra=None) -> bytes:
    """Encode an uncompressed TIFF; extra: what its last channel is."""
    rows, columns, channels = (*levels.shape, 1)[:3]
    data, bits = levels.tobytes(), 8 * levels.itemsize
    after = 8 + len(data)
    tags = [
        (256, columns),
        (257, rows),
        (258, bits),
        (259, 1),
        (262, photometric),
        (273, 8),
        (277, channels),
        (278, rows),
        (279, len(data)),
        *([(338, extra)] if extra is not None else []),
    ]
    if channels > 2:  # as many numbers do not fit in an entry
        data += struct.pack(f"<{channels}H", *[bits] * channels)
        tags[2] = (258, after)
    body = b"".join(
        struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, channels, value)
        if tag == 258 and channels > 2
        else struct.pack("<HHIHH", tag, 3, channels, value, value)
        if tag == 258
        else struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in tags
    )
    entries = struct.pack("<H", len(tags)) + body + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + entries


_BLACK = np.zeros_like(SHEET)
OTHERS = {
    "webp with alpha": _saved(_rgba(), "WEBP", lossless=True),
    "webp": _saved(_grey(), "WEBP", lossless=True),
    "tiff": _saved(_grey(), "TIFF"),
    "tiff lzw": _saved(_grey().convert("RGB"), "TIFF", compression="tiff_lzw"),
    "tiff cmyk": _saved(_grey().convert("RGB").convert("CMYK"), "TIFF"),
    "tiff palette": _saved(_grey().convert("P"), "TIFF"),
    "tiff 16": _tiff(DEEP, 1),
    "tiff, white is 0": _tiff(INK, 0),
    "tiff 16, white is 0": _tiff(65535 - DEEP, 0),
    "tiff grey and alpha": _tiff(np.stack([_BLACK, INK], -1), 1, extra=2),
    "tiff rgb and alpha": _tiff(np.stack([_BLACK] * 3 + [INK], -1), 2, extra=2),
    "tiff rgb, alpha multiplied": _tiff(np.stack([_BLACK] * 3 + [INK], -1), 2, extra=1),
    "tiff, a channel that is no alpha": _tiff(
        np.stack([SHEET] * 3 + [_BLACK], -1), 2, extra=0
    ),
    "bmp": cv2.imencode(".bmp", SHEET)[1].tobytes(),
    "gif": _saved(_grey(), "GIF"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_kinds_are_read(kind):
    image = decode(OTHERS[kind], 10_000)
    assert np.abs(image.astype(int) - SHEET).max() <= 1


def test_black_on_white_and_transparent_gif():
    fax = Image.fromarray(HARD).convert("1")
    image = decode(_saved(fax, "TIFF", compression="group4"), 10_000)
    assert np.array_equal(image, HARD)
    ink = Image.new("P", fax.size)
    ink.putpalette([0] * 768)
    ink.putdata((HARD > 0).astype(np.uint8).ravel().tolist())
    image = decode(_saved(ink, "GIF", transparency=1), 10_000)
    assert np.array_equal(image, HARD)


def test_a_bitmap_whose_header_has_an_alpha():
    pixels = np.zeros((40, 30, 4), np.uint8)
    pixels[..., 3] = INK[::-1]
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 124, 30, 40, 1, 32, 3, 4800, 0, 0, 0, 0)
    file = b"BM" + struct.pack("<IHHI", 138 + 4800, 0, 0, 138)
    image = decode(file + head + masks + b"BGRs" + bytes(64) + pixels.tobytes(), 10_000)
    assert np.abs(image.astype(int) - SHEET).max() <= 1
    # Without masks the fourth byte means nothing.
    head = struct.pack("<IiiHHIIiiII", 40, 30, 40, 1, 32, 0, 4800, 0, 0, 0, 0)
    pixels[..., :3], pixels[..., 3] = SHEET[::-1, :, None], 0
    file = b"BM" + struct.pack("<IHHI", 54 + 4800, 0, 0, 54)
    assert np.array_equal(decode(file + head + pixels.tobytes(), 10_000), SHEET)


_PAGES = {"save_all": True, "append_images": [_grey(STORED[3])]}
_FLOAT = Image.fromarray(SHEET.astype(np.float32))
REFUSED = {
    "heic": (
        b"\0\0\0\x24ftypheic" + bytes(99),
        "HEIC, as phones take photos, is not re",
    ),
    "avif": (b"\0\0\0\x1cftypavif" + bytes(99), "AVIF is not read; save it as JPEG"),
    "film": (b"\0\0\0\x14ftypqt  " + bytes(99), "a film"),
    "pdf": (b"%PDF-1.7\n", "PDF is not read; save each page"),
    "svg": (b"\xef\xbb\xbf<svg xmlns", "SVG is drawn by lines"),
    "web page": (b"<!DOCTYPE html><html>", "a web page, as a failed download"),
    "notes of a Mac": (b"\0\5\x16\7\0\2\0\0Mac OS X", "a Mac's notes about a file"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    "zeros": (bytes(5000), "nothing but zeros"),
    "tiff of two pages": (_saved(_grey(), "TIFF", **_PAGES), "several pages or pict"),
    "gif that moves": (_saved(_grey(), "GIF", **_PAGES), "several pages or pictures"),
    "webp that moves": (_saved(_grey(), "WEBP", **_PAGES), "several pages or pictures"),
    "tiff of floats": (_saved(_FLOAT, "TIFF"), "32 bits for each pixel, whose white"),
    "tiff cut off": (OTHERS["tiff"][:-600], "this TIFF file cannot be decoded"),
    "webp cut off": (OTHERS["webp with alpha"][:-40], "this WEBP file cannot be decod"),
    "bmp cut off": (OTHERS["bmp"][:-40], "this BMP file cannot be decoded"),
    "gif cut off": (OTHERS["gif"][:-40], "this GIF file cannot be decoded"),
    "too large": (
        OTHERS["tiff"].replace(b"\x1e\0\0\0", b"\x1e\xff\0\0"),
        "pixels, exp",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_read_is_named(kind):
    data, reason = REFUSED[kind]
    with pytest.raises(ImageError, match=reason):
        decode(data, 10_000)


def test_a_preview_in_a_tiff_is_no_second_page():
    file = io.BytesIO()
    _grey().save(file, "TIFF", save_all=True, append_images=[_grey().resize((8, 8))])
    data = bytearray(file.getvalue())
    # The second directory gets the tag that says so, in place of rows per strip.
    second = _second_directory(data)
    place = data.index(struct.pack("<H", 278), second)
    data[place : place + 12] = struct.pack("<HHII", 254, 4, 1, 1)
    with pytest.raises(ImageError, match="several pages"):
        decode(file.getvalue(), 10_000)
    assert np.array_equal(decode(bytes(data), 10_000), SHEET)


def _second_directory(data: bytes) -> int:
    first = struct.unpack("<I", data[4:8])[0]
    entries = struct.unpack("<H", data[first : first + 2])[0]
    at = first + 2 + 12 * entries
    return struct.unpack("<I", data[at : at + 4])[0]
