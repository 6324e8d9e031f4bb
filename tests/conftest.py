"""What all tests share: where the real data are, and how long slow ones may take."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT / ".." / "shared" / "data"
# No slow test begins after so many minutes; unset: all do.
MINUTES = os.environ.get("IGNETLAB_TEST_MINUTES")
STARTED = time.monotonic()


def _is_slow(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("reliability", "slow"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where time is short, begin with another file each day: each has its turn."""
    files = list(dict.fromkeys(item.path for item in items if _is_slow(item)))
    if MINUTES and files:
        first = int(time.time() // 86400) % len(files)
        turn = {path: i for i, path in enumerate([*files[first:], *files[:first]])}
        items.sort(key=lambda item: turn.get(item.path, -1))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a slow test that would begin too late."""
    late = MINUTES and time.monotonic() - STARTED > 60 * float(MINUTES)
    if late and _is_slow(item):
        pytest.skip(f"no time left: IGNETLAB_TEST_MINUTES={MINUTES}")


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
