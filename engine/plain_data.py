"""Plain data from YAML (and so from JSON): texts, numbers, lists, keys and values.

A text of a few lines can stand for billions of values (anchors that hold anchors), for
one that holds itself, or for a number of a million digits. What is read here is
bounded, builds no object but these, and has one error, whatever PyYAML raises over it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

SIZE_LIMIT = 4_000_000  # bytes of a file
VALUE_LIMIT = 200_000  # with what aliases stand for counted each time
# Beside its own errors PyYAML lets through what int(), float(), date() and a regular
# expression without a match raise over a text that is tagged or looks like theirs.
_UNREADABLE = (
    yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError,
    RecursionError,
)  # fmt: skip


def read(path: Path, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """Return the content of a file.

    loader: one derived from PyYAML's safe loader.
    Raises: ValueError saying what was received (its caller names the file); OSError.
    """
    size = path.stat().st_size
    if size > SIZE_LIMIT:
        raise ValueError(f"a file of {size:,} bytes, expected at most {SIZE_LIMIT:,}")
    return parse(path.read_bytes(), loader)


def parse(content: bytes, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    """Return the value of a text in UTF-8.  Raises: ValueError."""
    try:
        reader = loader(content.decode("utf-8"))
        try:
            node = reader.get_single_node()
            if node is None:
                return None
            _count(node, {})
            return reader.construct_document(node)
        finally:
            reader.dispose()
    except RecursionError:
        raise ValueError("values within values, too deep to be read") from None
    except _UNREADABLE as error:
        raise ValueError(str(error) or type(error).__name__) from None


def _count(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Return how many values a node stands for.

    known: the counts by id; None while a node is being counted.
    Raises: ValueError for too many, or for a node that holds itself.
    """
    if isinstance(node, yaml.ScalarNode):
        node.value.encode("utf-8")  # half a character, by an escape, is no text
        return 1
    if id(node) in known:
        count = known[id(node)]
        if count is None:
            line = node.start_mark.line + 1
            raise ValueError(f"the value in line {line} holds itself")
        return count
    known[id(node)] = None
    count = 1
    for entry in node.value:
        for part in entry if isinstance(entry, tuple) else (entry,):
            count += _count(part, known)
    if count > VALUE_LIMIT:
        raise ValueError(f"more than {VALUE_LIMIT:,} values, aliases counted each time")
    known[id(node)] = count
    return count
