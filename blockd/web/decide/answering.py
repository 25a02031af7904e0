"""What a proxy is answered: from its request to the octets of the answer, and what is counted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http import HTTPStatus

from blockd.orders import Verdict
from blockd.resolver.clients import packed_host
from blockd.transports.http.forwarded import client_of
from blockd.web.decide.decider import Decider
from blockd.web.decide.request import ProxyRequest
from blockd.web.decide.responses import ResponseWriter
from blockd.web.decide.sources import ALLOWED, BadQuestion, asked_by

_FORWARDED = b"x-forwarded-for"
_METHODS = frozenset((b"GET", b"HEAD"))
_WHY = {
    400: "the request is malformed",
    413: "the request has too long a body; a decision needs none",
    431: "the request's header fields are too long, or too many",
    501: "the request has a transfer coding; a decision needs no body",
    505: "only HTTP/1.1 and HTTP/1.0 are spoken here",
}

_log = logging.getLogger(__name__)


class Answering:
    """Answers requests; `count` counts a verdict that was acted on, `arrived` every request."""

    def __init__(
        self,
        decider: Decider,
        writer: ResponseWriter,
        count: Callable[[Verdict], None],
        arrived: Callable[[], None],
    ) -> None:
        self._decider = decider
        self._writer = writer
        self._count = count
        self._arrived = arrived

    def answer(self, request: ProxyRequest, host: str, *, is_front: bool) -> bytes:
        """Return the answer to a request of the peer at an IP address, empty for one at a Unix socket.

        A front's X-Forwarded-For says for whom it asks; of anybody else the address is the client's.
        """
        self._arrived()
        try:
            if request.flaw:
                raise BadQuestion(request.flaw, _WHY.get(request.flaw) or HTTPStatus(request.flaw).description)
            asked = asked_by(request)
            if request.method not in _METHODS and asked.allowed == ALLOWED:  # ext_authz has the client's own method
                raise BadQuestion(405, "the method is not GET or HEAD")
            decision = self._decider.decide(asked.hosts, _client(request, host, is_front=is_front))
            if asked.counts and decision.verdict.action is not None:
                self._count(decision.verdict)
            if decision.blocks:
                return self._writer.stop(request, asked, decision)
            return self._writer.allow(request, asked, decision)
        except BadQuestion as flaw:
            return self._writer.refuse(request, flaw)
        except Exception:
            _log.exception("A request could not be decided about; the proxy was answered with status 500.")
            return self._writer.refuse(request, BadQuestion(500, "an internal error; please report it"))


def _client(request: ProxyRequest, host: str, *, is_front: bool) -> bytes:
    """Return the address of the client that a request is for, empty if it is not known; raises BadQuestion."""
    if is_front and (forwarded := request.all(_FORWARDED)):
        client = client_of(_FORWARDED, b",".join(forwarded))
        if client is None:
            raise BadQuestion(400, "the last address in X-Forwarded-For cannot be read")
        return packed_host(client)
    return packed_host(host) if host else b""
