"""Where downloads come from: redirects, https, and what is no address."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from scripts.lib.download.fetching import DownloadError, download
from tests.scripts import loopback
from tests.scripts.downloading import CONTENT, HALF, get, left, md5


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server, target, code):
    server.plan = [
        loopback.redirect("/elsewhere", code),
        loopback.redirect("here/it%20is?a=b", code),
        loopback.well,
    ]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.paths == ["/file.bin", "/elsewhere", "/here/it%20is?a=b"]


def test_a_redirect_keeps_what_is_asked_for(server, target):
    moved = loopback.redirect("/moved")
    server.plan = [moved, loopback.cut(HALF, "end"), moved, loopback.well]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, None, *[f"bytes={HALF}-"] * 2]


def test_redirects_in_a_circle_end(server, target):
    server.plan = [loopback.redirect("/there"), loopback.redirect("/file.bin")]
    with pytest.raises(
        DownloadError, match=r"received 2 redirects without an end, the last to .*/file"
    ):
        get(server, target)
    assert len(server.asked) == 2
    assert left(target) == []


def test_redirects_to_ever_new_places_end(server, target):
    def further(handler):
        loopback.redirect(f"/{len(server.asked)}")(handler)

    server.plan = [further]
    with pytest.raises(DownloadError, match="received 11 redirects without an end"):
        get(server, target)
    assert len(server.asked) == 11


@pytest.mark.parametrize(
    "place", [None, "file:///etc/hostname", "ftp://127.0.0.1/file", "http://["]
)
def test_redirects_to_elsewhere_than_the_web_are_refused(server, target, place):
    server.plan = [loopback.redirect(place)]
    with pytest.raises(DownloadError) as caught:
        get(server, target)
    assert "expected the file, or a redirect to http or https, received 302" in (
        str(caught.value)
    )
    assert f"to {place or 'no place'}, which is not followed" in str(caught.value)
    assert left(target) == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 with its key, valid for a day."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl, which makes the certificate")
    folder = tmp_path_factory.mktemp("certificate")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        " -days 1 -subj /CN=loopback -addext subjectAltName=IP:127.0.0.1"
        " -keyout key.pem -out certificate.pem"
    )
    made = subprocess.run(
        command.split(),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    both = folder / "both.pem"
    parts = [(folder / name).read_text() for name in ("key.pem", "certificate.pem")]
    both.write_text("".join(parts))
    return both


def test_from_https_to_http_is_refused(server, target, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with loopback.serving(CONTENT, certificate) as secure:
        secure.plan = [loopback.redirect(server.address)]
        with pytest.raises(
            DownloadError, match=r"expected the file, or a redirect to https, received"
        ):
            get(secure, target)
        assert server.asked == []
        secure.plan = [loopback.redirect("/here"), loopback.well]
        get(secure, target)
    assert target.read_bytes() == CONTENT


def test_a_server_with_a_strange_certificate_is_refused(target, certificate):
    with (
        loopback.serving(CONTENT, certificate) as secure,
        pytest.raises(DownloadError, match="expected a server with a valid certifi"),
    ):
        get(secure, target)
    assert left(target) == []


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc/hostname",
        "ftp://127.0.0.1/file",
        "data:text/plain,x",
        "/etc/hostname",
        "http://",
        "http://127.0.0.1/a b",
        "http://127.0.0.1/a\r\nHost: other",
    ],
)
def test_only_addresses_of_the_web_are_taken(target, address):
    with pytest.raises(ValueError, match=r"address: expected http://\.\.\. or https:"):
        download(address, target, checksum=md5(CONTENT), size_limit=10)
    assert not target.parent.exists()


@pytest.mark.parametrize(
    "checksum", ["", "md5:", "sha1:" + "0" * 40, "md5:" + "0" * 64, "0" * 32, []]
)
def test_a_checksum_is_needed(target, checksum):
    with pytest.raises(ValueError, match="checksum: expected"):
        download("http://127.0.0.1:1/", target, checksum=checksum, size_limit=10)
