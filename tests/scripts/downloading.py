"""What the tests of downloads share."""

from __future__ import annotations

import hashlib

from scripts.lib.download.fetching import download

CONTENT = hashlib.shake_256(b"content").digest(300_000)
OTHER = hashlib.shake_256(b"other").digest(300_000)
HALF = 150_000


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def get(server, path, **settings):
    settings = {
        "checksum": sha256(CONTENT),
        "size_limit": 1_000_000,
        "timeout": 10,
        "wait": 0.01,
        "tries": 3,
        **settings,
    }
    download(server.address, path, **settings)


def left(path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())
