"""How every step runs from the command line: one clear line for an expected error."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

_FULL = "make space, then give the same command again: what is finished is kept"
_CLOSED = "make it writable, or work elsewhere: snakemake --directory DIR"
# What to do where the system refuses to write.
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "raise the limit (ulimit -f), then give the same command again: what "
    "is finished is kept",
    errno.EROFS: _CLOSED,
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
}


def run(main: Callable[[], None]) -> None:
    """Run `main`; an expected error ends with its text alone and exit status 1.

    What it reads is checked, what it writes gets sums: see scripts/lib/io/checksums.py.
    Expected are ValueError, OSError and the engine's own errors: bad input; and files
    that were damaged. Anything else is a fault of the program and keeps its traceback.
    """
    from engine.errors import EngineError
    from scripts.lib.io import checksums

    try:
        checksums.guarded(main)
    except (ValueError, OSError, EngineError, checksums.DamagedFile) as error:
        advice = _ADVICE.get(getattr(error, "errno", None))
        sys.exit(f"error: {error}" + (f"; {advice}" if advice else ""))
    except KeyboardInterrupt:
        sys.exit(130)


def tune() -> bool:
    """Return what the pipeline's setting `tune` says; without a pipeline, True."""
    return os.environ.get("IGNETLAB_TUNE", "1") != "0"
