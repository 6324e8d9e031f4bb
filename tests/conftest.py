"""What all tests share: where the real data are."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def real_data(tmp_path_factory) -> Callable[[str], Path]:
    """Return a function: name of a data set -> its folder; skips where it is missing.

    A set lies in $IGNET_DATA_DIR/NAME, or is unpacked from ../shared/data.
    """
    unpacked = tmp_path_factory.mktemp("data")

    def get(name: str) -> Path:
        named = os.environ.get("IGNET_DATA_DIR")
        if named and (Path(named) / name).is_dir():
            return Path(named) / name
        if (SHARED / "unpack.py").is_file():
            command = [sys.executable, SHARED / "unpack.py", unpacked, name]
            subprocess.run(command, check=True)
            return unpacked / name
        pytest.skip(f"no {name}: neither IGNET_DATA_DIR nor ../shared/data holds it")

    return get


@pytest.fixture(scope="session")
def real_data_dir(real_data) -> Path:
    """A folder that holds draw-a-person; skips where there are no real drawings."""
    return real_data("draw-a-person").parent
