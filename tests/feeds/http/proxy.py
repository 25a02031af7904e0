"""An HTTP proxy on loopback that passes requests on and opens tunnels, and tells what it was asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Proxy(ThreadingHTTPServer):
    """With `login`, the value of a Proxy-Authorization header, it lets nobody else through."""

    def __init__(self, login: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.login = login
        self.asked: list[str] = []  # the request lines
        self.heads: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing about clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _is_let_through(self) -> bool:
        self.server.asked.append(self.requestline)
        self.server.heads.append(str(self.headers))
        if self.server.login and self.headers.get("Proxy-Authorization") != self.server.login:
            self.send_response(407)
            self.send_header("Proxy-Authenticate", "Basic")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        return True

    def do_GET(self) -> None:
        if not self._is_let_through():
            return
        self.close_connection = True
        parts = urlsplit(self.path)
        with socket.create_connection((parts.hostname or "", parts.port or 80)) as inner:
            inner.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
            while piece := inner.recv(65536):
                self.connection.sendall(piece)

    def do_CONNECT(self) -> None:
        if not self._is_let_through():
            return
        self.close_connection = True
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as inner:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_passed_on, args=(inner, self.connection))
            back.start()
            _passed_on(self.connection, inner)
            back.join()


def _passed_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def proxying(login: str = "") -> Iterator[Proxy]:
    """Serve until the block ends."""
    proxy = Proxy(login)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
