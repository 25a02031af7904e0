"""The ways to the running daemon, and one question over the first of them that is there."""

from __future__ import annotations

import http.client
from pathlib import Path

from blockd.web.callers.socket_path import connected

MAX_ANSWER = 16 << 20  # octets


class SocketWay:
    """The way by the admin socket at `path`."""

    def __init__(self, path: Path) -> None:
        self.text = f"unix:{path}"
        self._path = path

    def connect(self, seconds: float) -> http.client.HTTPConnection:
        """Return a connection; raises OSError if nobody listens there, or this user may not connect."""
        connection = http.client.HTTPConnection("localhost", timeout=seconds)
        connection.sock = connected(self._path, seconds)
        return connection


class PortWay:
    """The way by the admin port at `address` (HOST:PORT), with a token if it is not empty."""

    def __init__(self, address: str, token: str = "", *, is_tls: bool = False) -> None:
        self.text = f"{'https' if is_tls else 'http'}://{address}"
        self._address = address
        self._is_tls = is_tls
        self.token = token

    def connect(self, seconds: float) -> http.client.HTTPConnection:
        """Return a connection; raises OSError if nobody listens there."""
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        connection = kind(self._address, timeout=seconds)
        connection.connect()
        return connection


Way = SocketWay | PortWay


def asked(
    connection: http.client.HTTPConnection, way: Way, path: str, body: bytes | None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Return the status, headers and body of the answer to a GET, or to a POST of JSON; closes the connection.

    Raises OSError, http.client.HTTPException.
    """
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if isinstance(way, PortWay) and way.token:
        headers["Authorization"] = f"Bearer {way.token}"
    try:
        connection.request("GET" if body is None else "POST", path, body, headers)
        with connection.getresponse() as response:
            return response.status, response.headers, response.read(MAX_ANSWER)
    finally:
        connection.close()
