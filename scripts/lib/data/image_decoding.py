"""A picture on white paper, in grey or colour: its kind, how turned, how transparent.

JPEG and PNG are decoded by OpenCV, the others by Pillow. A picture is decoded once;
what is done to it is done to its transparency too.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image, ImageFile

from scripts.lib.data.image_files import OTHER_SUFFIXES

_PNG_END = b"IEND\xaeB`\x82"
_ORIENTATION = 274  # the tag of EXIF, and of TIFF
_WHITE_IS_ZERO, _PHOTOMETRIC, _SUBFILE = 0, 262, 254  # of TIFF
_HALVED = 100_000_000  # pixels; of a larger JPEG every other row and column is decoded
_BAND = 4_000_000  # pixels that are laid on white paper at a time
# By channels, and whether a picture is decoded at half its width and height.
_HOW = {
    (1, False): cv2.IMREAD_GRAYSCALE,
    (1, True): cv2.IMREAD_REDUCED_GRAYSCALE_2,
    (3, False): cv2.IMREAD_COLOR_RGB,
    (3, True): cv2.IMREAD_REDUCED_COLOR_2,
}
# By the dimensions that pixels have, and the channels that they shall have.
_CHANGED = {
    (2, 1): None,
    (3, 1): cv2.COLOR_BGR2GRAY,
    (2, 3): cv2.COLOR_GRAY2RGB,
    (3, 3): cv2.COLOR_BGR2RGB,
}
# Colour: more than 1 % of the pixels whose channels differ by so many levels.
_COLOURED, _COLOUR_LEVELS = 0.01, 40
# How a kind of file begins; what is read by Pillow, by its own names.
_READ = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"GIF8": "GIF",
    b"BM": "BMP",
}
_NOT_READ = {
    b"\0\5\x16\7": "a Mac's notes about a file, no picture; copy the file itself",
    b"%PDF": OTHER_SUFFIXES[".pdf"],
    b"<svg": OTHER_SUFFIXES[".svg"],
    b"<?xml": "XML, perhaps SVG, is not read; save it as JPEG or PNG",
    b"<!DOC": "a web page, as a failed download leaves it; fetch the file again",
    b"<html": "a web page, as a failed download leaves it; fetch the file again",
    b"version https://git-lfs": "a pointer of Git LFS; run `git lfs pull`",
    b"8BPS": OTHER_SUFFIXES[".psd"],
    b"\xff\x0a": OTHER_SUFFIXES[".jxl"],
    b"\0\0\0\x0cJXL ": OTHER_SUFFIXES[".jxl"],
    b"\0\0\0\x0cjP  ": OTHER_SUFFIXES[".jp2"],
    b"PK\3\4": "a ZIP archive or an office document; unpack it, or export the picture",
}


class ImageError(ValueError):
    """An image file that cannot be used."""


def decode(data: bytes, most: int, channels: int = 1) -> np.ndarray:
    """Return the picture, uint8, 255 = white.

    In grey, (rows, columns), or for 3 channels (rows, columns, 3) red, green, blue.
    Turned as it says (EXIF); what is transparent is white paper.
    most: pixels, half of them where the colours of all must be held; a few kB can claim
    to have any number. A very large JPEG is decoded at half its width and height.
    Raises: ImageError: no picture that is read, truncated, too large, several pages.
    """
    kind = _kind(data)
    if kind in ("JPEG", "PNG"):
        size = (_jpeg_size if kind == "JPEG" else _png_size)(data)
        held = most if channels == 1 else most // 2
        _check_size(*size, held)
        png = kind == "PNG"
        image = _transparent_png(data, most // 2, channels) if png else None
        if image is None:
            halved = kind == "JPEG" and size[0] * size[1] > _HALVED
            image = _by_opencv(data, kind, _HOW[channels, halved])
            if channels == 3 and halved:  # for OpenCV it is blue that comes first
                image = image[:, :, ::-1]
        return image
    try:
        with warnings.catch_warnings():  # of what it mends or leaves out
            warnings.simplefilter("ignore")
            return _by_pillow(data, kind, most, channels)
    except ImageError:
        raise
    except Exception as error:  # its readers raise whatever a damaged file leads to
        raise ImageError(f"this {kind} file cannot be decoded: {error}") from None


def has_colour(data: bytes, most: int) -> bool:
    """Return whether a picture that `decode` reads has colours that grey would lose."""
    if _kind(data) in ("JPEG", "PNG"):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_8)
    else:
        image = decode(data, most, 3)
    spread = image.max(axis=2).astype(int) - image.min(axis=2)
    return bool((spread > _COLOUR_LEVELS).mean() > _COLOURED)


def _kind(data: bytes) -> str:
    """Return the kind of a file.  Raises: ImageError for one that is not read."""
    if not data:
        raise ImageError("the file is empty (0 bytes)")
    for mark, kind in _READ.items():
        if data.startswith(mark):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
            raise ImageError(f"neither JPEG nor PNG: {OTHER_SUFFIXES['.heic']}")
        if brand in (b"avif", b"avis"):
            raise ImageError(f"neither JPEG nor PNG: {OTHER_SUFFIXES['.avif']}")
        raise ImageError("neither JPEG nor PNG: a film; save a picture of it")
    start = data[:40].lstrip(b"\xef\xbb\xbf \r\n")
    for mark, told in _NOT_READ.items():
        if start.startswith(mark):
            raise ImageError(f"neither JPEG nor PNG: {told}")
    if not any(data[:4096]):
        raise ImageError("neither JPEG nor PNG: nothing but zeros; copy the file again")
    raise ImageError(
        f"neither JPEG nor PNG, TIFF, WebP, BMP, GIF: it begins with {data[:8]!r}"
    )


def _check_size(columns: int, rows: int, most: int) -> None:
    if columns * rows > most:
        raise ImageError(
            f"{columns} × {rows} pixels, expected at most {most:,}; save it smaller"
        )


def _by_opencv(data: bytes, kind: str, how: int) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    if image is None:
        raise ImageError(f"OpenCV cannot decode this {kind} file")
    return image


def _transparent_png(data: bytes, most: int, channels: int) -> np.ndarray | None:
    """Return a PNG with transparency on white paper; None for one without.

    It lies in a channel, or one colour or level of grey is said to be transparent
    (tRNS); OpenCV makes a channel of the latter where it is a colour.
    """
    chunks = dict(_png_chunks(data))
    depth, colour, key = data[24], data[25], chunks.get(b"tRNS")
    if not (colour in (4, 6) or key):
        return None
    _check_size(*_png_size(data), most)
    image = _by_opencv(data, "PNG", cv2.IMREAD_UNCHANGED)  # and it is not turned
    if image.ndim == 3 and image.shape[2] == 4:
        paper = _on_white(image[:, :, :3], image[:, :, 3], channels)
    elif image.ndim == 2 and key:
        level = int.from_bytes(key[:2]) * (255 // (2**depth - 1) if depth < 8 else 1)
        paper = _eight_bits(image)
        paper[image == level] = 255
        paper = _on_white(paper, None, channels)
    else:
        return None
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + chunks.get(b"eXIf", b""))
    except Exception:  # damaged, as OpenCV takes it: not turned
        return paper
    return _turned(paper, exif.get(_ORIENTATION, 1))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(data):
        length, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if name in (b"tRNS", b"eXIf"):
            yield name, data[at + 8 : at + 8 + length]
        at += 12 + length


def _by_pillow(data: bytes, kind: str, most: int, channels: int) -> np.ndarray:
    image = Image.open(io.BytesIO(data), formats=[kind])
    _check_size(*image.size, most if image.mode in ("1", "L") else most // 2)
    _check_pages(image)
    image.load()  # TIFF is turned here
    alpha = None
    if image.mode.startswith("I;16"):
        grey = _eight_bits(np.asarray(image).astype(np.uint16))
        # Pillow turns this over for 8 bits alone.
        if kind == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            grey = 255 - grey
        colours = grey
    elif image.mode in ("I", "F"):
        raise ImageError(
            "numbers of 32 bits for each pixel, whose white is not known; save it with "
            "8 or 16 bits"
        )
    elif image.has_transparency_data:
        pixels = np.asarray(image.convert("RGBA"))
        colours, alpha = pixels[:, :, 2::-1], pixels[:, :, 3]
    elif image.mode in ("1", "L"):
        colours = np.asarray(image.convert("L"))
    else:
        colours = np.asarray(image.convert("RGB"))[:, :, ::-1]
    paper = _on_white(colours, alpha, channels)
    return _turned(paper, image.getexif().get(_ORIENTATION, 1))


def _check_pages(image: ImageFile.ImageFile) -> None:
    """Raise ImageError for a file of several pictures; small previews are none."""
    for page in range(1, 100):
        try:
            image.seek(page)
        except EOFError:
            break
        if image.format != "TIFF" or not image.tag_v2.get(_SUBFILE, 0) & 1:
            raise ImageError(
                "several pages or pictures in one file, expected one; save each that "
                "is a drawing as a file of its own"
            )
    image.seek(0)


def _on_white(
    colours: np.ndarray, alpha: np.ndarray | None, channels: int = 1
) -> np.ndarray:
    """Return a picture on white paper, uint8, in grey or for 3 channels in colour.

    colours: grey, or (rows, columns, 3) blue, green, red, 8 or 16 bits; alpha: (rows,
    columns), its largest number where nothing is transparent, or None.
    """
    sides = colours.shape[:2]
    paper = np.empty(sides if channels == 1 else (*sides, 3), np.uint8)
    step = max(1, _BAND // max(1, paper.shape[1]))
    for begin in range(0, len(paper), step):
        rows = slice(begin, begin + step)
        part = np.ascontiguousarray(colours[rows])
        how = _CHANGED[part.ndim, channels]
        part = _eight_bits(part if how is None else cv2.cvtColor(part, how))
        if alpha is not None:
            portion = alpha[rows] / np.float32(np.iinfo(alpha.dtype).max)
            portion = portion if channels == 1 else portion[:, :, None]
            part = np.round(255 - (255 - part) * portion)
        paper[rows] = part
    return paper


def _eight_bits(image: np.ndarray) -> np.ndarray:
    """Return uint8 of 8 or 16 bits."""
    if image.dtype == np.uint8:
        return image.copy()
    return cv2.convertScaleAbs(image, alpha=1 / 257)


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """Return a picture as it is to be seen; orientation: 1 ... 8, as EXIF counts."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)  # 5
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _png_size(data: bytes) -> tuple[int, int]:
    """Return (columns, rows) of the header.  Raises: ImageError if truncated."""
    if _PNG_END not in data:
        raise ImageError("truncated: the end of a PNG file is missing")
    return int.from_bytes(data[16:20]), int.from_bytes(data[20:24])


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Return (columns, rows) of the header.

    OpenCV fills what a truncated file lacks with grey and says nothing, so the mark of
    the end is looked for. In the coded picture it cannot occur; before it, in a
    preview, it can; and behind it phones append what they like.

    Raises: ImageError if the header holds no size, or the picture has no end.
    """
    size, at = None, 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a filler
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            rows, columns = data[at + 5 : at + 7], data[at + 7 : at + 9]
            size = int.from_bytes(columns), int.from_bytes(rows)
        if marker == 0xDA:  # the coded picture begins
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    if b"\xff\xd9" not in data[at:]:
        raise ImageError("truncated: the end of a JPEG file is missing")
    if size is None:
        raise ImageError("damaged: the JPEG header holds no size")
    return size
