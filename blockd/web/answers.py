"""What the block page answers to a request: which texts, which status, and what is counted."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

from blockd.errors import BadName
from blockd.formats.subject import name_from_text
from blockd.names import key_from_text
from blockd.orders import Reason, Verdict
from blockd.orders.disclosure import codes
from blockd.orders.dossier import Dossier
from blockd.web.host import is_address, limited, path_and_query, requested_host
from blockd.web.order_page import ORDER_ANSWERS, asked_order
from blockd.web.request_head import RequestHead
from blockd.web.site import Site

MAX_QUERY = 2048  # characters of a query that are read: a name has at most 253, escaped some times as many
MAX_ASKED = 1024  # characters of what may be a name, with a URL around it, as the form has it
MAX_SHOWN = 100  # characters of a text that is repeated because it is no name

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request."""

    status: int
    what: str  # which texts it is told with
    key: bytes = b""
    verdict: Verdict | None = None
    is_own: bool = False  # it is about the server itself, or about a name that somebody looks up there
    asked: str = ""  # what was looked up and is no name
    is_led: bool = False  # the verdict is on what the name leads to
    is_followed: bool = False  # it is known that nothing stops what the name leads to
    orders: tuple[Verdict, ...] = ()  # that fit what was asked for, if it is about orders
    dossier: Dossier | None = None  # of the one order that it is about, if that is shown
    is_stranger: bool = False  # who asks is none of the operator's clients

    @property
    def is_blocked(self) -> bool:
        """Whether it says that an order or a list blocks the name."""
        return self.what == "blocked"

    @property
    def is_confidential(self) -> bool:
        """Whether a confidential order blocks the name; if so, the answer does not repeat the name."""
        verdict = self.verdict
        return self.is_blocked and verdict is not None and verdict.order is not None and verdict.order.is_confidential


def answer_to(site: Site, request: RequestHead, client: bytes) -> Answer:
    """Return the answer to a client's request, and count it if a block was visited."""
    if request.flaw == 400:
        return Answer(400, "malformed")
    try:
        host = requested_host(request.target, request.hosts)
        key = b"" if is_address(host) else key_from_text(limited(host))
    except BadName:
        return Answer(request.flaw, "too_long") if request.flaw else Answer(400, "bad")
    try:
        verdict = site.verdict_of(key, client) if key else None
        if verdict is not None and (verdict.stops or verdict.reason is Reason.NOT_READY):
            site.count(verdict, "http")
            return _touched(key, verdict)
        if request.flaw:
            return Answer(request.flaw, "too_long", key)
        if verdict is None or host.lower().removesuffix(".") in site.hosts:
            return _own(site, request, client)
        return Answer(404, "absent", key, verdict)
    except Exception:
        _log.exception("The block page could not look up a name; the client was answered with status 500.")
        return Answer(500, "fault", key)


async def followed(site: Site, answer: Answer, client: bytes) -> Answer:
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


def _touched(key: bytes, verdict: Verdict) -> Answer:
    """Return the answer about a name that is not resolved as it is."""
    if verdict.order is None:
        return Answer(503, "unready", key, verdict)
    return Answer(codes(verdict.order).status, "blocked", key, verdict)


def _own(site: Site, request: RequestHead, client: bytes) -> Answer:
    """Return the answer of the server itself: what it is, or whether a name is blocked. No hit is counted."""
    path, query = path_and_query(request.target)
    order = asked_order(path, query)
    if order is None and path not in ("", "/", "*"):
        return Answer(404, "no_page", is_own=True)
    if request.method not in ("GET", "HEAD"):
        return Answer(405, "no_method", is_own=True)
    if order is not None:
        return about_order(site, order)
    asked = asked_name(query)
    return about_name(site, asked, client) if asked else Answer(200, "own", is_own=True)


def asked_name(query: str) -> str:
    """Return the text after `name` in a request's query that may be a name; empty if there is none."""
    try:
        found = parse_qs(query[:MAX_QUERY], max_num_fields=20, errors="replace").get("name", [])
    except ValueError:
        return ""
    return next((one for one in found if one.strip()), "")


def about_name(site: Site, asked: str, client: bytes) -> Answer:
    """Return the answer to a client that looks a name up, as it would be answered over DNS; no hit is counted."""
    key = key_of_asked(asked)
    if not key:
        return Answer(400, "no_name", is_own=True, asked=_cut(asked.strip()))
    verdict = site.verdict_of(key, client)
    if not verdict.stops and verdict.reason is not Reason.NOT_READY:
        return Answer(200, "free", key, verdict, is_own=True)
    return Answer(503 if verdict.order is None else 200, _touched(key, verdict).what, key, verdict, is_own=True)


def key_of_asked(asked: str) -> bytes:
    """Return the key of a name that is looked up; empty if the text is none, or the root, which no order covers."""
    try:
        return name_from_text(limited(asked)) if len(asked) <= MAX_ASKED else b""
    except BadName:
        return b""


def about_order(site: Site, asked: str) -> Answer:
    """Return the answer about an order: one that fits, those that fit, or that none does."""
    found = site.orders_named(asked)
    if found is None:
        return Answer(503, "unready", is_own=True)
    what = "no_order" if not found else "order" if len(found) == 1 else "orders"
    return Answer(ORDER_ANSWERS[what], what, is_own=True, asked=_cut(asked), orders=tuple(found))


def _cut(text: str) -> str:
    return text[:MAX_SHOWN] + "…" * (len(text) > MAX_SHOWN)
