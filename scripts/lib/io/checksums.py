"""What a step wrote is known by its SHA-256, and is checked when a step reads it.

Beside each file below results/ that a step has written lies .sha256/NAME.sha256 with
its sum, as `sha256sum --check` reads it. A file whose content is another by then (a bad
disk, a hand) ends the step that opens it: it is named, and nothing is made of it. Files
without a sum are read as they are: the user's own, and those of older versions.

Python tells of every file that is opened or renamed by an event ("open", "os.rename" in
its table of audit events), so that no step and no library has to know of this.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.lib.io.files import sha256_of, write_text

FOLDER = ".sha256"


class DamagedFile(Exception):
    """A result whose content is not what the step wrote that made it.

    No ValueError, which readers take for a file that was never in order.
    """


class Sums:
    """The sums of one process; `heard` takes its audit events.

    results: only files below this folder have sums.
    """

    def __init__(self, results: Path = Path("results")):
        self.results = os.path.abspath(results) + os.sep
        self.renamed: dict[Path, None] = {}
        self._checked: set[Path] = set()

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Check what is opened for reading; remember what is renamed to its place."""
        if event == "open" and _reads(*arguments[:2]):
            self._check(arguments[0])
        elif event == "os.rename" and isinstance(arguments[1], str | os.PathLike):
            path = self._below(arguments[1])
            if path is not None:
                # Until the step has ended well nothing vouches for the new content.
                _sum_file(path).unlink(missing_ok=True)
                self.renamed[path] = None
                self._checked.discard(path)

    def write(self) -> None:
        """Write the sums of all files that were written and are still there."""
        for path in self.renamed.copy():
            if path.is_file():
                write_text(_sum_file(path), f"{sha256_of(path)}  {path.name}\n")

    def _below(self, name: str | os.PathLike[str]) -> Path | None:
        """Return the path as an absolute one if it can have a sum."""
        path = os.path.abspath(name)
        inside = path.startswith(self.results)
        return (
            Path(path) if inside and f"{os.sep}{FOLDER}{os.sep}" not in path else None
        )

    def _check(self, name: str) -> None:
        """Raises: DamagedFile if the content does not fit the sum."""
        path = self._below(name)
        # Snakemake's cache puts links in place of what a step wrote before.
        if path is None or path in self._checked or path.is_symlink():
            return
        self._checked.add(path)  # first, for it is opened again to be read
        try:
            # A sum that is itself damaged fits nothing.
            told = _sum_file(path).read_text("ascii", errors="replace")
            expected = told.partition(" ")[0]
        except FileNotFoundError:
            return
        received = sha256_of(path)
        if received != expected:
            self._checked.discard(path)
            shown = os.path.relpath(path)
            raise DamagedFile(
                f"{shown}: expected what was written (SHA-256 {expected[:12]}…), "
                f"received other content ({received[:12]}…): the disk or a hand "
                "changed it; delete it and run again, it is made anew (or, to keep the "
                f"change, delete {os.path.relpath(_sum_file(path))})"
            )


def guarded(main: Callable[[], None]) -> None:
    """Run a step: what it reads is checked; if it ends well, what it wrote has sums."""
    sums = Sums()
    sys.addaudithook(sums.heard)  # stays until the process ends, as all of them do
    main()
    sums.write()


def _reads(name: Any, mode: Any) -> bool:
    """Say whether a file is opened by its name, and for reading alone."""
    plain = isinstance(mode, str) and "r" in mode and "+" not in mode
    return plain and isinstance(name, str)


def _sum_file(path: Path) -> Path:
    # Not NAME alone: a folder of images has no more images by it.
    return path.parent / FOLDER / f"{path.name}.sha256"
