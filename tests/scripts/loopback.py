"""A web server on loopback that answers as it is told, well or badly."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = Callable[["Handler"], None]
PIECE = 4096


class Server(ThreadingHTTPServer):
    """Serves `content`; the answers in `plan` one after the other, the last for ever.

    asked: the headers of each request; sent: bytes of bodies; version: the ETag.
    """

    daemon_threads = True

    def __init__(self, content: bytes):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.version = content, '"one"'
        self.plan: list[Answer] = [well]
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.sent = 0
        self.faults: list[str] = []
        self.closing = threading.Event()
        self.scheme = "http"

    @property
    def address(self) -> str:
        """Of the one file."""
        return f"{self.scheme}://127.0.0.1:{self.server_port}/file.bin"

    @property
    def ranges(self) -> list[str | None]:
        """What each request asked for."""
        return [headers.get("Range") for headers in self.asked]

    def handle_error(self, request, client_address) -> None:
        """Keep what is no hang-up of the client."""
        problem = sys.exception()
        if not isinstance(problem, OSError):
            self.faults.append(repr(problem))


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *arguments) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer as planned."""
        server = self.server
        self.close_connection = True
        server.asked.append(dict(self.headers))
        server.paths.append(self.path)
        answer = server.plan.pop(0) if len(server.plan) > 1 else server.plan[0]
        answer(self)

    def begin(self, status: int, **headers) -> None:
        """Send status and headers; underscores stand for hyphens."""
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, content: bytes, pause: float = 0.0) -> None:
        """Send a body, or a piece of it."""
        for start in range(0, len(content), PIECE):
            self.wfile.write(content[start : start + PIECE])
            self.server.sent += len(content[start : start + PIECE])
            if pause:
                self.wfile.flush()
                time.sleep(pause)


def well(handler: Handler, *, pause: float = 0.0, conditions: bool = True) -> None:
    """Answer as RFC 9110 says; conditions: whether If-Range is looked at."""
    server, total = handler.server, len(handler.server.content)
    tag = {"ETag": server.version}
    match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    condition = handler.headers.get("If-Range", server.version)
    if match is None or (conditions and condition != server.version):
        handler.begin(200, Content_Length=total, **tag)
        handler.send(server.content, pause)
        return
    start = int(match[1])
    if start >= total:
        handler.begin(416, Content_Length=0)
        return
    place = f"bytes {start}-{total - 1}/{total}"
    handler.begin(206, Content_Length=total - start, Content_Range=place, **tag)
    handler.send(server.content[start:], pause)


def slowly(handler: Handler) -> None:
    """Answer well, with a pause after each piece."""
    well(handler, pause=0.02)


def without_conditions(handler: Handler) -> None:
    """Answer well, but do not look at If-Range."""
    well(handler, conditions=False)


def without_versions(handler: Handler) -> None:
    """Answer well, but do not look at If-Range, nor name a version."""
    handler.server.version = None
    well(handler, conditions=False)


def without_ranges(handler: Handler) -> None:
    """Send the whole file, whatever was asked for."""
    handler.begin(200, Content_Length=len(handler.server.content))
    handler.send(handler.server.content)


def of_unknown_length(handler: Handler) -> None:
    """Send the whole file and hang up, as HTTP/1.0 did."""
    handler.begin(200)
    handler.send(handler.server.content)


def chunked(handler: Handler) -> None:
    """Send the whole file in chunks."""
    handler.begin(200, Transfer_Encoding="chunked")
    for start in range(0, len(handler.server.content), PIECE):
        _chunk(handler, handler.server.content[start : start + PIECE])
    handler.wfile.write(b"0\r\n\r\n")


def endless(handler: Handler) -> None:
    """Send chunks as long as they are taken."""
    handler.begin(200, Transfer_Encoding="chunked")
    while not handler.server.closing.is_set():
        _chunk(handler, b"x" * PIECE)


def _chunk(handler: Handler, content: bytes) -> None:
    handler.wfile.write(b"%x\r\n" % len(content))
    handler.send(content)
    handler.wfile.write(b"\r\n")


def status(code: int, **headers) -> Answer:
    """Return an answer without a body."""

    def answer(handler: Handler) -> None:
        handler.begin(code, Content_Length=0, **headers)

    return answer


def redirect(place: str | None, code: int = 302) -> Answer:
    """Return a redirect to `place`."""
    return status(code, Location=place)


def announcing(size: int, extra: bytes = b"") -> Answer:
    """Return an answer that announces `size` bytes and sends the file and `extra`."""

    def answer(handler: Handler) -> None:
        handler.begin(200, Content_Length=size)
        handler.send(handler.server.content + extra)

    return answer


def continuing(start: int, total: int | str) -> Answer:
    """Return a 206 that says it begins at `start`, whatever was asked for."""

    def answer(handler: Handler) -> None:
        content = handler.server.content
        place = f"bytes {start}-{len(content) - 1}/{total}"
        handler.begin(206, Content_Length=len(content) - start, Content_Range=place)
        handler.send(content[start:])

    return answer


def cut(size: int, how: str) -> Answer:
    """Return an answer that ends after `size` bytes of what it announced.

    how: end (hang up), reset, stall, drip (a byte now and then), or chunks (hang up
    between chunks).
    """

    def answer(handler: Handler) -> None:
        content = handler.server.content
        if how == "chunks":
            handler.begin(200, Transfer_Encoding="chunked", ETag=handler.server.version)
            _chunk(handler, content[:size])
            return
        handler.begin(200, Content_Length=len(content), ETag=handler.server.version)
        handler.send(content[:size])
        handler.wfile.flush()
        if how == "stall":
            handler.server.closing.wait(20)
        elif how == "drip":
            for position in range(size, size + 200):
                handler.send(content[position : position + 1])
                handler.wfile.flush()
                if handler.server.closing.wait(0.05):
                    break
        elif how == "reset":
            time.sleep(0.05)  # a reset overtakes what was sent
            lingering = struct.pack("ii", 1, 0)
            handler.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, lingering
            )
            # Both files hold the socket; the last one to go closes it.
            handler.rfile.close()
            handler.connection.close()

    return answer


def raw(content: bytes) -> Answer:
    """Return an answer of just these bytes, status line and headers included."""

    def answer(handler: Handler) -> None:
        handler.wfile.write(content)

    return answer


def silence(handler: Handler) -> None:
    """Take the request and never answer."""
    handler.server.closing.wait(20)


@contextmanager
def serving(content: bytes, certificate: Path | None = None) -> Iterator[Server]:
    """Give a running server; certificate: PEM with its key, for https."""
    server = Server(content)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
    assert not server.faults, server.faults
