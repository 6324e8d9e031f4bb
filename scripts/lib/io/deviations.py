"""Choices of ours where a document is silent: the DEVIATION comments of the project."""

from __future__ import annotations

import re
from pathlib import Path

_FOLDERS = ("config", "engine", "scripts", "workflow")
_SUFFIXES = {".py", ".yaml", ".smk", ".cl"}
_COMMENT = re.compile(r"#\s*DEVIATION:\s*(?P<text>.*(?:\n[ \t]*#(?!\s*DEVIATION:).*)*)")


def collect(base: Path) -> list[tuple[str, str]]:
    """Return (file, text) of every `# DEVIATION:` comment, in the files' order.

    A comment goes on over the comment lines that follow it.
    """
    found = []
    for folder in _FOLDERS:
        for path in sorted((base / folder).rglob("*")):
            if path.suffix in _SUFFIXES and path.name != Path(__file__).name:
                for match in _COMMENT.finditer(path.read_text("utf-8")):
                    lines = (line.strip(" #") for line in match["text"].splitlines())
                    text = " ".join(line for line in lines if line)
                    found.append((path.relative_to(base).as_posix(), text))
    return found
