"""Files from the web: whole and checked, or not there.

What comes is kept in NAME.part beside the file's place, also after an error or a kill,
and the next try or run asks for the rest alone. The file gets its name only when its
checksum is right; so the checksum, not the server, says what a file is, and whatever a
server does wrong costs time at most. One process at a time writes a part file: others
wait for its lock.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.lib.download.partial_download import (
    PartFile,
    in_words,
    is_right,
    part_of,
    read_checksums,
)
from scripts.lib.download.web import DownloadError, Interrupted, Source

_LONGEST_WAIT = 60.0  # seconds


def tell(line: str) -> None:
    """Print a line of progress to stderr."""
    print(f"[download] {line}", file=sys.stderr, flush=True)


def download(
    address: str,
    path: str | Path,
    *,
    checksum: str | Sequence[str],
    size_limit: int,
    tries: int = 6,
    timeout: float = 30.0,
    wait: float = 1.0,
    say: Callable[[str], None] = tell,
) -> None:
    """Put the file at `address` to `path`, unless it is there already.

    address: http or https; checksum: "md5:..." or "sha256:..." in hexadecimal, or
    several that must all be right; size_limit: bytes, more are refused; timeout:
    seconds for an answer, and for the next kilobyte of it; wait: seconds before the
    second try, twice as many before each later one; say: told of progress.

    A file at `path` with the right checksum is taken without a network; one with a
    wrong checksum is replaced. Tried again are stalls, resets, truncated answers and
    what a server says of the moment (5xx, 429), not what it says of the file (404).

    Raises: DownloadError if the file cannot be had, is too large, or is another one;
    ValueError for an impossible address or checksum; OSError if it cannot be written.
    """
    path, expected = Path(path), read_checksums(checksum)
    source = Source(address, size_limit, timeout, say)
    path.parent.mkdir(parents=True, exist_ok=True)
    if is_right(path, expected):
        return
    with part_of(path, say) as (file, part_path):
        if is_right(path, expected):  # another process was faster
            part_path.unlink()
            return
        if path.exists():
            say(f"{path} has not {in_words(expected)}: downloading it again")
        part = PartFile(file, expected)
        with _explained(address, path, part_path, part):
            _fill(part, source, tries, wait)
        os.fsync(file.fileno())
        os.replace(part_path, path)
        say(f"{path}: {part.size} bytes, {in_words(expected)}")


@contextmanager
def _explained(
    address: str, path: Path, part_path: Path, part: PartFile
) -> Iterator[None]:
    """Say of an error where it happened, what is kept, and what to do."""
    can_keep = part_path.suffix == ".part"  # else no other process could have it
    try:
        yield
    except DownloadError as problem:
        if part.size and can_keep:
            kept = f"{part.size} bytes are kept in {part_path}"
        else:
            part_path.unlink()
            kept = "nothing is kept"
        raise DownloadError(
            f"{address}: {problem} ({kept}); without a network lay the file out by "
            f"hand at {path}"
        ) from None
    except OSError as problem:
        kept = "; what has come is kept" if can_keep else ""
        text = f"{problem.strerror}{kept}"
        raise OSError(problem.errno, text, str(part_path)) from None


def _fill(part: PartFile, source: Source, tries: int, wait: float) -> None:
    """Get what is missing of a file.

    Raises: DownloadError; then `part` holds what a later run can go on from.
    """
    for number in range(1, tries + 1):
        # A process may have been killed between the last byte and the new name.
        if part.size and part.is_right:
            return
        try:
            pieced = source.append_to(part)
            if part.is_right:
                return
            problem = part.difference
            part.clear()
            if not pieced:
                raise DownloadError(
                    f"{problem}: this is another file; see what the address gives, and "
                    "correct address and checksum together"
                )
            # Pieces may be of different files: all of it once more.
            raise Interrupted(problem)
        except Interrupted as problem:
            if number == tries:
                raise DownloadError(
                    f"expected the file, did not receive it in {tries} tries, the "
                    f"last: {problem}; run it again later"
                ) from None
            pause = min(max(wait * 2 ** (number - 1), problem.after), _LONGEST_WAIT)
            source.say(
                f"{source.address}: {problem}; try {number + 1} of {tries} in "
                f"{pause:g} s, from byte {part.size}"
            )
            time.sleep(pause)


__all__ = ["DownloadError", "download"]
