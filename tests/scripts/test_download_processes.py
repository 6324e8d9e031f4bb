"""Downloads that are killed, meet each other, or fill the disk."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import time

from tests.conftest import ROOT
from tests.scripts import loopback
from tests.scripts.downloading import CONTENT, HALF, get, left, sha256

PROGRAM = (
    "import sys; from scripts.lib.download.fetching import download;"
    "download(sys.argv[1], sys.argv[2], checksum=sys.argv[3], size_limit=10**6,"
    " tries=2, wait=0.05)"
)


def start(server, target) -> subprocess.Popen:
    """Download in a process of its own."""
    command = [sys.executable, "-c", PROGRAM, server.address, target, sha256(CONTENT)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_a_killed_download_goes_on_where_it_was(server, target):
    server.plan = [loopback.cut(HALF, "stall"), loopback.well]
    part = target.with_name("file.bin.part")
    with start(server, target) as process:
        until = time.monotonic() + 20
        while not part.exists() or part.stat().st_size < HALF:
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert left(target) == ["file.bin.part"]
    sent = server.sent
    with start(server, target) as process:
        _, said = process.communicate(timeout=20)
    assert process.returncode == 0, said
    assert target.read_bytes() == CONTENT
    assert server.sent - sent == len(CONTENT) - HALF
    assert left(target) == ["file.bin"]


def test_two_processes_get_one_file_once(server, target):
    server.plan = [loopback.slowly]
    with start(server, target) as one, start(server, target) as other:
        said = [process.communicate(timeout=20)[1] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], said
    assert target.read_bytes() == CONTENT
    assert left(target) == ["file.bin"]
    assert server.sent == len(CONTENT)
    assert sum("another process writes" in text for text in said) == 1


def test_the_second_process_takes_over_what_the_first_left(server, target):
    server.plan = [loopback.cut(HALF, "stall"), loopback.well]
    part = target.with_name("file.bin.part")
    with start(server, target) as one:
        until = time.monotonic() + 20
        while not part.exists() or part.stat().st_size < HALF:
            assert time.monotonic() < until
            time.sleep(0.01)
        with start(server, target) as other:
            assert "another process writes" in other.stderr.readline()
            one.send_signal(signal.SIGKILL)
            assert other.wait(20) == 0
            other.stderr.read()
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={HALF}-"]


def test_a_file_system_without_locks_is_told(server, target, monkeypatch, capsys):
    def refuse(file, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert "this file system has no locks" in capsys.readouterr().err
    # Of another process, which goes on writing to it.
    part = target.with_name("file.bin.part")
    part.write_bytes(CONTENT[:HALF])
    target.unlink()
    server.plan = [loopback.cut(HALF, "end"), loopback.well]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert part.read_bytes() == CONTENT[:HALF]
    assert left(target) == ["file.bin", "file.bin.part"]


def test_a_disk_that_is_full_leaves_what_can_be_gone_on_from(server, target, tmp_path):
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({HALF},) * 2);"
    )
    command = [sys.executable, "-c", program + PROGRAM]
    result = subprocess.run(
        [*command, server.address, target, sha256(CONTENT)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    said = "OSError: [Errno 27] File too large; what has come is kept: "
    assert f"{said}'{target}.part'" in result.stderr
    assert target.with_name("file.bin.part").read_bytes() == CONTENT[:HALF]
    get(server, target)
    assert target.read_bytes() == CONTENT
