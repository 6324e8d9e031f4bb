"""What a web server answers: a file, a piece of it, or a reason to try again or not.

Source of the protocol: RFC 9110, sections 13.1.5 (If-Range), 14 (ranges), 15 (status).
"""

from __future__ import annotations

import http.client
import re
import ssl
import string
import time
from collections.abc import Callable, Iterator
from urllib import error, parse, request

from scripts.lib.download.partial_download import CHUNK, PartFile

_RANGE = re.compile(r"bytes ([0-9]+)-[0-9]+/([0-9]+|\*)")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
# Trouble of the moment: too slow, too early, too many requests; and 5xx, the server's.
_FOR_NOW = (408, 425, 429)
_LEAST = 1024  # bytes within `timeout`; what drips more slowly has stalled
_TELL_EVERY = 5.0  # seconds
# No file:, ftp: or data: addresses; and redirects are followed here, for urllib reads a
# redirect's whole body, however long, and goes from https to http.
_HANDLERS = (
    request.ProxyHandler,
    request.HTTPHandler,
    request.HTTPSHandler,
    request.HTTPDefaultErrorHandler,
    request.HTTPErrorProcessor,
    request.UnknownHandler,
)


class DownloadError(ValueError):
    """A file that cannot be had; the text says what to do."""


class Interrupted(Exception):
    """An answer that did not come, or not whole: worth another try.

    after: seconds that the server asked to wait.
    """

    def __init__(self, problem: str, after: float = 0.0):
        super().__init__(problem)
        self.after = after


class Source:
    """An address that a file is fetched from, in one or more answers.

    limit: bytes of the whole file; timeout: seconds; say: told of progress.
    Raises: ValueError for an address that is neither http nor https.
    """

    def __init__(
        self, address: str, limit: int, timeout: float, say: Callable[[str], None]
    ):
        parts = parse.urlsplit(address)
        known = parts.scheme in ("http", "https") and parts.hostname
        if not known or not re.fullmatch(r"[!-~]+", address):
            raise ValueError(
                f"address: expected http://... or https://..., received {address!r}"
            )
        self.address, self.say = address, say
        self._limit, self._timeout = limit, timeout
        self._version: str | None = None  # of the file, as the server calls it
        self._opener = request.OpenerDirector()
        for handler in _HANDLERS:
            self._opener.add_handler(handler())

    def append_to(self, part: PartFile) -> bool:
        """Ask for what is not in `part`, and append the answer.

        Returns whether `part` may now be made of pieces that do not belong together, or
        be cut off without a sign.
        Raises: Interrupted; DownloadError where another try would end alike.
        """
        with self._open(part) as answer:
            total = self._place(answer, part)
            self._check_size(part, total or 0)
            # Of an answer in HTTP's chunks the end is marked.
            pieced = part.size > 0 or (total is None and not answer.chunked)
            told = time.monotonic()
            for chunk in self._chunks(answer):
                self._check_size(part, part.size + len(chunk))
                part.add(chunk)
                if time.monotonic() - told > _TELL_EVERY:
                    told = time.monotonic()
                    self.say(_progress(part.size, total))
        if total is not None and part.size < total:
            raise Interrupted(f"the answer ended after {part.size} of {total} bytes")
        return pieced

    def _open(self, part: PartFile) -> http.client.HTTPResponse:
        """Return the answer of the address, or of the one that it leads to."""
        headers = {"User-Agent": "ignetlab"}
        if part.size:
            headers["Range"] = f"bytes={part.size}-"
            if self._version:
                headers["If-Range"] = self._version
        address, seen = self.address, []
        while address not in seen and len(seen) <= _MOST_REDIRECTS:
            seen.append(address)
            asked = request.Request(address, headers=headers)
            try:
                return self._opener.open(asked, timeout=self._timeout)
            except error.HTTPError as refusal:
                with refusal:
                    if refusal.code not in _REDIRECTS:
                        raise self._refused(refusal, part) from None
                    address = self._led_to(address, refusal)
            except (OSError, http.client.HTTPException, UnicodeError) as problem:
                raise self._troubled(problem) from None  # UnicodeError: a host's name
        raise DownloadError(
            f"expected the file, received {len(seen)} redirects without an end, the "
            f"last to {address}; correct the address"
        )

    def _refused(self, refusal: error.HTTPError, part: PartFile) -> Exception:
        """Return the exception for an answer that is no file."""
        status = f"{refusal.code} {refusal.reason}"
        if refusal.code == 416 and part.size:
            held = part.size
            part.clear()
            return Interrupted(f"the server has no more than {held} bytes of it")
        if refusal.code in _FOR_NOW or refusal.code >= 500:
            after = refusal.headers.get("Retry-After", "")
            return Interrupted(status, float(after) if after.isdecimal() else 0.0)
        return DownloadError(
            f"expected the file, received {status}; correct the address"
        )

    def _led_to(self, address: str, redirect: error.HTTPError) -> str:
        """Return where a redirect leads."""
        place = redirect.headers.get("Location", "")
        # Headers are read as Latin-1; their bytes are what the server meant.
        place = parse.quote(place, encoding="iso-8859-1", safe=string.punctuation)
        old = parse.urlsplit(address).scheme
        try:
            found = parse.urljoin(address, place)
            new = parse.urlsplit(found).scheme
        except ValueError:  # such as http://[
            new = None
        followed = ("https",) if old == "https" else ("http", "https")
        if not place or new not in followed:
            raise DownloadError(
                f"expected the file, or a redirect to {' or '.join(followed)}, "
                f"received {redirect.code} from {address} to {place or 'no place'}, "
                "which is not followed; correct the address"
            )
        return found

    def _troubled(self, problem: Exception) -> Exception:
        """Return the exception for a connection that failed."""
        wrapped = isinstance(problem, error.URLError)
        reason = problem.reason if wrapped else problem
        if isinstance(reason, ssl.SSLCertVerificationError):
            return DownloadError(
                "expected a server with a valid certificate, received: "
                f"{reason.verify_message}; mend this machine's clock or certificates "
                "(SSL_CERT_FILE names others)"
            )
        if isinstance(reason, TimeoutError):
            return Interrupted(f"nothing came for {self._timeout:g} s")
        return Interrupted(str(reason) or type(reason).__name__)

    def _place(self, answer: http.client.HTTPResponse, part: PartFile) -> int | None:
        """Make `part` what the answer continues; return the whole file's bytes.

        Returns None if they are not announced.
        """
        version, length = _version(answer), answer.length
        if answer.status == 200:
            part.clear()
            self._version = version
            return length
        if answer.status != 206:
            raise Interrupted(f"{answer.status} {answer.reason} instead of the file")
        match = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        start = int(match[1]) if match else None
        changed = self._version and version and version != self._version
        if start != part.size or changed:
            part.clear()
            self._version = None
            raise Interrupted("the answer does not continue what has come")
        self._version = self._version or version
        if match[2] != "*":
            return int(match[2])
        return None if length is None else start + length

    def _check_size(self, part: PartFile, size: int) -> None:
        if size > self._limit:
            part.clear()
            raise DownloadError(
                f"expected at most {self._limit} bytes, received {size} or more; raise "
                "the limit if the file is meant to be so large"
            )

    def _chunks(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        """Yield the bytes of an answer.  Raises: Interrupted."""
        since, came = time.monotonic(), 0
        while True:
            try:
                # read() would wait for the whole chunk, however slowly it drips.
                chunk = answer.read1(CHUNK)
            except (OSError, http.client.HTTPException) as problem:
                raise self._troubled(problem) from None
            if not chunk:
                return
            yield chunk
            came += len(chunk)
            if time.monotonic() - since > self._timeout:
                if came < _LEAST:
                    raise Interrupted(f"only {came} bytes came in {self._timeout:g} s")
                since, came = time.monotonic(), 0


def _version(answer: http.client.HTTPResponse) -> str | None:
    """Return what If-Range may name: a strong ETag, else the date of the last edit."""
    tag = answer.headers.get("ETag", "")
    strong = tag if tag.startswith('"') else None
    return strong or answer.headers.get("Last-Modified")


def _progress(size: int, total: int | None) -> str:
    of = "" if total is None else f" of {total / 1e6:.1f}"
    return f"{size / 1e6:.1f}{of} MB"
