"""The text of a labels.csv: which encoding it is in, or why it is no text."""

from __future__ import annotations

import codecs
import re

_MARKS = (  # UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF8, "utf-8", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
# What bears the name of a table and is none.
_OTHERS = (
    (b"PK\x03\x04", "a workbook (.xlsx, .ods or .numbers) or another ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)"),
    (b"%PDF", "a PDF"),
    (b"{\\rtf", "a text with formats (RTF)"),
    (b"\x1f\x8b", "a file packed by gzip"),
)
# In the order in which they are guessed where several fit equally well.
_GUESSES = (
    ("cp1252", "Windows, Western Europe"),
    ("mac_roman", "old Mac, Western Europe"),
    ("cp850", "DOS, Western Europe"),
    ("cp1250", "Windows, Central Europe"),
)
# How often letters are met in names, roughly; other letters 1, signs 0.
_WEIGHTS = dict.fromkeys("êëàâáãíîïìóòôõúùûåæøÅÆØÉÀÁÇÑ", 2)
_WEIGHTS |= dict.fromkeys("äöüßÄÖÜéèçñ", 3)
_HOW = (
    "save it again as UTF-8 (in Excel: “CSV UTF-8”, in a text editor: encoding UTF-8)"
)


class TextError(ValueError):
    """A file that is no text in an encoding that is read; without the file's name."""


def decode(data: bytes) -> tuple[str, str]:
    """Return (text, encoding's name): UTF-8, or UTF-16 or UTF-32 by their mark.

    UTF-16 without a mark is known by the noughts of its first line.
    Raises: TextError that says what the file looks like, and what to do.
    """
    for signature, kind in _OTHERS:
        if data.startswith(signature):
            raise TextError(
                f"expected a CSV file, received {kind}; export the sheet as CSV UTF-8"
            )
    for mark, codec, name in _MARKS:
        if data.startswith(mark):
            return _decode(data[len(mark) :], codec, name)
    head = data[:64]
    for codec, noughts in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(noughts) > 1 and not any(noughts):
            return _decode(data, codec, "UTF-16")
    return _decode(data, "utf-8", "UTF-8")


def _decode(data: bytes, codec: str, name: str) -> tuple[str, str]:
    try:
        return data.decode(codec), name
    except UnicodeDecodeError as error:
        if name != "UTF-8":
            raise TextError(
                f"expected a CSV file in {name}, as its first bytes say: {error.reason}"
                f" at byte {error.start}; {_HOW}"
            ) from None
        raise TextError(_told(data, error.start)) from None


def _told(data: bytes, at: int) -> str:
    """Return what is wrong with bytes that are no UTF-8 at the place `at`."""
    before = re.split(rb"\r\n|\n|\r", data[:at])
    field = re.split(rb"[,;\t\r\n|]", data[at:], maxsplit=1)[0]
    field = re.split(rb"[,;\t|]", before[-1])[-1] + field
    guess = _guess(data)
    looks = (
        f"it looks like {guess[0]} ({guess[1]}), in which that field is "
        f"{field.decode(guess[0], 'replace').strip()[:40]!r}"
        if guess
        else "it looks like no Western encoding"
    )
    return (
        f"expected a CSV file in UTF-8, line {len(before)} is not "
        f"({field[:40]!r}); {looks}; {_HOW}"
    )


def _guess(data: bytes) -> tuple[str, str] | None:
    """Return the encoding in which the bytes give most letters; None if few are."""
    high = re.findall(rb"[\x80-\xff]+", data[:1_000_000])
    # Words of nothing but such bytes: Cyrillic, Greek, Chinese, ...
    if sum(len(run) for run in high if len(run) > 2) > sum(map(len, high)) / 2:
        return None
    found = b"".join(high)

    def score(codec: str) -> float:
        text = found.decode(codec, "replace")
        return sum(_WEIGHTS.get(c, c.isalpha()) for c in text) / len(text)

    best = max(_GUESSES, key=lambda guess: score(guess[0]))
    return best if score(best[0]) >= 1 else None
