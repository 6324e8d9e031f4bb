"""What all tests share: where the real drawings are, and small data sets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def real_data_dir(tmp_path_factory) -> Path:
    """A folder that holds draw-a-person; skips where there are no real drawings."""
    named = os.environ.get("IGNET_DATA_DIR")
    if named and (Path(named) / "draw-a-person").is_dir():
        return Path(named)
    if (SHARED / "unpack.py").is_file():
        folder = tmp_path_factory.mktemp("data")
        subprocess.run(
            [sys.executable, SHARED / "unpack.py", folder, "draw-a-person"], check=True
        )
        return folder
    pytest.skip("no real drawings: neither IGNET_DATA_DIR nor ../shared/data is there")
