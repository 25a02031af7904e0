"""Web servers on loopback, which end with the test, log nothing, and can answer endlessly."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

BLOCK = b" " * 65536


class QuietServer(ThreadingHTTPServer):
    """A server at a free port of 127.0.0.1; setting `released` ends its endless answers."""

    def __init__(self, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing about clients that hang up, as some tests do."""


class QuietHandler(BaseHTTPRequestHandler):
    """The base of handlers of a `QuietServer`."""

    server: Any  # each handler knows its own

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - so it is declared by its base class
        """Print nothing."""

    def give(self, status: int, content: bytes) -> None:
        """Answer with `content` and its length."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def give_without_end(self, piece: bytes = BLOCK, pause: float = 0.0) -> None:
        """Answer with `piece` again and again, `pause` seconds apart, until the client or the server has enough."""
        self.close_connection = True
        self.send_response(200)
        self.end_headers()
        while not self.server.released.wait(pause):
            try:
                self.wfile.write(piece)
            except OSError:
                return


Server = TypeVar("Server", bound=QuietServer)


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """Serve until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
