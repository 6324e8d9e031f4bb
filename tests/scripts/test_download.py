"""Downloads: whole and checked whatever a server does, or a clear error."""

from __future__ import annotations

import random

import pytest

from scripts.lib.download import fetching as module
from scripts.lib.download.fetching import DownloadError, download
from tests.scripts import loopback
from tests.scripts.downloading import CONTENT, HALF, OTHER, get, left, md5, sha256


def test_a_file_is_there_whole_and_is_not_asked_for_twice(server, target):
    get(server, target, checksum=[md5(CONTENT), sha256(CONTENT)])
    assert target.read_bytes() == CONTENT
    assert left(target) == ["file.bin"]
    get(server, target)
    assert len(server.asked) == 1


def test_a_file_laid_out_by_hand_needs_no_server(target):
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    download(
        "http://127.0.0.1:1/file", target, checksum=md5(CONTENT), size_limit=10, tries=1
    )


def test_a_wrong_file_in_its_place_is_told_and_replaced(server, target, capsys):
    target.parent.mkdir()
    target.write_bytes(OTHER)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert f"{target} has not {sha256(CONTENT)}: downloading it again" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("how", ["end", "reset", "stall", "drip", "chunks"])
def test_after_a_broken_answer_only_the_rest_is_asked_for(server, target, how, capsys):
    server.plan = [loopback.cut(HALF, how), loopback.well]
    # A short time for what stalls; on a busy machine also what does not may take it.
    get(server, target, timeout=0.4 if how in ("stall", "drip") else 10, tries=5)
    assert target.read_bytes() == CONTENT
    assert server.ranges[0] is None
    had = int(server.ranges[1].removeprefix("bytes=").removesuffix("-"))
    # A reset may take with it what had come but was not read.
    assert (1 if how == "reset" else HALF) <= had < HALF + 150
    assert server.asked[1]["If-Range"] == '"one"'
    assert f"try 2 of 5 in 0.01 s, from byte {had}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "trouble",
    [
        loopback.status(503),
        loopback.status(500),
        loopback.status(429),
        loopback.status(408),
        loopback.status(204),
    ],
)
def test_trouble_of_the_moment_is_waited_for(server, target, trouble):
    server.plan = [trouble, trouble, loopback.well]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert len(server.asked) == 3


def test_an_answer_that_never_comes_is_not_waited_for(server, target, capsys):
    server.plan = [loopback.silence, loopback.well]
    get(server, target, timeout=0.4, tries=5)
    assert target.read_bytes() == CONTENT
    assert "nothing came for 0.4 s; try 2 of 5" in capsys.readouterr().err


def test_a_server_that_is_not_there_is_tried_again(target):
    with pytest.raises(DownloadError, match=r"in 2 tries, the last: .*refused"):
        download(
            "http://127.0.0.1:1/file",
            target,
            checksum=md5(CONTENT),
            size_limit=10,
            tries=2,
            wait=0.01,
        )
    assert left(target) == []


def test_waits_grow_and_a_servers_own_is_kept(server, target, monkeypatch):
    pauses = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    later = loopback.status(429, Retry_After="7")
    too_late = loopback.status(503, Retry_After="99999")
    server.plan = [*[loopback.status(503)] * 3, later, too_late, loopback.status(503)]
    with pytest.raises(DownloadError) as caught:
        get(server, target, tries=7, wait=0.5)
    assert pauses == [0.5, 1, 2, 7, 60, 16]
    text = str(caught.value)
    assert text.startswith(f"{server.address}: expected the file, did not receive it ")
    assert "in 7 tries, the last: 503 Service Unavailable; run it again later" in text
    assert text.endswith(f"without a network lay the file out by hand at {target}")
    assert left(target) == []


def test_what_has_come_is_kept_for_a_later_run(server, target):
    server.plan = [loopback.cut(HALF, "end")]
    with pytest.raises(DownloadError, match=rf"{HALF} bytes are kept in .*\.part"):
        get(server, target, tries=1)
    assert left(target) == ["file.bin.part"]
    server.plan = [loopback.status(404), loopback.well]
    with pytest.raises(DownloadError, match="404"):
        get(server, target)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, *[f"bytes={HALF}-"] * 2]


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_what_a_server_says_of_the_file_ends_it_at_once(server, target, code):
    server.plan = [loopback.status(code)]
    with pytest.raises(
        DownloadError, match=rf"file\.bin: expected the file, received {code} \w.*; "
    ):
        get(server, target)
    assert len(server.asked) == 1
    assert left(target) == []


@pytest.mark.parametrize("answer", [loopback.well, loopback.chunked])
@pytest.mark.parametrize("checksum", [md5, sha256])
def test_a_wrong_file_is_refused_and_leaves_nothing(server, target, checksum, answer):
    server.content, server.plan = OTHER, [answer]
    with pytest.raises(DownloadError) as caught:
        get(server, target, checksum=checksum(CONTENT))
    assert len(server.asked) == 1
    assert left(target) == []
    text = str(caught.value)
    assert text.startswith(f"{server.address}: expected {checksum(CONTENT)}, received ")
    assert f"received 300000 bytes with {checksum(OTHER)}: this is another" in text
    assert "correct address and checksum together" in text


def test_of_two_checksums_both_must_be_right(server, target):
    with pytest.raises(DownloadError, match="this is another file"):
        get(server, target, checksum=[md5(CONTENT), sha256(OTHER)])
    assert left(target) == []


def test_a_cut_without_a_sign_is_found_by_the_checksum(server, target):
    whole, server.content = server.content, CONTENT[:HALF]

    def mended(handler):
        server.content = whole
        loopback.of_unknown_length(handler)

    server.plan = [loopback.of_unknown_length, mended]
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_begins_anew(server, target):
    server.plan = [loopback.cut(HALF, "end"), loopback.without_ranges]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.sent == HALF + len(CONTENT)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (loopback.well, "ended after"),
        (loopback.without_conditions, "the answer does not continue what has come"),
        (loopback.without_versions, "expected sha256:"),
    ],
)
def test_a_file_that_changes_between_two_tries_is_never_mixed(
    server, target, answer, said, capsys
):
    server.content, server.version = OTHER, '"old"'

    def changed(handler):
        server.content, server.version = CONTENT, '"new"'
        answer(handler)

    server.plan = [loopback.cut(HALF, "end"), changed]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert said in capsys.readouterr().err.splitlines()[-2]


@pytest.mark.parametrize(
    "answer",
    [
        loopback.continuing(HALF - 1, 300_000),
        loopback.continuing(0, 300_000),
        loopback.status(206),
        loopback.status(206, Content_Range="bytes x-y/z"),
        loopback.status(416),
    ],
)
def test_an_answer_that_does_not_continue_begins_anew(server, target, answer):
    server.plan = [loopback.cut(HALF, "end"), answer, loopback.well]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={HALF}-", None]


def test_a_range_of_an_unknown_whole_is_taken(server, target):
    server.plan = [loopback.cut(HALF, "end"), loopback.continuing(HALF, "*")]
    get(server, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("old", [OTHER[:HALF], OTHER + OTHER, CONTENT[:1]])
def test_a_part_of_another_file_costs_time_at_most(server, target, old):
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(old)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert left(target) == ["file.bin"]


def test_a_part_that_is_the_whole_file_only_gets_its_name(server, target):
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT)
    get(server, target)
    assert left(target) == ["file.bin"]
    assert server.asked == []


ANSWERS = [
    b'HTTP/1.1 200 OK\r\nContent-Length: 2000\r\nETag: "a"\r\n\r\n' + CONTENT[:2000],
    b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1000\r\n"
    b"Content-Range: bytes 1000-1999/2000\r\n\r\n" + CONTENT[1000:2000],
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n"
    + CONTENT[:2000]
    + b"\r\n0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: there\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
]


@pytest.mark.parametrize(
    "whole", ANSWERS, ids=["whole", "rest", "chunks", "302", "429"]
)
def test_damaged_answers_end_well_or_with_our_error(
    server, target, whole, monkeypatch, capsys
):
    monkeypatch.setattr(module, "_LONGEST_WAIT", 0)
    chance, good = random.Random(0), 0
    head = whole.index(b"\r\n\r\n") + 12
    target.parent.mkdir()
    part = target.with_name("file.bin.part")
    for _ in range(40):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 3, 10))):
            place = chance.randrange(head if chance.random() < 0.9 else len(whole))
            damaged[place % len(damaged)] = chance.choice(b"\r\n:0 9-/x\xff\0")
        server.content = CONTENT[:2000]
        server.plan = [loopback.raw(bytes(damaged)), loopback.well]
        part.write_bytes(CONTENT[: chance.choice((0, 1000))])
        try:
            get(server, target, checksum=sha256(server.content), size_limit=5000)
        except DownloadError:
            part.unlink(missing_ok=True)
        else:
            good += 1
            assert target.read_bytes() == server.content
            target.unlink()
        assert left(target) == []
    assert good


@pytest.mark.parametrize("size", [1_000_001, 10**15])
def test_an_announced_size_above_the_limit_is_refused_unread(server, target, size):
    server.plan = [loopback.announcing(size)]
    with pytest.raises(
        DownloadError, match=rf"expected at most 1000000 bytes, received {size} or more"
    ):
        get(server, target)
    assert len(server.asked) == 1
    assert left(target) == []


def test_a_size_above_the_limit_is_refused_as_it_comes(server, target):
    server.plan = [loopback.endless]
    with pytest.raises(DownloadError, match="expected at most 1000000 bytes"):
        get(server, target)
    assert len(server.asked) == 1
    assert left(target) == []


def test_more_than_announced_is_not_read(server, target):
    server.plan = [loopback.announcing(len(CONTENT), extra=b"x" * 100_000)]
    get(server, target)
    assert target.read_bytes() == CONTENT
