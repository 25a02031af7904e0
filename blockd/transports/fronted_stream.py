# cython: annotation_typing=False, binding=False
"""Whose connection it is: the one's who connected or, of a front end's, the client's that its header names.

A front end begins each connection with a PROXY protocol header, before TLS or as the first within it. From then on the
connection is the client's in all that is counted and bounded.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from blockd.errors import BadProxyHeader
from blockd.metrics import StreamEvent
from blockd.transports.preface import Preface
from blockd.transports.turned_stream import TurnedStream

if TYPE_CHECKING:
    from blockd.transports.stream_server import StreamServer


class FrontedStream(TurnedStream):
    """A connection of `host`, which comes from `peer`: another address if that is a front end's."""

    def __init__(self, server: StreamServer, host: str, sock: socket.SocketType) -> None:
        """Take a place in the table; another connection may lose its own."""
        TurnedStream.__init__(self, server.streams, server.turns, sock)
        self.server = server
        self.peer = host
        self._is_half_open = server.tls is not None  # what it sends is to be TLS, and its handshake is not complete
        self._lacks_header = server.resolver.clients.is_proxy(host)  # its first messages must come behind one
        self._preface: Preface | None = Preface(is_expected=self._lacks_header)  # until it has been read
        self._enter(host)

    def _enter(self, host: str) -> None:
        """Be counted as a connection of `host` from now on."""
        self.host = host
        self._newcomer_from = "" if self.server.is_front_end(host) else host
        if self._is_half_open:
            self.server.is_half_open(host, self)
        self.server.connections.enter(host, self)

    def _leave(self) -> None:
        """Be counted no more."""
        self.server.connections.leave(self)
        if self._is_half_open:
            self.server.is_half_open_no_more(self.host, self)

    def _begin_tls(self) -> None:
        """Look for a header at the beginning of what TLS carries too."""
        self._preface = Preface(is_expected=self._lacks_header)

    def _after_header(self, octets: memoryview) -> memoryview:
        """Return what came behind a header, or all of the first octets if they have none; empty if more must come."""
        preface = self._preface
        if preface is None or not octets:
            return octets
        nothing = octets[:0]
        try:
            rest = preface.take(octets)
        except BadProxyHeader:
            self._refuse_header()
            return nothing
        if rest is None:
            return nothing
        self._preface = None
        if preface.host is not None:
            self._lacks_header = False
            if preface.host and not self._move(preface.host):
                return nothing
        return rest

    def _move(self, host: str) -> bool:
        """Be counted as a connection of the client that a front end asks for; False if it is closed for that."""
        if not self.server.may_open(host):
            self.abort()
            return False
        self._leave()
        self._enter(host)
        return True

    def _refuse_header(self) -> None:
        """Close it for a header that is missing, wrong, or from somebody else than a front end."""
        self.server.happened(StreamEvent.PROXY_REFUSED)
        self.abort()
