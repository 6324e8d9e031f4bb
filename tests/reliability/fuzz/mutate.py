"""A seeded mutator: a good file or value in, a damaged one out.

Everything is drawn from the `random.Random` that is given: the same seed damages the
same way, on any machine.
"""

from __future__ import annotations

import copy
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

INTEGERS = (
    *(0, 1, -1, 2, 7, 127, 128, 255, 256, 32767, 65535, 10**6),
    *(2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**32, 2**53),
    *(2**63 - 1, 2**63, -(2**63), 2**64 - 1, 2**64, 10**30),
)
TEXTS = (
    *("", " ", "a", "-", "--help", "..", "../x", "/etc/passwd", "~", "$(touch pwned)"),
    *("`touch pwned`", ";touch pwned", "| touch pwned", "'", '"', "\\", "a b", "a\nb"),
    *("{wildcard}", "{input}", "{0}", "%s", "$portion", "\x00", "\x1b[31m", "\ufeff"),
    *("NaN", "nan", "inf", "-inf", "1e400", "1e-400", "0x10", "1_000", "١٢", "½", "²"),
    *("null", "true", "é", "e\u0301", "ﬁ", "日本", "🖍", "\u202e", "\ud800", "x" * 300),
    *("input", "conv1", "relu", "same", "none", "=1+1", "1;2", "[]", "{}", "a,b"),
)
VALUES = (
    *(None, True, False, float("nan"), float("inf"), 1e308, 5e-324, -0.0, 0.5, 1.5),
    *([], {}, [[]], [None], {"a": 1}, [1, 2, 3], [0] * 100, {"name": "x"}),
)


def damaged(
    rng: random.Random, data: bytes, others: Sequence[bytes] = (), most: int = 4
) -> bytes:
    """Return bytes with one to `most` damages; others: files of the same kind."""
    content = bytearray(data)
    for _ in range(_times(rng, most)):
        rng.choice(_DAMAGES)(rng, content, others or (data,))
    return bytes(content)


def _times(rng: random.Random, most: int) -> int:
    """Return how often to damage: mostly once, so that some of it is still good."""
    return 1 if rng.random() < 0.6 else rng.randint(1, most)


def _place(rng: random.Random, content: bytearray) -> int:
    """Return a place; beginnings and ends, where the headers lie, are likelier."""
    n = len(content)
    kind = rng.random()
    if kind < 0.25:
        return min(rng.randrange(64), n)
    if kind < 0.5:
        return max(n - rng.randrange(1, 128), 0)
    return rng.randint(0, n)


def _flip(rng: random.Random, content: bytearray, others: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 1, 8, 64))):
        if content:
            at = min(_place(rng, content), len(content) - 1)
            content[at] ^= 1 << rng.randrange(8)


def _overwrite(rng: random.Random, content: bytearray, others: Sequence[bytes]) -> None:
    at = _place(rng, content)
    size = rng.choice((1, 2, 4, 8))
    number = rng.choice(INTEGERS) % (1 << 8 * size)
    content[at : at + size] = number.to_bytes(size, rng.choice(("little", "big")))


def _truncate(rng: random.Random, content: bytearray, others: Sequence[bytes]) -> None:
    del content[_place(rng, content) :]


def _remove(rng: random.Random, content: bytearray, others: Sequence[bytes]) -> None:
    at = _place(rng, content)
    del content[at : at + rng.choice((1, 4, 16, 256))]


def _double(rng: random.Random, content: bytearray, others: Sequence[bytes]) -> None:
    at = _place(rng, content)
    block = content[at : at + rng.choice((1, 8, 64, 1024))]
    content[at:at] = block * rng.choice((1, 1, 2, 50))


def _splice(rng: random.Random, content: bytearray, others: Sequence[bytes]) -> None:
    other = bytearray(rng.choice(others))
    at = _place(rng, content)
    content[at:] = other[min(at, _place(rng, other)) :]


def _insert(rng: random.Random, content: bytearray, others: Sequence[bytes]) -> None:
    at = _place(rng, content)
    kind = rng.randrange(3)
    if kind == 0:
        content[at:at] = rng.choice(TEXTS).encode("utf-8", "surrogatepass")
    elif kind == 1:
        content[at:at] = str(rng.choice(INTEGERS)).encode()
    else:
        content[at:at] = rng.randbytes(rng.choice((1, 4, 16)))


def _digits(rng: random.Random, content: bytearray, others: Sequence[bytes]) -> None:
    """Replace a number that is written in digits."""
    places = [i for i, byte in enumerate(content[:4096]) if 48 <= byte <= 57]
    if places:
        at = rng.choice(places)
        content[at : at + 1] = str(rng.choice(INTEGERS)).encode()


_DAMAGES: tuple[Callable, ...] = (
    _flip, _flip, _overwrite, _truncate, _remove, _double, _splice, _insert, _digits,
)  # fmt: skip


def damaged_tree(rng: random.Random, tree: Any, most: int = 3) -> Any:
    """Return a copy of a value of dicts, lists and scalars with some changes."""
    tree = copy.deepcopy(tree)
    for _ in range(_times(rng, most)):
        places = list(_walk(tree))
        if not places:
            return any_value(rng)
        holder, key = rng.choice(places)
        _change(rng, holder, key)
    return tree


def _walk(tree: Any):
    """Yield (holder, key) of everything within a value."""
    keys = tree if isinstance(tree, dict) else range(len(tree))
    for key in keys if isinstance(tree, dict | list) else ():
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _walk(tree[key])


def _change(rng: random.Random, holder: Any, key: Any) -> None:
    kind = rng.randrange(9)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice((*TEXTS, f"{key}x", str(key)[:-1]))] = any_value(rng)
    elif kind == 1:
        holder.insert(key, copy.deepcopy(rng.choice(holder)))
    elif kind == 2 and isinstance(holder, dict):
        holder[rng.choice(TEXTS)] = holder.pop(key)
    elif kind == 2:
        holder[key] = [holder[key]]
    elif kind == 3 and _is_number(holder[key]):
        holder[key] = -holder[key]
    elif kind == 4 and _is_number(holder[key]):
        holder[key] = rng.choice((str(holder[key]), holder[key] + 0.5, holder[key] * 2))
    elif kind == 5:
        holder[key] = _nested(rng, holder[key])
    else:
        holder[key] = any_value(rng)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _nested(rng: random.Random, value: Any) -> Any:
    for _ in range(rng.choice((1, 2, 40))):
        value = [value] if rng.random() < 0.5 else {rng.choice(TEXTS): value}
    return value


def any_value(rng: random.Random) -> Any:
    """Return some value that is mostly wrong."""
    kinds = (VALUES, INTEGERS, TEXTS)
    return copy.deepcopy(rng.choice(rng.choice(kinds)))


def rezipped(rng: random.Random, data: bytes, damage: Callable) -> bytes:
    """Return a zip archive with a member damaged and all checksums right again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(m.filename, archive.read(m)) for m in archive.infolist()]
    at, kind = rng.randrange(len(members)), rng.randrange(8)
    name, content = members[at]
    if kind == 0:
        del members[at]
    elif kind == 1:
        text = rng.choice(TEXTS).replace("\ud800", "?").replace("\x00", "0")
        members[at] = text or "x", content
    elif kind == 2:
        members[at] = name, rng.choice(members)[1]
    else:
        members[at] = name, damage(rng, content)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()
