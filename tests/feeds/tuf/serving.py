"""Real web servers for simulated repositories: they keep connections open, count, and can be slow or hang up."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from blockd.feeds.signed.fetchers import BoundedFetcher
from blockd.feeds.signed.repository import SignedRepository
from tests.feeds.tuf.repository import Repository


class Served(ThreadingHTTPServer):
    """Serves `repository`; what is in `slow` comes byte by byte, without an end."""

    def __init__(self, repository: Repository) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repository = repository
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.slow: set[str] = set()
        self.hangs_up = False  # after each answer, without having said so
        self.requests: list[str] = []
        self.connections = 0
        self.open: list[socket.socket] = []
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that hangs up is what these tests are about


class Handler(BaseHTTPRequestHandler):
    server: Served
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is declared by its base class
        pass

    def setup(self) -> None:
        self.server.connections += 1
        self.server.open.append(self.request)
        super().setup()

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        self.server.requests.append(path)
        repository = self.server.repository
        content = repository.files.get(path)
        if path in self.server.slow or path in repository.endless:
            self.without_end(b" " if path in self.server.slow else b" " * 65536)
        elif content is None:
            self.answer(404, b"not here")
        else:
            self.answer(200, content)
        if self.server.hangs_up:
            self.close_connection = True

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def without_end(self, piece: bytes) -> None:
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        while not self.server.released.wait(0.01):
            try:
                self.wfile.write(piece)
            except OSError:
                return


@contextlib.contextmanager
def serving(repository: Repository) -> Iterator[Served]:
    server = Served(repository)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
        for connection in server.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class HurriedFetcher(BoundedFetcher):
    def __init__(self) -> None:
        super().__init__(file_seconds=0.5)


@contextlib.contextmanager
def looking(repository: Repository, folder: Path, url: str = "") -> Iterator[SignedRepository]:
    """Give a node that trusts what `repository` has begun with, looks at `url`, and has little time."""
    node = SignedRepository(
        url, repository.first_root, folder, now=lambda: repository.now.timestamp(), fetcher=HurriedFetcher
    )
    with contextlib.closing(node):
        yield node
