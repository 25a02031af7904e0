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
from blockd.transports.http.frames import ENHANCE_YOUR_CALM, NO_ERROR, PREFACE
from blockd.transports.http.pages import page_of
from blockd.transports.http.request import HttpRequest
from blockd.transports.http.session import HttpSession

if TYPE_CHECKING:
    from blockd.transports.http.server import DohServer

MAX_UNFINISHED = 10.0  # seconds that a request may take to come whole, looked at when an idle connection would be
HTTP2 = "h2"  # RFC 9113 section 3.1
_TLS_HANDSHAKE = 22  # the first octet of TLS (RFC 8446 section 5.1), which no request begins with


class DohConnection(ClientStream):
    """A client's connection; which HTTP it speaks is known by ALPN, or by its first octets."""

    def __init__(self, server: DohServer, host: str, sock: socket.SocketType) -> None:
        """Take a place in the table; another connection may lose its own."""
        self._doh = server
        self._session: HttpSession | None = None
        self._first = b""  # what came before it was known which HTTP it is
        self._path = server.path
        self._asked = 0  # requests that are not counted yet
        self._resets = 0  # of those that the session knows of, how many are counted
        self._has_answered = False  # since octets were sent last
        self._is_withheld = False  # the client's windows hold answers back, and it is counted as if it left them unread
        ClientStream.__init__(self, server, host, sock)

    def is_plain(self, octets: memoryview) -> bool:
        """Return whether a front end speaks without TLS."""
        return octets[0] != _TLS_HANDSHAKE and self._doh.may_be_plain(self.peer)

    def secured(self, alpn: str) -> None:
        """Speak what was agreed on; the first octets tell if nothing was."""
        if alpn:
            self._session = self._doh.session(alpn == HTTP2, self.peer)

    def forget(self) -> None:
        """Let go what is kept of requests."""
        if self._is_withheld:
            self._is_withheld = False
            self.server.has_read(self.host, self)
        self._session = None
        self._first = b""

    def arrived(self, octets: memoryview) -> bool:
        """Keep octets that came; return whether to ask for a turn."""
        session = self._session
        if session is not None:
            session.feed(octets)
            return True
        self._first += octets
        first = self._first[: len(PREFACE)]
        if first != PREFACE and PREFACE.startswith(first):
            return False  # it may be either
        session = self._session = self._doh.session(first == PREFACE, self.peer)
        session.feed(self._first)
        self._first = b""
        return True

    def has_work(self) -> bool:
        """Return whether something that came may be a request."""
        session = self._session
        return session is not None and session.has_more

    def is_held(self) -> bool:
        """Return whether no request may be taken now: what a client sends meanwhile stays with the kernel."""
        session = self._session
        return ClientStream.is_held(self) or (session is not None and session.is_busy)

    def owes(self) -> bool:
        """Return whether something is still to be done or sent for what came: also what the client has yet to read."""
        session = self._session
        return ClientStream.owes(self) or (session is not None and session.held > 0 and self.unsent > 0)

    def left_unread(self) -> None:
        """Take no more requests: the client leaves answers unread, for which it may be counted already."""
        if self._is_withheld:
            self._is_withheld = False
            self._is_unread = True
        else:
            ClientStream.left_unread(self)

    def handle(self, has_time: Callable[[], bool]) -> bytes:
        """Handle requests, and send what there is."""
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
        if not self._push():
            self.acknowledge()
        return b""

    def hurry(self) -> None:
        """Tell the client that another connection is to be used for the next requests; those that come are answered."""
        session = self._session
        if session is not None and not self.has_ended:
            session.leave()
            self._push()
        ClientStream.hurry(self)

    def end(self) -> None:
        """Tell the client that no more requests are taken, and close the connection."""
        self._say_goodbye(NO_ERROR)

    def tire(self) -> None:
        """End the connection if it has been idle for long enough, or if a request has been coming for too long."""
        session = self._session
        if session is not None and not self.has_ended:
            since = session.oldest
            if since is not None and self.streams.clock() - since > MAX_UNFINISHED:
                self._end_flood()
                return
        ClientStream.tire(self)

    def _take(self, session: HttpSession, request: HttpRequest) -> None:
        """Answer a request, now or later."""
        self._asked += 1
        self._newcomer_from = ""
        question = question_of(request, self._path)
        if self._lacks_header and isinstance(question, int):
            self._refuse_header()
            return
        host: str | None = self.host
        if request.front:
            host = self._doh.client_of(request)
        request.let_go()
        if isinstance(question, int):
            status = question
        elif host is None:
            status = 400
        else:
            answer = self.ask(question, host, partial(self._deliver, request))
            if isinstance(answer, bytes):
                self._answer(session, request, answer)
            elif answer is not None:
                session.drop(request)
            return
        session.respond(request, *page_of(status, self._path.decode()))
        self._has_answered = True

    def _answer(self, session: HttpSession, request: HttpRequest, answer: bytes) -> None:
        session.respond(request, 200, answer_fields(answer, self._doh.resolver.tells_clients_apart), answer)
        self._has_answered = True

    def _deliver(self, request: HttpRequest, answer: bytes | None) -> None:
        session = self._session
        if session is None or self.has_ended:
            return
        if answer is None:
            session.drop(request)
        else:
            self._answer(session, request, answer)
        self._push()

    def _push(self) -> bool:
        """Send what the session has; return whether there was something.

        What the client's windows hold back is bounded as what it leaves unread is.
        """
        session = self._session
        has_sent = False
        while session is not None and not self.has_ended and not self.unsent:
            octets = session.take(MAX_GATHERED)
            if not octets:
                break
            has_sent = True
            if self._has_answered:
                self._has_answered = False
                self.reply(octets)
            else:
                self.transmit(octets)
            if len(octets) < MAX_GATHERED:
                break
        if session is None:
            return has_sent
        if self._asked:
            self.server.happened(StreamEvent.STREAM, self._asked)
            self._asked = 0
        resets = session.resets
        if resets != self._resets:
            self.server.happened(StreamEvent.RESET, resets - self._resets)
            self._resets = resets
        if self.has_ended:
            return has_sent
        if session.is_flooded or session.held + self.unsent > MAX_UNSENT:
            self._end_flood()
        elif session.is_over:
            self.end()
        else:
            self._note_withheld(session.held > 0 and not self.unsent)
        return has_sent

    def _note_withheld(self, is_withheld: bool) -> None:
        if is_withheld != self._is_withheld and not self._is_unread:
            self._is_withheld = is_withheld
            if is_withheld:
                self.server.leaves_unread(self.host, self)
            else:
                self.server.has_read(self.host, self)

    def _end_flood(self) -> None:
        """End the connection for what no client that means well does."""
        self.server.happened(StreamEvent.FLOOD)
        self._say_goodbye(ENHANCE_YOUR_CALM)

    def _say_goodbye(self, code: int) -> None:
        session = self._session
        if session is not None and not self.has_ended:
            session.finish(code)
            if octets := session.take(MAX_GATHERED):
                self.transmit(octets)
        ClientStream.end(self)
