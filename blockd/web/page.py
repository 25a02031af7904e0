"""The pages as HTML in one language: blocked, not blocked, not ready, no site named, internal error."""

from __future__ import annotations

from collections.abc import Iterable

from blockd.names import DomainName
from blockd.orders import Entry, Mandate, Notice, Order, Reason, Verdict
from blockd.times import time_from_text, time_text
from blockd.web.markup import Html, element, filled, isolated, join, linked, text
from blockd.web.negotiate import Language
from blockd.web.site import Site
from blockd.web.style import STYLESHEET
from blockd.web.texts import TEXTS, date_text

MAX_NOTICES = 50  # notices shown, the latest; an order may carry a thousand

_SIGNS = {
    "blocked": "M5.3 5.3l13.4 13.4",
    "other": "M12 7.5v5.5M12 16.4v.1",
}


def name_text(key: bytes) -> str:
    """Return the name in Unicode, followed by its A-labels if they differ, so that lookalikes can be recognized."""
    name = DomainName(key)
    return name.text if name.unicode == name.text else f"{name.unicode} ({name.text})"


def blocked_page(site: Site, name: str, verdict: Verdict, language: Language) -> Html:
    """Return the page that says which order blocks `name`, who decided it, and how to object.

    The name is empty if the order is confidential: then the page says neither what is blocked nor why.
    """
    texts, order = TEXTS[language], verdict.order
    assert order is not None  # noqa: S101 - without an order nothing is blocked
    site_named = name or texts["this_site"]
    title = texts["blocked_title"].format(name=site_named)
    lead = filled(
        texts[f"lead_{order.mandate}"],
        name=element("span", name, class_="name") if name else site_named,
        platform=texts["this_site"] if order.is_confidential else order.platform,
        authority=order.authority,
        **_operator(site, language),
    )
    notes = [
        texts[note] for note, is_so in (("confidential", order.is_confidential), ("stale", verdict.stale)) if is_so
    ]
    facts = _open_facts(order, language) if order.is_confidential else _facts(name, order, verdict.entry, language)
    sections = [
        _section(texts["order"], _rows(facts, language), *(element("p", note) for note in notes)),
        _objection(site, name, order, texts["objection"], language),
    ]
    if order.notices and not order.is_confidential:
        listed = (_notice(notice, language) for notice in order.notices[-MAX_NOTICES:])
        sections.append(_section(texts["notices"], element("ol", *listed)))
    role = "who_blocks_law" if order.mandate is Mandate.LAW else "who_blocks_other"
    operator = [element("p", filled(texts[role], **_operator(site, language))), *_lines(site.contact, site.url)]
    sections.append(_section(texts["who_blocks"], *operator))
    return _page(site, language, 451, title, [lead], sections)


def absent_page(site: Site, name: str, verdict: Verdict, language: Language) -> Html:
    """Return the page that says that `name` is not blocked here, and which order covers it nevertheless."""
    texts = TEXTS[language]
    lead = [text(texts["absent_lead"])]
    order = verdict.order
    if order and verdict.reason is Reason.NOT_IN_FORCE and not order.is_confidential:
        lead.append(filled(texts["absent_order"], id=order.id, authority=order.authority))
        if order.lifted_on is not None:
            date = _time(order.lifted_on, language)
            lead.append(filled(texts["absent_lifted"], date=date, reason=order.lifted_reason))
    lead.append(filled(texts["absent_next"], **_operator(site, language)))
    return _page(site, language, 404, texts["absent_title"].format(name=name), lead, [])


def plain_page(site: Site, what: str, status: int, name: str, language: Language) -> Html:
    """Return a page with one statement; `what` is `unready`, `bad` or `fault`."""
    texts = TEXTS[language]
    lead = filled(texts[f"{what}_lead"], name=name, **_operator(site, language))
    return _page(site, language, status, texts[f"{what}_title"], [lead], [])


def _page(
    site: Site, language: Language, status: int, title: str, lead: Iterable[Html], sections: Iterable[Html]
) -> Html:
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        element("style", Html(STYLESHEET)),
    )
    bar = element(
        "header",
        element("b", isolated(_operator(site, language)["Operator"])),
        element("span", f"HTTP {status}"),
        class_="bar",
    )
    words = element("div", element("h1", title, dir="auto"), *(element("p", part) for part in lead))
    main = element("main", element("div", _sign(status), words, class_="lead"), *sections)
    footer = element("footer", element("p", TEXTS[language]["footer"]))
    body = element("body", bar, main, footer)
    return Html("<!DOCTYPE html>\n" + element("html", head, body, lang=language, dir="ltr"))


def _operator(site: Site, language: Language) -> dict[str, str]:
    """Return the operator's name within and at the start of a sentence; a general term if none is configured."""
    if site.operator:
        return {"operator": site.operator, "Operator": site.operator}
    words = TEXTS[language]["operator"]
    return {"operator": words, "Operator": words[0].upper() + words[1:]}


def _sign(status: int) -> Html:
    stroke = {"fill": "none", "stroke": "currentColor", "stroke_width": "2", "stroke_linecap": "round"}
    line = element("path", d=_SIGNS["blocked" if status == 451 else "other"])
    return element(
        "svg", element("circle", cx="12", cy="12", r="9.5"), line, viewBox="0 0 24 24", aria_hidden="true", **stroke
    )


def _section(heading: str, *content: Html, **attributes: str) -> Html:
    return element("section", element("h2", heading), *content, **attributes)


def _facts(name: str, order: Order, entry: Entry | None, language: Language) -> dict[str, Html]:
    texts, known = TEXTS[language], _open_facts(order, language)
    return {
        "name": isolated(name),
        "platform": isolated(order.platform),
        **{label: known.pop(label) for label in ("id", "authority", "legal_basis", "reference")},
        "summary": linked(order.summary),
        "reported_by": linked(order.reported_by),
        "assessed_by": linked(order.assessed_by),
        "decided_by": linked(order.decided_by),
        **known,
        "entry": filled(texts[f"scope_{entry.scope.text}"], entry=entry.text) if entry else Html(),
    }


def _open_facts(order: Order, language: Language) -> dict[str, Html]:
    """Return the facts that are shown of every order, also of a confidential one."""
    return {
        "id": element("code", order.id),
        "authority": isolated(order.authority),
        "legal_basis": linked(order.legal_basis),
        "reference": linked(order.reference),
        "in_force_from": _time(order.in_force_from, language),
        "expires": text(TEXTS[language]["no_end"]) if order.expires is None else _time(order.expires, language),
        "review_by": Html() if order.review_by is None else _time(order.review_by, language),
        "published": Html() if order.published is None else _time(order.published, language),
    }


def _rows(facts: dict[str, Html], language: Language) -> Html:
    texts = TEXTS[language]
    rows = [join(element("dt", texts[label]), element("dd", fact, dir="auto")) for label, fact in facts.items() if fact]
    return element("dl", *rows)


def _objection(site: Site, name: str, order: Order, heading: str, language: Language) -> Html:
    """Return the section on objections: to the order's own contact, else the operator's, else to the authority."""
    contact, sentence = order.contact, "objection_order"
    if not contact:
        contact, sentence = site.contact, "objection_operator" if site.contact else "objection_nobody"
    objection = filled(
        TEXTS[language][sentence if name else f"{sentence}_unnamed"],
        authority=order.authority,
        **_operator(site, language),
        id=element("code", order.id),
        name=element("span", name, class_="name"),
    )
    return _section(heading, element("p", objection), *_lines(contact), class_="object")


def _notice(notice: Notice, language: Language) -> Html:
    try:
        sent = _time(time_from_text(notice.sent), language)
    except (ValueError, OverflowError):
        sent = isolated(notice.sent)
    head = join(sent, ", ", isolated(notice.channel)) if notice.channel else sent
    parts = [element("p", head, class_="soft"), *_lines(notice.text)]
    if notice.answer:
        parts.append(element("p", filled(TEXTS[language]["notice_answer"], answer=linked(notice.answer))))
    return element("li", *parts)


def _lines(*values: str) -> list[Html]:
    return [element("p", linked(value), dir="auto") for value in values if value]


def _time(seconds: int, language: Language) -> Html:
    return element("time", date_text(seconds, language), datetime=time_text(seconds))
