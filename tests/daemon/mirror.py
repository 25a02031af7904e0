"""A real web server with a published folder, which counts what it gives, and lies where it is told to."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECE = b" " * 65536  # of an answer without an end
ENDLESS = b"endless"  # what a lie gives in the place of such an answer
_HASHED = re.compile(r"^targets/(?:.*/)?[0-9a-f]{64}\.")

Lie = Callable[[str], bytes | None]
"""Gives what a path is answered with; None where the truth is told."""


class Mirror(ThreadingHTTPServer):
    """Serves `folder`; `given` has every path that was asked for since it was last cleared, and the octets given."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.lie: Lie | None = None
        self.given: list[tuple[str, int]] = []
        self.released = threading.Event()

    @property
    def octets(self) -> int:
        """All octets that were given."""
        return sum(octets for _, octets in self.given)

    @property
    def targets(self) -> list[str]:
        """The targets that were given, without the digests in their names."""
        return [re.sub(r"[0-9a-f]{64}\.", "", path) for path, _ in self.given if _HASHED.match(path)]

    def content(self, path: str) -> bytes | None:
        """Give what a path is answered with; None where there is nothing."""
        told = self.lie(path) if self.lie else None
        if told is not None:
            return told
        file = self.folder / path
        return file.read_bytes() if file.is_file() else None

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up: some of these tests are about them."""


class _Handler(BaseHTTPRequestHandler):
    server: Mirror
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is declared by its base class
        """Print nothing."""

    def do_GET(self) -> None:
        """Answer with the folder's file, or with a lie."""
        path = self.path.lstrip("/")
        content = self.server.content(path)
        if content == ENDLESS:
            self._without_end()
            return
        self.server.given.append((path, len(content or b"")))
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def _without_end(self) -> None:
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        while not self.server.released.is_set():
            try:
                self.wfile.write(PIECE)
            except OSError:
                return


@contextlib.contextmanager
def mirrored(folder: Path) -> Iterator[Mirror]:
    """Serve a folder until the block ends."""
    server = Mirror(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
