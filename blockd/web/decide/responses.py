"""The answers to proxies as HTTP/1.1: an empty one that lets a request pass, or the block page that stops it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

from blockd.orders import Verdict
from blockd.orders.disclosure import codes
from blockd.web.answers import Answer
from blockd.web.decide.decider import ProxyDecision
from blockd.web.decide.hosts import Host
from blockd.web.decide.request import ProxyRequest
from blockd.web.decide.sources import ALLOWED, BadQuestion, ProxyQuestion
from blockd.web.request_head import RequestHead
from blockd.web.site import Site
from blockd.web.writing import Writer, link_of, reason_of

MAX_MADE = 8 << 20  # octets of answers that are kept, of some ten thousand each: what many ask for at the same time
MAX_VALUE = 1024  # octets of a field that are read for the page

_CLOSE = b"Connection: close\r\n"
_BLOCKED_BY = 'rel="blocked-by"'
_OWN = ("Cache-Control", "Connection", "Date", "Vary", "X-Robots-Tag", "Link")  # said otherwise of a decision


_Key = tuple[Host, int, str, str]  # the host, the status asked for, Accept and Accept-Language


class ResponseWriter:
    """Writes the answers of one listener; `now` is the time in seconds since the epoch.

    `is_private` returns whether two clients may get different answers, so that no cache that is shared may keep one.
    """

    def __init__(self, site: Site, is_private: Callable[[], bool], now: Callable[[], float] = time.time) -> None:
        self._site = site
        self._pages = Writer(site)
        self._is_private = is_private
        self._now = now
        # What was made for a host, by all that it depends on; with its verdict, so that no other gets its identity.
        self._made: dict[_Key, tuple[Verdict, bytes, bytes]] = {}
        self._size = 0  # octets of them, and of those that they have replaced
        self._second = 0
        self._date = b""

    def allow(self, request: ProxyRequest, asked: ProxyQuestion, decision: ProxyDecision) -> bytes:
        """Return the answer that lets a request pass; an order that only counts it is not named."""
        head = (
            b"HTTP/1.1 204 No Content\r\n" if asked.allowed == ALLOWED else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
        )
        return b"%bDate: %b\r\nServer: blockd\r\n%b%b\r\n" % (
            head, self._dated(), self._lifetime(decision), _CLOSE if request.is_last else b"",
        )  # fmt: skip

    def stop(self, request: ProxyRequest, asked: ProxyQuestion, decision: ProxyDecision) -> bytes:
        """Return the answer that stops a request: the block page, in the language and form that the client asks for."""
        accept, languages = _text(request, b"accept"), _text(request, b"accept-language")
        key = decision.host, asked.status, accept, languages
        made = self._made.get(key)
        if made is None or made[0] is not decision.verdict:
            made = decision.verdict, *self._page(asked.status, decision, accept, languages)
            self._keep(key, made)
        _, fields, body = made
        return b"%bDate: %b\r\n%b%b\r\n%b" % (
            fields, self._dated(), self._lifetime(decision), _CLOSE if request.is_last else b"",
            b"" if request.method == b"HEAD" else body,
        )  # fmt: skip

    def _keep(self, key: _Key, made: tuple[Verdict, bytes, bytes]) -> None:
        """Keep an answer for the next who asks for it."""
        self._size += len(made[1]) + len(made[2]) + len(key[2]) + len(key[3])
        if self._size > MAX_MADE:
            self._made.clear()
            self._size = 0
        self._made[key] = made

    def _page(self, status: int, decision: ProxyDecision, accept: str, languages: str) -> tuple[bytes, bytes]:
        """Return the first line and the fields of an answer that stops a request, and its body."""
        order = decision.verdict.order
        own, what = (503, "unready") if order is None else (codes(order).status, "blocked")
        head = RequestHead("GET", "", accept=accept, accept_language=languages)
        headers, body = self._pages.written(head, Answer(own, what, decision.host.key, decision.verdict))
        status = status or own
        lines = [f"HTTP/1.1 {status} {reason_of(status)}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if name not in _OWN]
        links = headers.get("Link", "")
        if order is not None:
            if _BLOCKED_BY not in links and (link := link_of(self._site)):
                links = f"{link}, {links}" if links else link
            lines.append(f"Blockd-Status: {own}")
            lines.append(f"Blockd-List: {order.list_name}" if order.list_name else f"Blockd-Order: {order.name}")
        if links:
            lines.append(f"Link: {links}")
        return "".join(f"{line}\r\n" for line in lines).encode("latin-1", "replace"), body

    def refuse(self, request: ProxyRequest, flaw: BadQuestion) -> bytes:
        """Return the answer to a request that is none: why, as a sentence."""
        body = f"blockd: {flaw}.\n".encode("ascii", "replace")
        text = f"HTTP/1.1 {flaw.status} {HTTPStatus(flaw.status).phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        return b"%bContent-Length: %d\r\nDate: %b\r\nServer: blockd\r\nCache-Control: no-store\r\n%b\r\n%b" % (
            text.encode("ascii"), len(body), self._dated(), _CLOSE if request.is_last else b"",
            b"" if request.method == b"HEAD" else body,
        )  # fmt: skip

    def _lifetime(self, decision: ProxyDecision) -> bytes:
        """Return for how long a decision may be kept: no longer than DNS lets clients keep a block.

        That is shorter if an order on the host is known to take force or to end before.
        """
        if decision.verdict.order is None and decision.blocks:
            return b"Cache-Control: no-store\r\n"
        seconds = max(min(decision.verdict.until - math.ceil(self._now()), self._site.ttl), 0)
        return b"Cache-Control: %bmax-age=%d\r\n" % (b"private, " if self._is_private() else b"", seconds)

    def _dated(self) -> bytes:
        second = int(self._now())
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True).encode("ascii")
        return self._date


def _text(request: ProxyRequest, name: bytes) -> str:
    return b",".join(request.all(name))[:MAX_VALUE].decode("utf-8", "replace")
