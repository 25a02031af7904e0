"""What the incident's page answers to a request.

Whom it tells what: everybody of an order that is asked for by its number, without the names that it covers, but for
what the signed document has, which everybody can have anyway. Of a name it tells the operator's clients what they would
be answered over DNS, and of a confidential order its number alone. All others are told of orders that were published
with their names, and else that this page cannot tell.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from urllib.parse import unquote

from blockd.orders import Reason, Verdict
from blockd.web.answers import Answer, about_name, about_order, asked_name, followed, key_of_asked
from blockd.web.host import path_and_query
from blockd.web.order_page import MAX_ASKED, asked_order
from blockd.web.public.site import PublicSite
from blockd.web.request_head import RequestHead

DOCUMENTS = "/documents/"  # below which each order has its signed document
ROBOTS = "/robots.txt"

_log = logging.getLogger(__name__)


def answer_to_anybody(public: PublicSite, request: RequestHead, client: bytes) -> Answer:
    """Return the answer to a request of a client, given its address in network order, which is not kept."""
    if request.flaw:
        return Answer(request.flaw, "malformed" if request.flaw == 400 else "long", is_own=True)
    is_stranger = not public.is_subscriber(client)
    try:
        answer = _answer(public, request, client, is_stranger=is_stranger)
    except Exception:
        _log.exception("The page about orders failed because of an internal error; the client got status 500.")
        answer = Answer(500, "failed", is_own=True)
    return replace(answer, is_stranger=is_stranger)


def is_to_be_followed(public: PublicSite, answer: Answer) -> bool:
    """Return whether it is to be found out what the name leads to, before the answer is sent."""
    return answer.what == "free" and not answer.is_stranger and public.site.where_it_leads is not None


async def followed_for_client(public: PublicSite, answer: Answer, client: bytes) -> Answer:
    """Return the answer to a client of the operator about a name that is not listed itself, by what it leads to."""
    return _without_text(await followed(public.site, answer, client))


def _answer(public: PublicSite, request: RequestHead, client: bytes, *, is_stranger: bool) -> Answer:
    path, query = path_and_query(request.target)
    order, document = asked_order(path, query), _asked_document(path)
    if order is None and document is None and path not in ("", "/", ROBOTS):
        return Answer(404, "no_page", is_own=True)
    if request.method not in ("GET", "HEAD"):
        return Answer(405, "no_method", is_own=True)
    if path == ROBOTS:
        return Answer(200, "robots", is_own=True)
    if order is not None:
        return _of_order(public, order)
    if document is not None:
        return _of_document(public, document)
    asked = asked_name(query)
    if not asked:
        return Answer(200, "public", is_own=True)
    return _for_stranger(public, asked) if is_stranger else _without_text(about_name(public.site, asked, client))


def _asked_document(path: str) -> str | None:
    if not path.startswith(DOCUMENTS):
        return None
    return unquote(path.removeprefix(DOCUMENTS)) if len(path) <= MAX_ASKED else ""


def _of_order(public: PublicSite, asked: str) -> Answer:
    answer = about_order(public.site, asked)
    return replace(answer, dossier=public.dossier_of(answer.orders[0])) if answer.what == "order" else answer


def _of_document(public: PublicSite, asked: str) -> Answer:
    """Return the answer about a signed document; there is none where the order's page does not offer one."""
    answer = _of_order(public, asked)
    if answer.what != "order":
        return answer
    is_kept = answer.dossier is not None and answer.dossier.is_kept
    return replace(answer, what="document") if is_kept else Answer(404, "no_order", is_own=True, asked=answer.asked)


def _without_text(answer: Answer) -> Answer:
    """Return an answer to a client of the operator; of a confidential order it has the number alone."""
    return replace(answer, what="hidden", key=b"") if answer.is_confidential else answer


def _for_stranger(public: PublicSite, asked: str) -> Answer:
    key = key_of_asked(asked)
    if not key:
        return about_name(public.site, asked, b"")  # which says that it is no name
    verdict = public.published(key)
    if verdict is None:
        return Answer(200, "unknown", key, Verdict(Reason.NOT_LISTED), is_own=True)
    if verdict.reason is Reason.NOT_READY:
        return Answer(503, "unready", key, verdict, is_own=True)
    return Answer(200, "blocked", key, verdict, is_own=True)
