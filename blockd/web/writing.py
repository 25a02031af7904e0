"""Writing the block page's answers as HTTP/1.1: headers, and the body as a page or as JSON.

A body is made once for all visitors who are to read the same about the same order, with words in place of what differs
between them: the name, the entry that lists it, and what was asked for. For the next visitor only these are put in. So
a page with many facts costs what a short one does, however many visitors there are.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus

from blockd.names import DomainName, is_network_key, key_from_text
from blockd.orders import Entry, Verdict
from blockd.orders.disclosure import public_text
from blockd.orders.incident import incident_url
from blockd.web.answers import Answer
from blockd.web.markup import Html, text
from blockd.web.negotiate import Form, Language, form_of, language_of
from blockd.web.order_page import ORDER_ANSWERS, orders_json, page_about_orders
from blockd.web.own_page import answer_page, own_page, unknown_name_page
from blockd.web.page import absent_page, blocked_page, name_text, plain_page
from blockd.web.problem import problem_json
from blockd.web.request_head import RequestHead
from blockd.web.site import Site
from blockd.web.style import CONTENT_SECURITY_POLICY, FORM_SECURITY_POLICY
from blockd.web.texts import TEXTS

RETRY_AFTER = 30  # seconds until a client may ask again if no list has been loaded yet
MAX_MADE = 8 << 20  # characters of bodies that are kept; a page has some ten thousand

_log = logging.getLogger(__name__)
HEADERS = {
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


# Words that nobody can know and send, and that need no escaping in HTML or JSON.
_NAME, _ASKED = (f"{word}-{secrets.token_hex(16)}" for word in ("name", "asked"))
_ENTRY_TEXT = f"entry-{secrets.token_hex(16)}"
_ENTRY_KEY = key_from_text(_ENTRY_TEXT)


class Writer:
    """Writes the answers of one sinkhole."""

    def __init__(self, site: Site) -> None:
        self._site = site
        # By all that they depend on; the verdicts are kept, so that no other order gets the identity of theirs.
        self._made: OrderedDict[tuple[object, ...], tuple[str, tuple[Verdict, ...]]] = OrderedDict()
        self._size = 0  # characters

    def response(self, request: RequestHead, answer: Answer) -> bytes:
        """Return the whole answer to a request, in HTTP/1.1."""
        try:
            headers, body = self.written(request, answer)
        except Exception:
            _log.exception("The block page could not be written; the client was answered with status 500.")
            answer = Answer(500, "fault")
            headers, body = self.written(request, answer)
        return message_of(request, answer.status, headers, body)

    def written(self, request: RequestHead, answer: Answer) -> tuple[dict[str, str], bytes]:
        """Return the headers and the body of an answer."""
        language, form = language_of(request.accept_language), form_of(request.accept)
        body = self._body(answer, language, form)
        headers = {"Date": formatdate(usegmt=True), **HEADERS}
        content_type = "text/html; charset=utf-8" if form == "text/html" else form
        headers |= {"Content-Type": content_type, "Content-Language": language, "Content-Length": str(len(body))}
        if answer.is_own:
            headers["Content-Security-Policy"] = FORM_SECURITY_POLICY
        if answer.status == 405:
            headers["Allow"] = "GET, HEAD"
        if links := self._links(answer):
            headers["Link"] = ", ".join(links)
        if answer.status == 503:
            headers["Retry-After"] = str(RETRY_AFTER)
        return headers, body

    def _links(self, answer: Answer) -> list[str]:
        """Return the links of an answer: to who blocks (RFC 7725 section 4), and to the incident's page."""
        links = []
        if answer.status == 451 and (link := link_of(self._site)):
            links.append(link)
        incident = incident_url(self._site.incidents, answer.verdict) if answer.is_blocked and answer.verdict else ""
        if incident and _LINK_TARGET.fullmatch(incident):
            links.append(f'<{incident}>; rel="describedby"')
        return links

    def _body(self, answer: Answer, language: Language, form: Form) -> bytes:
        is_page = form == "text/html"
        name = "" if not answer.key or answer.is_confidential else (
            name_text(answer.key) if is_page else DomainName(answer.key).text
        )  # fmt: skip
        made = self._template(answer, name, language, form)
        entry = answer.verdict.entry if answer.verdict else None
        entry_text = "" if entry is None else entry.text if is_page else public_text(entry)
        for word, value in ((_NAME, name), (_ASKED, answer.asked), (_ENTRY_TEXT, entry_text)):
            if value:
                made = made.replace(word, text(value) if is_page else json.dumps(value)[1:-1])
        return made.encode("utf-8", "replace")

    def _template(self, answer: Answer, name: str, language: Language, form: Form) -> str:
        """Return the body with words in place of what differs between visitors."""
        verdicts = (*((answer.verdict,) if answer.verdict else ()), *answer.orders)
        parts = (part for verdict in verdicts for part in _parts(verdict))
        key = (
            language, form, answer.status, answer.what, answer.is_own, answer.is_led, answer.is_followed,
            answer.is_stranger, answer.dossier, bool(name), bool(answer.asked), *parts,
        )  # fmt: skip
        if known := self._made.get(key):
            self._made.move_to_end(key)
            return known[0]
        stands_in = replace(
            answer,
            asked=_ASKED if answer.asked else "",
            verdict=_without_entry(answer.verdict) if answer.verdict else None,
        )
        name = name and _NAME
        if form == "text/html":
            made: str = self.page_of(stands_in, name, language)
        else:
            made = self.json_of(stands_in, name, language)
        self._made[key] = made, verdicts
        self._size += len(made)
        while self._size > MAX_MADE and len(self._made) > 1:
            self._size -= len(self._made.popitem(last=False)[1][0])
        return made

    def page_of(self, answer: Answer, name: str, language: Language) -> Html:
        """Return the body of an answer as a page."""
        site, verdict = self._site, answer.verdict
        if answer.is_own:
            if answer.what == "own":
                return own_page(site, language)
            if answer.what in ORDER_ANSWERS:
                return page_about_orders(site, answer.asked, answer.orders, language)
            if answer.what == "no_name":
                return unknown_name_page(site, answer.asked, language, is_stranger=answer.is_stranger)
            if answer.what in ("blocked", "free"):
                return answer_page(
                    site,
                    name,
                    verdict,
                    is_blocked=answer.is_blocked,
                    is_led=answer.is_led,
                    is_followed=answer.is_followed,
                    is_stranger=answer.is_stranger,
                    language=language,
                )
        elif answer.is_blocked and verdict:
            return blocked_page(site, name, verdict, language, is_led=answer.is_led)
        elif answer.what == "absent" and verdict:
            return absent_page(site, name, verdict, language, is_followed=answer.is_followed)
        return plain_page(site, answer.what, answer.status, name, language)

    def json_of(self, answer: Answer, name: str, language: Language) -> str:
        """Return the body of an answer as JSON."""
        site = self._site
        texts, asked = TEXTS[language], asked_in(answer)
        title = texts[f"{answer.what}_title"].format(
            name=name or texts["this_site"], operator=site.operator or texts["operator"], id=asked
        )
        if answer.orders:
            return orders_json(site, answer.status, title, answer.orders).decode("ascii")
        return problem_json(
            site, answer.status, title, name, answer.verdict, is_blocked=answer.is_blocked, is_led=answer.is_led,
            is_followed=answer.is_followed,
        ).decode("ascii")  # fmt: skip


def message_of(request: RequestHead, status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return an answer's octets in HTTP/1.1; to HEAD there is no body."""
    lines = [f"HTTP/1.1 {status} {reason_of(status)}", *(f"{name}: {value}" for name, value in headers.items())]
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    return head if request.method == "HEAD" else head + body


def asked_in(answer: Answer) -> str:
    """Return what was looked up, as its title repeats it: of one order how that is called."""
    if answer.what == "order" and answer.orders and (order := answer.orders[0].order):
        return order.name
    return answer.asked


def reason_of(status: int) -> str:
    """Return the reason phrase of a status; empty for one that nobody has registered."""
    if status in _REASONS:
        return _REASONS[status]
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""


def link_of(site: Site) -> str:
    """Return the value of the Link field that says who blocks (RFC 7725 section 4); empty if that is not known."""
    return f'<{site.url}>; rel="blocked-by"' if _LINK_TARGET.fullmatch(site.url) else ""


def _parts(verdict: Verdict) -> tuple[object, ...]:
    """Return what a body says of a verdict, but for the entry's text: by it two are told apart."""
    entry = verdict.entry
    listed: object = entry and (entry if is_network_key(entry.key) else entry.scope)
    return id(verdict.order), verdict.reason, verdict.state, verdict.stale, listed


def _without_entry(verdict: Verdict) -> Verdict:
    """Return a verdict with a word in place of the entry, unless that is a network."""
    entry = verdict.entry
    if entry is None or is_network_key(entry.key):
        return verdict
    return replace(verdict, entry=Entry(_ENTRY_KEY, entry.scope))
