"""Where a run takes place: its folders, its user, and what was made there before."""

from __future__ import annotations

import getpass
import os
import re
from pathlib import Path

from engine import cache
from scripts.lib.study.config import ConfigError


def check(base: Path, work: Path) -> None:
    """Refuse paths that Python or Snakemake would take for others.

    Raises: ConfigError.
    """
    if os.pathsep in str(base):  # the jobs find the project by PYTHONPATH
        raise ConfigError(
            f"{base}: expected the project in a folder without {os.pathsep!r} in its "
            "path, which Python takes for the end of a folder; rename or move it"
        )
    # Snakemake makes this folder even for --dry-run.
    place = work / ".snakemake" if (work / ".snakemake").exists() else work
    if not (os.access(place, os.W_OK) or (place / "locks").is_dir()):
        raise ConfigError(
            f"{place}: expected a folder that you may write, it belongs to user "
            f"{place.stat().st_uid} (was there a run by sudo?); have it given to you, "
            "or work in another: snakemake --directory DIR"
        )
    # Else it looks for its locks in, and removes those of, other folders as well.
    if re.search(r"\{.*\}", str(work), re.DOTALL):
        raise ConfigError(
            f"{work}: expected a folder to work in without {{…}} in its path, which "
            "Snakemake takes for any name; rename it, or work in another: "
            "snakemake --directory DIR"
        )


def prepare() -> None:
    """Give the jobs a user's name, and folders for their caches."""
    try:
        getpass.getuser()
    except (KeyError, OSError):  # a container that runs as a user whom it does not know
        os.environ.update(LOGNAME=str(os.getuid()))
    # Where the home folder cannot be written, the jobs' caches get another here.
    cache.folder()


def used_before() -> list[str]:
    """Return the data sets that results were made of before."""
    return [path.parent.name for path in Path("results/data").glob("*/source.json")]


def warning() -> str | None:
    """Return what a user must know of results that were made before."""
    if not used_before() or list(Path(".snakemake").glob("metadata*")):
        return None
    return (
        "There are results, but no records of how they were made (.snakemake was "
        "deleted?): settings, code or data_dir that changed are not noticed. Delete "
        "results/, or give --forceall, to be sure."
    )
