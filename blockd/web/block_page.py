"""The block page's server: any method, any path, one answer per connection.

What is blocked is answered as RFC 7725 wants it, or with status 403 where its operator or the client wants the block.
The server's own addresses show what it is, and whether a name is blocked.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from typing import cast
from urllib.parse import parse_qs

from blockd.errors import BadName
from blockd.formats.subject import name_from_text
from blockd.names import DomainName, key_from_text
from blockd.orders import Reason, Verdict
from blockd.orders.disclosure import codes
from blockd.web.host import is_address, path_and_query, requested_host
from blockd.web.markup import Html
from blockd.web.negotiate import Language, form_of, language_of
from blockd.web.order_page import ORDER_ANSWERS, asked_order, orders_json, page_about_orders
from blockd.web.own_page import answer_page, own_page, unknown_name_page
from blockd.web.page import absent_page, blocked_page, name_text, plain_page
from blockd.web.problem import problem_json
from blockd.web.request_head import RequestHead, RequestReader
from blockd.web.serving import MAX_CONNECTIONS, MAX_LIFETIME, MAX_LINGER, OpenConnections, Serving, client_of, serve
from blockd.web.site import Site
from blockd.web.style import CONTENT_SECURITY_POLICY, FORM_SECURITY_POLICY
from blockd.web.texts import TEXTS

RETRY_AFTER = 30  # seconds until a client may ask again if no list has been loaded yet
MAX_QUERY = 4096  # characters of a query that are read: a name has at most 253, escaped three times as many
MAX_SHOWN = 100  # characters of a text that is repeated because it is no name

_log = logging.getLogger(__name__)
_HEADERS = {
    "Server": "blockd",
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Language, Host",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
    "Connection": "close",
}
_LINK_TARGET = re.compile(r"[a-z][a-z0-9+.-]*:[!#-;=?-~]+", re.IGNORECASE | re.ASCII)
_REASONS = {451: "Unavailable For Legal Reasons", 414: "URI Too Long", 431: "Request Header Fields Too Large"}

# To a client that speaks HTTP/2 without having asked: SETTINGS, and GOAWAY with HTTP_1_1_REQUIRED (RFC 9113 section 7).
_USE_HTTP1 = bytes.fromhex("000000040000000000" + "000008070000000000" + "00000000" + "0000000d")


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    what: str  # which texts it is told with
    key: bytes = b""
    verdict: Verdict | None = None
    is_own: bool = False  # it is about the server itself, or about a name that somebody looks up there
    asked: str = ""  # what was looked up and is no name
    is_led: bool = False  # the verdict is on what the name leads to
    is_followed: bool = False  # it is known that nothing stops what the name leads to
    orders: tuple[Verdict, ...] = ()  # that fit what was asked for, if it is about orders

    @property
    def is_blocked(self) -> bool:
        """Whether it says that an order or a list blocks the name."""
        return self.what == "blocked"

    @property
    def is_confidential(self) -> bool:
        """Whether a confidential order blocks the name; if so, the answer does not repeat the name."""
        verdict = self.verdict
        return self.is_blocked and verdict is not None and verdict.order is not None and verdict.order.is_confidential


async def serve_block_page(
    site: Site,
    sockets: Sequence[socket.socket],
    *,
    max_connections: int = MAX_CONNECTIONS,
    max_lifetime: float = MAX_LIFETIME,
) -> Serving:
    """Serve the block page on bound sockets, listening or not; nothing is logged about clients."""
    return await serve(lambda: _Visit(site), sockets, OpenConnections(max_connections, max_lifetime))


class _Visit(asyncio.Protocol):
    """One connection: reads one head and no body, sends one answer, discards the rest, closes."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._reader = RequestReader()
        self._transport: asyncio.Transport | None = None
        self._is_answered = False
        self._close: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the head."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer, and what is done for an answer."""
        if self._close is not None:
            self._close.cancel()
        if self._following is not None:
            self._following.cancel()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Read on, or answer; octets after the head are discarded."""
        if not self._is_answered:
            self._answer(self._reader.feed(data))

    def eof_received(self) -> bool:
        """Answer a client that sends no more; return whether the answer is still to be sent."""
        if not self._is_answered:
            self._answer(self._reader.finish())
        return self._following is not None and not self._following.done()

    def _answer(self, request: RequestHead | None) -> None:
        if request is None or self._transport is None:
            return
        self._is_answered = True
        if request.is_http2:
            self._send(_USE_HTTP1)
            return
        self._site.arrived("http")
        answer = _answer(self._site, request, client_of(self._transport))
        if answer.what in ("absent", "free") and self._site.where_it_leads is not None:
            self._following = asyncio.get_running_loop().create_task(self._follow(request, answer))
        else:
            self._send(_response(self._site, request, answer))

    async def _follow(self, request: RequestHead, answer: _Answer) -> None:
        """Send the answer about a name that is not listed once it is known where the name leads."""
        if self._transport is not None:
            answer = await _followed(self._site, answer, client_of(self._transport))
            self._send(_response(self._site, request, answer))

    def _send(self, octets: bytes) -> None:
        if self._transport is None:
            return
        self._transport.write(octets)
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._linger()

    def _linger(self) -> None:
        """End the connection some time after everything was sent; closing with unread octets would reset it."""
        self._close = asyncio.get_running_loop().call_later(MAX_LINGER, self._end)

    def _end(self) -> None:
        if self._transport is not None:
            if self._transport.get_write_buffer_size():
                self._linger()
            else:
                self._transport.abort()


def _response(site: Site, request: RequestHead, answer: _Answer) -> bytes:
    """Return the whole answer to a request, in HTTP/1.1."""
    try:
        headers, body = _written(site, request, answer)
    except Exception:
        _log.exception("The block page could not be written; the client was answered with status 500.")
        answer = _Answer(500, "fault")
        headers, body = _written(site, request, answer)
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status) or HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    return head if request.method == "HEAD" else head + body


def _answer(site: Site, request: RequestHead, client: bytes) -> _Answer:
    if request.flaw == 400:
        return _Answer(400, "malformed")
    try:
        host = requested_host(request.target, request.hosts)
        key = b"" if is_address(host) else key_from_text(host)
    except BadName:
        return _Answer(request.flaw, "too_long") if request.flaw else _Answer(400, "bad")
    try:
        verdict = site.verdict_of(key, client) if key else None
        if verdict is not None and (verdict.stops or verdict.reason is Reason.NOT_READY):
            site.count(verdict, "http")
            return _touched(key, verdict)
        if request.flaw:
            return _Answer(request.flaw, "too_long", key)
        if verdict is None or host.lower().removesuffix(".") in site.hosts:
            return _own(site, request, client)
        return _Answer(404, "absent", key, verdict)
    except Exception:
        _log.exception("The block page could not look up a name; the client was answered with status 500.")
        return _Answer(500, "fault", key)


async def _followed(site: Site, answer: _Answer, client: bytes) -> _Answer:
    """Return the answer about a name that is not listed itself, by what it leads to; unchanged if that is not known."""
    assert site.where_it_leads is not None  # noqa: S101 - the caller has seen it
    try:
        verdict = await site.where_it_leads(answer.key, client)
        if verdict is None:
            return answer
        if not verdict.stops or verdict.order is None:
            return replace(answer, is_followed=True)
        if not answer.is_own:
            site.count(verdict, "http")
    except Exception:
        _log.exception("It could not be looked up where a name leads; the client was answered without it.")
        return answer
    status = 200 if answer.is_own else codes(verdict.order).status
    return replace(answer, status=status, what="blocked", verdict=verdict, is_led=True)


def _touched(key: bytes, verdict: Verdict) -> _Answer:
    """Return the answer about a name that is not resolved as it is."""
    if verdict.order is None:
        return _Answer(503, "unready", key, verdict)
    return _Answer(codes(verdict.order).status, "blocked", key, verdict)


def _own(site: Site, request: RequestHead, client: bytes) -> _Answer:
    """Return the answer of the server itself: what it is, or whether a name is blocked. No hit is counted."""
    path, query = path_and_query(request.target)
    order = asked_order(path, query)
    if order is None and path not in ("", "/", "*"):
        return _Answer(404, "no_page", is_own=True)
    if request.method not in ("GET", "HEAD"):
        return _Answer(405, "no_method", is_own=True)
    if order is not None:
        return _of_order(site, order)
    asked = next((one for one in _names(query) if one.strip()), "")
    if not asked:
        return _Answer(200, "own", is_own=True)
    try:
        key = name_from_text(asked)
    except BadName:
        key = b""  # as the root, which no order covers
    if not key:
        shown = asked.strip()
        return _Answer(400, "no_name", is_own=True, asked=_cut(shown))
    verdict = site.verdict_of(key, client)
    if not verdict.stops and verdict.reason is not Reason.NOT_READY:
        return _Answer(200, "free", key, verdict, is_own=True)
    return _Answer(503 if verdict.order is None else 200, _touched(key, verdict).what, key, verdict, is_own=True)


def _of_order(site: Site, asked: str) -> _Answer:
    """Return the answer about an order: one that fits, those that fit, or that none does."""
    found = site.orders_named(asked)
    if found is None:
        return _Answer(503, "unready", is_own=True)
    what = "no_order" if not found else "order" if len(found) == 1 else "orders"
    return _Answer(ORDER_ANSWERS[what], what, is_own=True, asked=_cut(asked), orders=tuple(found))


def _cut(text: str) -> str:
    return text[:MAX_SHOWN] + "…" * (len(text) > MAX_SHOWN)


def _names(query: str) -> list[str]:
    try:
        return parse_qs(query[:MAX_QUERY], max_num_fields=20, errors="replace").get("name", [])
    except ValueError:
        return []


def _written(site: Site, request: RequestHead, answer: _Answer) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of an answer."""
    language, form = language_of(request.accept_language), form_of(request.accept)
    headers = {"Date": formatdate(usegmt=True), **_HEADERS}
    if form == "text/html":
        body = _page(site, answer, language).encode("utf-8", "replace")
        content_type = "text/html; charset=utf-8"
    else:
        name = DomainName(answer.key).text if answer.key and not answer.is_confidential else ""
        asked = next(
            (one.order.name for one in answer.orders[:1] if one.order and answer.what == "order"), answer.asked
        )
        title = TEXTS[language][f"{answer.what}_title"].format(
            name=name or TEXTS[language]["this_site"], operator=site.operator or TEXTS[language]["operator"],
            id=asked,
        )  # fmt: skip
        body = orders_json(site, answer.status, title, answer.orders) if answer.orders else problem_json(
            site, answer.status, title, name, answer.verdict, is_blocked=answer.is_blocked, is_led=answer.is_led,
            is_followed=answer.is_followed,
        )  # fmt: skip
        content_type = form
    headers |= {"Content-Type": content_type, "Content-Language": language, "Content-Length": str(len(body))}
    if answer.is_own:
        headers["Content-Security-Policy"] = FORM_SECURITY_POLICY
    if answer.status == 405:
        headers["Allow"] = "GET, HEAD"
    if answer.status == 451 and _LINK_TARGET.fullmatch(site.url):
        headers["Link"] = f'<{site.url}>; rel="blocked-by"'
    if answer.status == 503:
        headers["Retry-After"] = str(RETRY_AFTER)
    return headers, body


def _page(site: Site, answer: _Answer, language: Language) -> Html:
    name = name_text(answer.key) if answer.key and not answer.is_confidential else ""
    verdict = answer.verdict
    if answer.is_own:
        if answer.what == "own":
            return own_page(site, language)
        if answer.what in ORDER_ANSWERS:
            return page_about_orders(site, answer.asked, answer.orders, language)
        if answer.what == "no_name":
            return unknown_name_page(site, answer.asked, language)
        if answer.what in ("blocked", "free"):
            return answer_page(
                site,
                name,
                verdict,
                is_blocked=answer.is_blocked,
                is_led=answer.is_led,
                is_followed=answer.is_followed,
                language=language,
            )
    elif answer.is_blocked and verdict:
        return blocked_page(site, name, verdict, language, is_led=answer.is_led)
    elif answer.what == "absent" and verdict:
        return absent_page(site, name, verdict, language)
    return plain_page(site, answer.what, answer.status, name, language)
