"""When two texts are one: what differs only in its coding, and what looks alike.

People see one name where a program sees two: letters coded in another Unicode form,
blanks that do not show, a number that a spreadsheet wrote anew. Children, values of
factors, file names and column names are compared by these rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

_SELECTORS = dict.fromkeys((0xFE0E, 0xFE0F))  # how a character is shown, no letter
# Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans(
    "АВЕКМНОРСТУХаеорсухіјѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEKMHOPCTYXaeopcyxijsABEZHIKMNOPTYXo"
)
# As German and Scandinavian keyboards without these letters write them.
_TRANSCRIBED = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "æ": "ae", "å": "aa", "œ": "oe"}
)
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe"}
)
_WHOLE = re.compile(r"(\d+)[.,]0+")
_BROKEN = re.compile(r"\d+[.,]\d+")
_PARTS = re.compile(r"\d+|[^\W\d_]+|[^\w\s]")
_ACCENTS = re.compile("[\u0300-\u036f]")
# A cell that a program could not compute, or that it shortened or could not decode.
_LOST = (
    (
        re.compile(
            r"#(N/A|REF!|NAME\?|VALUE!|DIV/0!|NULL!|NUM!|ERROR!)", re.IGNORECASE
        ),
        "an error of a spreadsheet",
    ),
    (
        re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE),
        "a number that a spreadsheet has shortened",
    ),
    (re.compile(".*\ufffd.*", re.DOTALL), "a text that has lost letters"),
    (re.compile(r"[nN]/[aA]|nan|NaN"), "a mark for what is missing"),
)


def clean(text: str) -> str:
    """Return a text as it is seen: one form for one text.

    Composed letters (NFC); letters and blanks of full or half width as the usual ones;
    without what does not show (zero-width blanks, direction marks, NUL); every
    run of blanks, of whatever kind, as one, and none at the ends.
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = "".join(
        unicodedata.normalize("NFKC", c)
        if unicodedata.decomposition(c).startswith(("<wide>", "<narrow>"))
        else c
        for c in text
        if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf")
    )
    text = unicodedata.normalize("NFC", text.translate(_SELECTORS))
    return " ".join(text.split())


def folded(text: str) -> str:
    """Return a text cleaned and without regard to case."""
    return unicodedata.normalize("NFC", clean(text).casefold())


def show(*texts: str) -> str:
    """Return texts for a reader, with escapes where they look the same."""
    same = len({clean(text) for text in texts}) == 1
    return " and ".join(map(ascii if same else repr, texts))


def lost(text: str) -> str | None:
    """Return what a program left in place of a value, or None."""
    return next((told for sign, told in _LOST if sign.fullmatch(text)), None)


def join_certain(values: Iterable[str]) -> dict[str, str]:
    """Return {value as written: the one spelling of it}.

    One are values that are equal when cleaned; and a whole number and the same with
    decimals of nought (7 and 7.0, as a spreadsheet writes it that takes the column for
    numbers), unless other values of the column have other decimals.
    """
    cleaned = {value: clean(value) for value in values}
    parts = {text for text in cleaned.values() if _BROKEN.fullmatch(text)}
    if any(not _WHOLE.fullmatch(text) for text in parts):
        return cleaned
    known = set(cleaned.values())
    return {
        value: number[1]
        if (number := _WHOLE.fullmatch(text)) and number[1] in known
        else text
        for value, text in cleaned.items()
    }


def alike(names: Iterable[str]) -> list[list[str]]:
    """Return the groups of different names that may be one name, each sorted.

    They differ in case, accents (ö, o, oe), punctuation, leading zeros, letters that
    look the same, or by an encoding that was read wrongly. It is a guess.
    """
    owner: dict[str, str] = {}
    first: dict[object, str] = {}

    def root(name: str) -> str:
        while owner[name] != name:
            name = owner[name]
        return name

    for name in sorted(set(names)):
        owner[name] = name
        for key in _keys(name):
            owner[root(name)] = root(first.setdefault(key, name))
    groups = defaultdict(list)
    for name in owner:
        groups[root(name)].append(name)
    return [group for group in groups.values() if len(group) > 1]


def most_used(group: Sequence[str], values: Iterable[str]) -> str:
    """Return the spelling that occurs most often, of equals the first by letters."""
    counts: Mapping[str, int] = Counter(values)
    return min(group, key=lambda name: (-counts[name], name))


def key(text: str) -> tuple[str, ...]:
    """Return what a text is known by without accents, punctuation, leading zeros."""
    return _keys(text)[0]


def _keys(text: str) -> list[tuple[str, ...]]:
    """Return what a text is known by: where one of them is equal it may be one text."""
    low = folded(_decoded(text).translate(_LOOKALIKES))
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", low.translate(_PLAIN)))
    return [_parts(plain) or (low,), _parts(low.translate(_TRANSCRIBED)) or (low,)]


def _parts(text: str) -> tuple[str, ...]:
    """Return the words, numbers and signs of a text: kid_07 is ("kid", "7").

    Punctuation is none, but for a minus at an end: A, A- and A+ are three marks.
    """
    number = _WHOLE.fullmatch(text)
    inner = "".join(c if unicodedata.category(c)[0] in "LNMS" else " " for c in text)
    ends = ("-",) if text[-1:] == "-" or text[:1] == "-" else ()
    found = (*_PARTS.findall(number[1] if number else inner), *ends)
    # Not int(): a number may have more digits than Python reads.
    return tuple(p.lstrip("0") or "0" if p.isdecimal() else p for p in found)


def _decoded(text: str) -> str:
    """Return what UTF-8 that was read as another encoding says: JÃ¶rg is Jörg."""
    for encoding in () if text.isascii() else ("cp1252", "latin-1", "mac_roman"):
        try:
            return text.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return text
