# cython: annotation_typing=False, binding=False
"""A client's connection over which DNS is asked by HTTP: requests in, answers out as they are ready."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from blockd.metrics import StreamEvent
from blockd.transports.client_stream import BURST, MAX_GATHERED, MAX_UNSENT, ClientStream
from blockd.transports.http.doh import answer_fields, question_of
from blockd.transports.http.frames import PREFACE
from blockd.transports.http.http1 import Http1Session
from blockd.transports.http.pages import page_of
from blockd.transports.http.request import HttpRequest
from blockd.transports.http.session import HttpSession

if TYPE_CHECKING:
    from blockd.transports.http.server import DohServer

MAX_UNFINISHED = 10.0  # seconds that a request may take to come whole
HTTP2 = "h2"  # RFC 9113 section 3.1
_TLS_HANDSHAKE = 22  # the first octet of TLS (RFC 8446 section 5.1), which no request begins with


class HttpConnection(ClientStream):
    """A client's connection; which HTTP it speaks is known by ALPN, or by its first octets."""

    def __init__(self, server: DohServer, host: str, sock: socket.SocketType) -> None:
        """Take a place in the table; another connection may lose its own."""
        self._doh = server
        self._session: HttpSession | None = None
        self._first = b""  # what came before it was known which HTTP it is
        self._resets = 0  # that have been counted
        ClientStream.__init__(self, server, host, sock)

    def is_plain(self, octets: memoryview) -> bool:
        """Return whether a front end speaks without TLS."""
        return octets[0] != _TLS_HANDSHAKE and self._doh.may_be_plain(self.host)

    def secured(self, alpn: str) -> None:
        """Speak what was agreed on; what comes says it if nothing was."""
        if alpn == HTTP2:
            self._session = self._doh.http2_session(self.host)
        elif alpn:
            self._session = self._doh.http1_session(self.host)

    def forget(self) -> None:
        """Let go what is kept of requests."""
        self._session = None
        self._first = b""

    def arrived(self, octets: memoryview) -> bool:
        """Keep octets that came; return whether to ask for a turn."""
        session = self._session
        if session is None:
            self._first += octets
            session = self._session = self._chosen()
            if session is None:
                return False
            session.feed(self._first)
            self._first = b""
        else:
            session.feed(octets)
        return True

    def has_work(self) -> bool:
        """Return whether something that came may be a request."""
        session = self._session
        return session is not None and session.has_octets

    def is_held(self) -> bool:
        """Return whether no request may be taken before something else has happened."""
        return ClientStream.is_held(self)

    def handle(self, has_time: Callable[[], bool]) -> bytes:
        """Handle requests; return the answers that need not be waited for."""
        session = self._session
        if session is None:
            return b""
        for _ in range(BURST):
            if self.is_held():
                break
            request = session.next_request()
            if request is None:
                break
            self._take(session, request)
            if session.held >= MAX_GATHERED or not has_time():
                break
        return self._outcome(session)

    def taken(self) -> None:
        """Go on with what the session has kept: the client has read everything."""
        ClientStream.taken(self)
        self._push()

    def _chosen(self) -> HttpSession | None:
        """Return a session for what the first octets begin; None if they may still be either."""
        first = self._first[: len(PREFACE)]
        if first == PREFACE:
            return self._doh.http2_session(self.host)
        return None if PREFACE.startswith(first) else self._doh.http1_session(self.host)

    def _take(self, session: HttpSession, request: HttpRequest) -> None:
        server = self._doh
        server.happened(StreamEvent.STREAM)
        question = question_of(request, server.path)
        if isinstance(question, int):
            self._refuse(session, request, question)
            return
        host = server.client_of(self.host, request)
        if host is None:
            self._refuse(session, request, 400)
            return
        answer = self.ask(question, host, partial(self._deliver, request))
        if isinstance(answer, bytes):
            session.respond(request, 200, answer_fields(answer, server.is_private()), answer)
        elif answer is not None:
            session.drop(request)

    def _refuse(self, session: HttpSession, request: HttpRequest, status: int) -> None:
        status, fields, body = page_of(status, self._doh.path.decode())
        session.respond(request, status, fields, body)

    def _deliver(self, request: HttpRequest, answer: bytes | None) -> None:
        session = self._session
        if session is None or self.has_ended:
            return
        if answer is None:
            session.drop(request)
        else:
            session.respond(request, 200, answer_fields(answer, self._doh.is_private()), answer)
        self._push()

    def _push(self) -> None:
        """Send what the session has."""
        session = self._session
        if session is not None and not self.has_ended and (octets := self._outcome(session)):
            self.reply(octets)

    def _outcome(self, session: HttpSession) -> bytes:
        """Return what is to be sent now; the connection is ended if the session is over."""
        raise NotImplementedError
