"""DNS over HTTPS (RFC 8484): HTTP/2 and HTTP/1.1 over TLS, or plain from front ends that terminate TLS."""

from __future__ import annotations

import socket

from blockd.metrics import Row, Transport
from blockd.resolver import Resolver
from blockd.resolver.clients import NetworkSet, packed_host
from blockd.settings.encrypted import DohSettings
from blockd.tls import ServerTls
from blockd.transports.admitting_server import PACE
from blockd.transports.connections import Bounds
from blockd.transports.descriptors import BOUNDS
from blockd.transports.http.choice import http2_session
from blockd.transports.http.connection import DohConnection
from blockd.transports.http.forwarded import client_of
from blockd.transports.http.http1 import Http1Session
from blockd.transports.http.request import HttpRequest
from blockd.transports.http.session import HttpSession
from blockd.transports.pace import PaceBounds
from blockd.transports.stream_server import StreamServer

ALPN = ("h2", "http/1.1")  # RFC 9113 section 3.2, RFC 7301 section 6; the preferred one first
# Seconds without a request or an answer. A handshake costs as much as a hundred answers, and browsers ask in bursts.
IDLE = 30.0


class DohServer(StreamServer):
    """The DoH side of a worker; see `StreamServer`."""

    transport = Transport.DOH
    tells_idle_time = False  # it is HTTP's affair (RFC 7828 section 3.4)

    def __init__(
        self,
        resolver: Resolver,
        settings: DohSettings,
        idle: float = IDLE,
        bounds: Bounds = BOUNDS,
        row: Row | None = None,
        pace: PaceBounds = PACE,
        tls: ServerTls | None = None,
    ) -> None:
        """See `StreamServer`; without `tls` front ends are answered alone."""
        self._plain_from = NetworkSet(settings.plain_from)
        self._has_fronts = bool(settings.plain_from)
        super().__init__(resolver, idle, bounds, row, pace, tls)
        self.path = settings.path.encode()
        self._header = settings.client_header.encode()

    def connect(self, host: str, sock: socket.SocketType) -> DohConnection:
        """Return a client's connection."""
        return DohConnection(self, host, sock)

    def may_be_plain(self, host: str) -> bool:
        """Return whether a host is a front end that may speak without TLS, and says for whom it asks."""
        return self._has_fronts and packed_host(host) in self._plain_from

    def session(self, is_http2: bool, host: str) -> HttpSession:
        """Return a session for a connection from a host; one that sends PROXY protocol headers says there who asks."""
        says = self.may_be_plain(host) and not self.resolver.clients.is_proxy(host)
        header = self._header if says else b""
        session: HttpSession = (http2_session if is_http2 else Http1Session)(header, self.streams.clock)
        if self.is_draining:
            session.leave()
        return session

    def client_of(self, request: HttpRequest) -> str | None:
        """Return the IP address for which a front end asks; None if it says so in a way that cannot be read.

        One that says nothing asks for itself, as it does to see whether this server is well.
        """
        return client_of(self._header, request.front)

    def is_front_end(self, host: str) -> bool:
        """Return whether a host asks for many clients: also one that terminates TLS for them."""
        return self.may_be_plain(host) or super().is_front_end(host)

    def serves(self, host: str) -> bool:
        """Return whether a host may connect: without certificates only who needs none."""
        return self.may_be_plain(host) or (self.tls is not None and super().serves(host))
