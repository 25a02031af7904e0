"""The ways to the running daemon, and one question over the first of them that is there."""

from __future__ import annotations

import errno
import http.client
import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path

from blockd.errors import CommandError
from blockd.web.callers.socket_path import connected

MAX_ANSWER = 16 << 20  # octets
MAX_CHAIN = 1 << 18  # octets of a chain, as blockd itself reads them


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
    """The way by the admin port at `address` (HOST:PORT), with a token if it is not empty.

    In TLS it is the port that shows one of the certificates in the files `chains`, whatever names that has, or else one
    that an authority of this machine, or of the file in SSL_CERT_FILE (openssl(1)), has signed for the host.
    """

    def __init__(self, address: str, token: str = "", *, is_tls: bool = False, chains: Sequence[Path] = ()) -> None:
        self.text = f"{'https' if is_tls else 'http'}://{address}"
        self._address = address
        self._is_tls = is_tls
        self._chains = chains
        self.token = token

    def connect(self, seconds: float) -> http.client.HTTPConnection:
        """Return a connection; raises OSError if nobody listens there, or somebody else than this blockd.

        Raises CommandError, and nothing was sent, if a token would go to another machine in clear.
        """
        if self._is_tls:
            return self._by_tls(seconds)
        connection = http.client.HTTPConnection(self._address, timeout=seconds)
        connection.connect()
        if self.token and not _is_here(connection.sock):
            connection.close()
            raise CommandError(
                f"the token would go to {self._address} in clear, for everybody on the way to read; nothing was sent. "
                f"Serve that port over TLS (listen.admin_tls) and name https://{self._address}, or ask on that machine"
            )
        return connection

    def _by_tls(self, seconds: float) -> http.client.HTTPConnection:
        import ssl

        if own := _certificates_in(self._chains):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is compared whole
            connection = http.client.HTTPSConnection(self._address, timeout=seconds, context=context)
            connection.connect()
            if isinstance(connection.sock, ssl.SSLSocket) and connection.sock.getpeercert(binary_form=True) in own:
                return connection
            connection.close()
        connection = http.client.HTTPSConnection(self._address, timeout=seconds)
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            why = (
                "its certificate is none that this config's `certificates` have and this user may read, nor good "
                f"otherwise: {error.verify_message}; the file in SSL_CERT_FILE may name its authority"
            )
            raise PermissionError(errno.EACCES, why) from error
        return connection


def _is_here(sock: socket.socket) -> bool:
    """Return whether the peer of a connection is on this machine: by its own address, or one for loopback."""
    ours, theirs = (ipaddress.ip_address(end[0].partition("%")[0]) for end in (sock.getsockname(), sock.getpeername()))
    return ours == theirs or theirs.is_loopback


def _certificates_in(chains: Sequence[Path]) -> set[bytes]:
    """Return the first certificate of each file that can be read, which is that of the server, in DER."""
    import ssl

    found = set()
    for chain in chains:
        try:
            with chain.open("rb") as file:
                text = file.read(MAX_CHAIN).decode("ascii", "ignore")
            begin = text.index(ssl.PEM_HEADER)
            end = text.index(ssl.PEM_FOOTER, begin) + len(ssl.PEM_FOOTER)
            found.add(ssl.PEM_cert_to_DER_cert(text[begin:end]))
        except (OSError, ValueError):
            continue  # the authorities of this machine may know the port
    return found


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
