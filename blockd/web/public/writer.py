"""Writing the answers of the incident's page as HTTP/1.1: what the block page has not, and documents as they are."""

from __future__ import annotations

import json
from email.utils import formatdate

from blockd.orders import Verdict
from blockd.orders.dossier import Dossier
from blockd.orders.incident import place_of
from blockd.web.answers import Answer
from blockd.web.markup import Html
from blockd.web.negotiate import Language
from blockd.web.order_page import orders_json, page_about_orders
from blockd.web.problem import operator_json
from blockd.web.public.answering import DOCUMENTS
from blockd.web.public.pages import dossier_sections, front_page, hidden_page, said_page, unknown_page
from blockd.web.public.site import PublicSite
from blockd.web.public.texts import PUBLIC_TEXTS
from blockd.web.request_head import RequestHead
from blockd.web.texts import TEXTS
from blockd.web.writing import HEADERS, Writer, asked_in, message_of

NO_ROBOTS = b"User-agent: *\nDisallow: /\n"
CANNOT_TELL = "this page cannot tell"


class PublicWriter(Writer):
    """Writes the answers of one page about orders."""

    def __init__(self, public: PublicSite) -> None:
        super().__init__(public.site)
        self._public = public

    def response(self, request: RequestHead, answer: Answer) -> bytes:
        """Return the whole answer to a request, in HTTP/1.1."""
        if answer.what == "robots":
            return _file(request, NO_ROBOTS, "text/plain; charset=utf-8")
        if answer.what == "document":
            (verdict,), dossier = answer.orders, answer.dossier
            document = self._public.document_of(verdict, dossier) if dossier is not None else None
            if document is not None and verdict.order is not None:
                name = verdict.order.name.replace("/", "-")
                return _file(request, document, "application/json", f'attachment; filename="{name}.json"')
            answer = Answer(404, "no_order", is_own=True, asked=answer.asked, is_stranger=answer.is_stranger)
        return super().response(request, answer)

    def page_of(self, answer: Answer, name: str, language: Language) -> Html:
        """Return the body of an answer as a page."""
        site, verdict = self._public.site, answer.verdict
        if answer.what == "public":
            return front_page(site, language, is_stranger=answer.is_stranger)
        if answer.what == "unknown":
            return unknown_page(site, name, language)
        if answer.what == "hidden" and verdict is not None:
            return hidden_page(site, verdict, language)
        if answer.what == "order":
            more = tuple(dossier_sections(site, answer.orders[0], answer.dossier, language))
            return page_about_orders(site, answer.asked, answer.orders, language, more)
        if f"{answer.what}_lead" in PUBLIC_TEXTS[language]:
            return said_page(site, answer.what, answer.status, language)
        return super().page_of(answer, name, language)

    def json_of(self, answer: Answer, name: str, language: Language) -> str:
        """Return the body of an answer as JSON."""
        site, verdict = self._public.site, answer.verdict
        title = PUBLIC_TEXTS[language].get(f"{answer.what}_title", "")
        title = title.format(name=name, operator=site.operator or TEXTS[language]["operator"])
        if answer.what == "order":
            title = TEXTS[language]["order_title"].format(id=asked_in(answer))
            more = _dossier_json(answer.orders[0], answer.dossier)
            return orders_json(site, answer.status, title, answer.orders, more).decode("ascii")
        if not title:
            return super().json_of(answer, name, language)
        told: dict[str, object] = {"type": "about:blank", "title": title, "status": answer.status}
        told["operator"] = operator_json(site)
        if answer.what == "unknown":
            told |= {"name": name, "blocked": None, "detail": CANNOT_TELL}
        if answer.what == "hidden" and verdict is not None and verdict.order is not None:
            order = {"called": verdict.order.name, "confidential": True}
            told |= {"blocked": True, "order": order, "url": place_of(verdict.order)}
        return json.dumps(told, ensure_ascii=True, indent=2) + "\n"


def _dossier_json(verdict: Verdict, dossier: Dossier | None) -> dict[str, object]:
    if dossier is None or verdict.order is None:
        return {}
    told: dict[str, object] = {"history": [{"time": turn.at, "state": turn.state} for turn in dossier.history]}
    if dossier.signatures:
        told["signatures"] = {
            "verified": dossier.verified,
            "files": [
                {"file": one.file, "version": one.version, "threshold": one.threshold, "keys": list(one.keys)}
                for one in dossier.signatures
            ],
        }
    if dossier.sha256:
        url = {"url": f"{DOCUMENTS}{verdict.order.name}"} if dossier.is_kept else {}
        told["document"] = {"sha256": dossier.sha256, "size": dossier.size, **url}
    return told


def _file(request: RequestHead, body: bytes, content_type: str, disposition: str = "") -> bytes:
    headers = {"Date": formatdate(usegmt=True), **HEADERS, "Content-Type": content_type}
    headers["Content-Length"] = str(len(body))
    if disposition:
        headers["Content-Disposition"] = disposition
    return message_of(request, 200, headers, body)
