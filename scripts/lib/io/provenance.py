"""Which of the repo's own code a step runs, as one short hash.

Snakemake sees a rule's text and its files, not the modules that its command imports:
after an edit of the engine it says "nothing to be done". So every rule has in its
params the fingerprint of its step: the hash of all files in this repo that the step's
module imports, directly or not. What is not imported does not count: an edit of a plot
reruns plots.

Imports are found by reading the text, not by running it: Snakefiles are read again for
each job, and starting the whole engine each time would cost more than the reading.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("engine", "scripts")

# An import at the start of a line, indented or not (lazily imported modules count too),
# with names in parentheses over several lines.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<base>[.\w]+)[ \t]+import[ \t]*"
    r"(?P<names>\([^)]*\)|(?:[^\n\\]|\\\n)*)|import[ \t]+(?P<modules>[^\n]+))",
    re.MULTILINE,
)
# importlib.import_module("a.b"), where the name stands in the text.
_DYNAMIC = re.compile(r"import_module\(\s*[\"']([\w.]+)[\"']")
# Texts and comments, which may hold what looks like an import.
_NOT_CODE = re.compile(
    r"(?P<quotes>\"{3}|'{3}).*?(?P=quotes)"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|#[^\n]*",
    re.DOTALL,
)


def fingerprint(*modules: str, root: Path = ROOT) -> str:
    """Return 16 hexadecimal digits for the code that the given modules run.

    A package's `__init__` counts if it is imported by name (`import engine`,
    `from engine import Network`), not for being the parent of a module that is.
    OpenCL sources count where a module beside them or beside their folder counts.

    Raises: ValueError for a module that is not in this repo.
    """
    digest = hashlib.sha256()
    for path in sources(*modules, root=root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(_content(path)).digest())
    return digest.hexdigest()[:16]


def sources(*modules: str, root: Path = ROOT) -> list[Path]:
    """Return the files that `fingerprint` hashes, sorted."""
    found: set[Path] = set()
    waiting = []
    for module in modules:
        path = _file_of(module, root, exact=True)
        if path is None:
            raise ValueError(
                f"fingerprint: expected a module of {' or '.join(PACKAGES)} below "
                f"{root}, received {module!r}"
            )
        waiting.append(path)
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting.extend(imports(path, root))
        found.update(_kernels(path.parent))
    return sorted(found)


@cache
def imports(path: Path, root: Path = ROOT) -> tuple[Path, ...]:
    """Return the repo's own files that one Python file imports by name."""
    package = path.relative_to(root).parent.parts
    found = {}
    for name in _imported_names(_content(path).decode("utf-8"), package):
        file = _file_of(name, root)
        if file is not None and file != path:
            found[file] = None
    return tuple(found)


def _imported_names(text: str, package: tuple[str, ...]) -> Iterator[str]:
    """Yield the full names of what a text imports.

    `from a import b` gives `a.b`, whether b is a module or a name within a.
    """
    yield from _DYNAMIC.findall(text)
    for match in _IMPORT.finditer(_NOT_CODE.sub("", text)):
        if match["modules"]:
            for part in _split(match["modules"]):
                yield part
            continue
        base = match["base"]
        up = len(base) - len(base.lstrip("."))
        if up:
            above = package[: len(package) - up + 1]
            base = ".".join([*above, *filter(None, [base[up:]])])
        for part in _split(match["names"].strip("()")):
            yield base if part == "*" else f"{base}.{part}"


def _split(names: str) -> Iterable[str]:
    """Return the names of `a as b, c`, without what they are called here."""
    names = names.replace("\\\n", " ")
    return [part.split()[0] for part in names.split(",") if part.strip()]


@cache
def _file_of(name: str, root: Path, *, exact: bool = False) -> Path | None:
    """Return the file of a module; unless `exact`, also that of a name in a module."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return None
    for end in [len(parts)] if exact else [len(parts), len(parts) - 1]:
        place = root.joinpath(*parts[:end])
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if end and path.is_file():
                return path
    return None


@cache
def _kernels(folder: Path) -> tuple[Path, ...]:
    """Return the OpenCL sources in a folder and in its folders that are no packages."""
    found = list(folder.glob("*.cl"))
    for below in folder.iterdir():
        if below.is_dir() and not (below / "__init__.py").exists():
            found.extend(below.glob("*.cl"))
    return tuple(found)


@cache
def _content(path: Path) -> bytes:
    return path.read_bytes()
