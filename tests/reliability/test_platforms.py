"""The lock files elsewhere than here: every package has a file there, with its hash.

uv, an installer, resolves for a system and a Python that this machine is not, with its
markers and tags. It reads the registry's pages and metadata (about 30 MB in all), and
installs nothing: what a package does not declare is not found.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow
UV = "uv==0.13.9"
# The oldest ones: glibc 2.28 is RHEL 8's, and macOS 14 is what ONNX Runtime wants.
SYSTEMS = {
    "linux-x86_64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "macos-arm64": "aarch64-apple-darwin",
}
MACOS = "14.0"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))
# What has no wheel is built there: connection-pool is Python alone, immutables is C.
SOURCES = {python: ["connection-pool"] for python in PYTHONS}
SOURCES["3.14"] += ["immutables"]


def said(command: list[Any], **options: Any) -> subprocess.CompletedProcess:
    return subprocess.run(
        command, capture_output=True, text=True, check=False, **options
    )


@pytest.fixture(scope="session")
def resolve(tmp_path_factory) -> Callable[[str, str, str], dict[str, Any]]:
    """Return a function: a lock file's text, system, Python -> what an install takes.

    That is {package: {version, wheels: [{hashes}], sdist}}, wheels that fit there.
    """
    folder = tmp_path_factory.mktemp("uv")
    pip = [sys.executable, "-m", "pip"]
    done = said([*pip, "install", "--quiet", "--target", folder, UV])
    if done.returncode:
        pytest.skip(f"no registry gave {UV}: {done.stderr.strip()[-300:]}")
    index = os.environ.get("PIP_INDEX_URL")
    index = index or said([*pip, "config", "get", "global.index-url"]).stdout.strip()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("UV_")}
    environment |= {"UV_CACHE_DIR": str(folder / "cache"), "UV_SYSTEM_CERTS": "1"}
    environment |= {"UV_NO_CONFIG": "1", "MACOSX_DEPLOYMENT_TARGET": MACOS}
    environment |= {"UV_DEFAULT_INDEX": index} if index else {}

    def resolved(text: str, system: str, python: str) -> dict[str, Any]:
        command = [folder / "bin/uv", "pip", "compile", "--format", "pylock.toml"]
        command += ["--python", sys.executable, "--python-version", python]
        command += ["--python-platform", SYSTEMS[system], "--only-binary", ":all:"]
        command += [w for name in SOURCES[python] for w in ("--no-binary", name)]
        done = said([*command, "-"], input=text, env=environment)
        if "Failed to fetch" in done.stderr:
            pytest.skip(f"uv had no answer from the registry: {done.stderr[-300:]}")
        assert done.returncode == 0, done.stderr
        return {p["name"]: p for p in tomllib.loads(done.stdout).get("packages", [])}

    return resolved


def lacking(text: str, packages: dict[str, Any]) -> set[str]:
    """Return the packages of an install that a lock file lacks, or a hash of theirs."""
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", text, flags=re.M))
    hashes = set(re.findall(r"sha256:(\w+)", text))
    return {
        name
        for name, package in packages.items()
        if pinned.get(name) != package["version"]
        or not hashes.issuperset(
            file["hashes"]["sha256"]
            for file in package.get("wheels") or [package["sdist"]]
        )
    }


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_there(lock, python, system, resolve):
    text = (ROOT / lock).read_text()
    packages = resolve(text, system, python)
    assert bool(packages) == ("intel" not in lock or system == "linux-x86_64")
    assert lacking(text, packages) == set()


def without(entry: str) -> str:
    return ""


def with_other_hashes(entry: str) -> str:
    return re.sub(r"sha256:.{4}", "sha256:0000", entry)


@pytest.mark.parametrize(
    "package, change, system, found",
    [
        ("psutil", without, "macos-arm64", {"psutil"}),
        ("psutil", with_other_hashes, "macos-arm64", {"psutil"}),
        # sqlalchemy asks for it by a marker: on Linux, not on macOS.
        ("greenlet", without, "linux-aarch64", {"greenlet"}),
        ("greenlet", without, "macos-arm64", set()),
    ],
)
def test_what_is_wrong_is_found(package, change, system, found, resolve):
    """The check itself: it knows the other system's wheels, hashes and markers."""
    text = (ROOT / "requirements.lock").read_text()
    entry = re.search(rf"^{package}==.*\n(    --hash.*\n)+", text, flags=re.M)[0]
    text = text.replace(entry, change(entry))
    assert lacking(text, resolve(text, system, "3.13")) == found
