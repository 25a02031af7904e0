"""The block page's server: any method, any path, one answer per connection (RFC 7725 for what is blocked)."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from blockd.errors import BadName
from blockd.names import DomainName
from blockd.orders import Verdict
from blockd.web.host import host_key
from blockd.web.markup import Html
from blockd.web.negotiate import Language, form_of, language_of
from blockd.web.page import absent_page, blocked_page, name_text, plain_page
from blockd.web.problem import problem_json
from blockd.web.site import Site
from blockd.web.style import CONTENT_SECURITY_POLICY
from blockd.web.texts import TEXTS

RETRY_AFTER = 30  # seconds until a client may ask again if no list has been loaded yet

_log = logging.getLogger(__name__)
_HEADERS = {
    hdrs.SERVER: "blockd",
    hdrs.CACHE_CONTROL: "no-store",
    hdrs.VARY: "Accept, Accept-Language, Host",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
}
_LINK_TARGET = re.compile(r"[a-z][a-z0-9+.-]*:[!#-;=?-~]+", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    what: str  # which texts it is told with
    key: bytes = b""
    verdict: Verdict | None = None


def block_page_app(site: Site) -> web.Application:
    """Return the application; it looks up the requested name, counts the hit, and never reads a request's body."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:  # noqa: ARG001 - see below
        return _respond(site, request, _answer(site, request))

    # A middleware runs before the routes, of which there are none: every method and path is answered by it.
    return web.Application(middlewares=[answer])


def _answer(site: Site, request: web.Request) -> _Answer:
    try:
        key = host_key(request.raw_path, request.headers.getall(hdrs.HOST, []))
    except BadName:
        return _Answer(400, "bad")
    try:
        verdict = site.verdict_of(key)
        if not verdict.touches:
            return _Answer(404, "absent", key, verdict)
        site.count(verdict, "http")
    except Exception:
        _log.exception("The block page could not look up a name; the client was answered with status 500.")
        return _Answer(500, "fault", key)
    return _Answer(451, "blocked", key, verdict) if verdict.order else _Answer(503, "unready", key, verdict)


def _respond(site: Site, request: web.Request, answer: _Answer) -> web.Response:
    language = language_of(",".join(request.headers.getall(hdrs.ACCEPT_LANGUAGE, [])))
    form = form_of(",".join(request.headers.getall(hdrs.ACCEPT, [])))
    if form == "text/html":
        body = _page(site, answer, language).encode()
        content_type = "text/html; charset=utf-8"
    else:
        name = DomainName(answer.key).text if answer.key and not _is_confidential(answer) else ""
        title = TEXTS[language][f"{answer.what}_title"].format(name=name or TEXTS[language]["this_site"])
        body = problem_json(site, answer.status, title, name, answer.verdict)
        content_type = form
    headers = {**_HEADERS, hdrs.CONTENT_TYPE: content_type, hdrs.CONTENT_LANGUAGE: language}
    if answer.status == 451 and _LINK_TARGET.fullmatch(site.url):
        headers[hdrs.LINK] = f'<{site.url}>; rel="blocked-by"'
    if answer.status == 503:
        headers[hdrs.RETRY_AFTER] = str(RETRY_AFTER)
    response = web.Response(status=answer.status, body=body, headers=headers)
    response.force_close()
    return response


def _is_confidential(answer: _Answer) -> bool:
    """Return whether a confidential order blocks the name; if so, the answer does not repeat the name."""
    verdict = answer.verdict
    return answer.status == 451 and verdict is not None and verdict.order is not None and verdict.order.is_confidential


def _page(site: Site, answer: _Answer, language: Language) -> Html:
    name = name_text(answer.key) if answer.key and not _is_confidential(answer) else ""
    verdict = answer.verdict
    if answer.status == 451 and verdict and verdict.order:
        return blocked_page(site, name, verdict, language)
    if answer.status == 404 and verdict:
        return absent_page(site, name, verdict, language)
    return plain_page(site, answer.what, answer.status, name, language)
