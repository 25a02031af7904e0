"""The pages as HTML in one language: blocked, not blocked, not ready, no site named, internal error.

They state what is known of an order or a list (`blockd.orders.disclosure`), and leave out the rest.
"""

from __future__ import annotations

from collections.abc import Iterable

from blockd.names import DomainName, is_network_key
from blockd.orders import Entry, Mandate, Notice, Order, Reason, State, Verdict
from blockd.orders.disclosure import PublicOperator, codes, disclosed
from blockd.orders.incident import incident_url
from blockd.times import time_from_text, time_text
from blockd.web.markup import Html, element, filled, isolated, join, linked, text
from blockd.web.negotiate import Language
from blockd.web.site import Site
from blockd.web.style import STYLESHEET
from blockd.web.texts import TEXTS, date_text, wait_text

MAX_DECODED = 64  # octets of a name's A-labels up to which it is shown in Unicode too; what people write has less
LUMEN = "https://lumendatabase.org/notices/{id}"
MAX_NOTICES = 50  # notices shown, the latest; an order may carry a thousand

_SIGNS = {
    "blocked": "M5.3 5.3l13.4 13.4",
    "told": "M12 11v5.5M12 7.6v.1",
    "other": "M12 7.5v5.5M12 16.4v.1",
}


def name_text(key: bytes) -> str:
    """Return the name in Unicode, followed by its A-labels if they differ, so that lookalikes can be recognized.

    One with many or long A-labels is shown by these alone.
    """
    name = DomainName(key)
    encoded = [label for label in name.labels if label.startswith(b"xn--")]
    if not encoded or sum(map(len, encoded)) > MAX_DECODED:
        return name.text
    return name.text if name.unicode == name.text else f"{name.unicode} ({name.text})"


def blocked_page(site: Site, name: str, verdict: Verdict, language: Language, *, is_led: bool = False) -> Html:
    """Return the page that says which order blocks `name`, or what it leads to, who decided it, and how to object.

    The name is empty if the order is confidential: then the page says neither what is blocked nor why.
    """
    assert verdict.order is not None  # noqa: S101 - without an order nothing is blocked
    title = blocked_title(name, language)
    lead, sections = blocked_parts(site, name, verdict, language, is_led=is_led)
    return whole_page(site, language, title, [lead], sections, status=codes(verdict.order).status, is_blocked=True)


def blocked_title(name: str, language: Language) -> str:
    """Return the heading for a blocked name, which is empty if it is not disclosed."""
    return TEXTS[language]["blocked_title"].format(name=name or TEXTS[language]["this_site"])


def blocked_parts(
    site: Site, name: str, verdict: Verdict, language: Language, *, is_led: bool = False
) -> tuple[Html, list[Html]]:
    """Return the lead and the sections that say what is behind a block, of the name or of what it leads to."""
    texts, order = TEXTS[language], verdict.order
    assert order is not None  # noqa: S101 - without an order nothing is blocked
    site_named = element("span", name, class_="name") if name else texts["this_site"]
    leads_to = element("span", verdict.entry.text, class_="name") if is_led and verdict.entry else ""
    covered = texts["this_site"] if order.is_confidential else order.platform or leads_to or site_named
    which = f"lead_{order.mandate or 'unstated'}{'' if order.authority else '_unnamed'}"
    lead = filled(
        texts["lead_led_unnamed" if is_led and which == "lead_unstated_unnamed" else which],
        name=site_named,
        platform=covered,
        authority=order.authority,
        **operator_words(site, language),
    )
    if leads_to and not order.is_confidential:
        lead = join(lead, " ", filled(texts["led"], entry=leads_to))
    return lead, order_sections(site, name, verdict, language)


def order_sections(
    site: Site, name: str, verdict: Verdict, language: Language, *, is_blocking: bool = True
) -> list[Html]:
    """Return the sections about an order or a list: its details, how to object, the notices, and who blocks.

    The name and the verdict's entry are those of a blocked name; empty and None if it is about the order alone.
    """
    texts, order = TEXTS[language], verdict.order
    assert order is not None  # noqa: S101 - without an order nothing is blocked
    stale = "stale" if order.authority else "stale_unnamed"
    notes = [texts[note] for note, is_so in (("confidential", order.is_confidential), (stale, verdict.stale)) if is_so]
    facts = _open_facts(order, language) if order.is_confidential else _facts(name, order, verdict.entry, language)
    heading = texts["list_details" if order.list_name else "order"]
    said = [element("p", note) for note in notes]
    if url := incident_url(site.incidents, verdict):
        said.append(element("p", filled(texts["incident"], url=linked(url))))
    sections = [
        section(heading, rows(facts, language), *said),
        _objection(site, name, order, texts["objection"], language),
    ]
    if order.notices and not order.is_confidential:
        listed = (_notice(notice, language) for notice in order.notices[-MAX_NOTICES:])
        sections.append(section(texts["notices"], element("ol", *listed)))
    if is_blocking:
        sections.append(section(texts["who_blocks"], *_blocks(site, order, language)))
    return sections


def _blocks(site: Site, order: Order, language: Language) -> list[Html]:
    """Return who applies the block, and how to reach them."""
    role = "law" if order.mandate is Mandate.LAW and order.authority else "other"
    if order.mandate is None or (order.mandate is Mandate.LAW and not order.authority):
        role = "unstated"
    words = filled(TEXTS[language][f"who_blocks_{role}"], **operator_words(site, language))
    return [element("p", words), *lines(site.contact, site.url)]


def absent_page(site: Site, name: str, verdict: Verdict, language: Language, *, is_followed: bool) -> Html:
    """Return the page that says that `name` is not blocked here, and which order covers it nevertheless.

    `is_followed` is whether it is known that nothing of what the name leads to is blocked either.
    """
    texts = TEXTS[language]
    lead = [text(texts["absent_lead_followed" if is_followed else "absent_lead"]), *idle_order(verdict, language)]
    lead.append(filled(texts["absent_next"], time=wait_text(site.ttl, language), **operator_words(site, language)))
    contact = lines(site.contact, site.url)
    sections = [section(texts["operator_section"], *contact)] if contact else []
    return whole_page(site, language, texts["absent_title"].format(name=name), lead, sections, status=404)


def idle_order(verdict: Verdict, language: Language) -> list[Html]:
    """Return the sentences on an order that covers a name and is not in force; none if it is confidential."""
    texts, order = TEXTS[language], verdict.order
    if order is None or verdict.reason is not Reason.NOT_IN_FORCE or order.is_confidential:
        return []
    what = "absent_list" if order.list_name else "absent_order" if order.authority else "absent_order_unnamed"
    told = filled(texts[what], id=order.list_name or order.name, authority=order.authority)
    return [told, *end_of_order(verdict, language)]


def end_of_order(verdict: Verdict, language: Language) -> list[Html]:
    """Return the sentence that says when an order was lifted, or takes force; none of any other."""
    texts, order, told = TEXTS[language], verdict.order, list[Html]()
    if order is None:
        return told
    if verdict.state is State.LIFTED and order.lifted_on is not None:
        lifted = filled(texts["absent_lifted"], date=time_element(order.lifted_on, language))
        told.append(join(lifted, " ", isolated(order.lifted_reason)) if order.lifted_reason else lifted)
    if verdict.state is State.PENDING and order.in_force_from is not None:
        told.append(filled(texts["absent_pending"], date=time_element(order.in_force_from, language)))
    return told


def plain_page(site: Site, what: str, status: int, name: str, language: Language) -> Html:
    """Return a page with one statement: the texts whose keys begin with `what`."""
    texts = TEXTS[language]
    lead = filled(texts[f"{what}_lead"], name=name or texts["this_site"], **operator_words(site, language))
    return whole_page(site, language, texts[f"{what}_title"], [lead], [], status=status)


def whole_page(
    site: Site,
    language: Language,
    title: str,
    lead: Iterable[Html],
    sections: Iterable[Html],
    *,
    status: int = 200,
    is_blocked: bool = False,
) -> Html:
    """Return a page with a heading, sentences below it, and sections; a status other than 200 is shown."""
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
        element("b", isolated(operator_words(site, language)["Operator"])),
        element("span", f"HTTP {status}" if status != 200 else ""),
        class_="bar",
    )
    words = element("div", element("h1", title, dir="auto"), *(element("p", part) for part in lead))
    sign = "blocked" if is_blocked else "told" if status == 200 else "other"
    main = element("main", element("div", _sign(sign), words, class_="lead"), *sections)
    footer = element("footer", element("p", TEXTS[language]["footer"]))
    body = element("body", bar, main, footer)
    return Html("<!DOCTYPE html>\n" + element("html", head, body, lang=language, dir="ltr"))


def operator_words(site: Site, language: Language) -> dict[str, str]:
    """Return the operator's name within and at the start of a sentence; a general term if none is configured."""
    if site.operator:
        return {"operator": site.operator, "Operator": site.operator}
    words = TEXTS[language]["operator"]
    return {"operator": words, "Operator": words[0].upper() + words[1:]}


def _sign(kind: str) -> Html:
    stroke = {"fill": "none", "stroke": "currentColor", "stroke_width": "2", "stroke_linecap": "round"}
    line = element("path", d=_SIGNS[kind])
    return element(
        "svg", element("circle", cx="12", cy="12", r="9.5"), line, viewBox="0 0 24 24", aria_hidden="true", **stroke
    )


def section(heading: str, *content: Html, **attributes: str) -> Html:
    """Return a section with its heading."""
    return element("section", element("h2", heading), *content, **attributes)


def _facts(name: str, order: Order, entry: Entry | None, language: Language) -> dict[str, Html]:
    known = _open_facts(order, language)
    return {
        "name": isolated(name) if name else Html(),
        "platform": isolated(order.platform) if order.platform else Html(),
        **{label: known.pop(label) for label in ("id", "list", "authority", "legal_basis", "reference")},
        "summary": linked(order.summary),
        "reported_by": linked(order.reported_by),
        "assessed_by": linked(order.assessed_by),
        "decided_by": linked(order.decided_by),
        "lumen_id": linked(LUMEN.format(id=order.lumen_id)) if order.lumen_id else Html(),
        **known,
        "entry": _entry(entry, language) if entry else Html(),
    }


def _entry(entry: Entry, language: Language) -> Html:
    """Return what an entry lists; a network has no names below it."""
    if is_network_key(entry.key):
        return isolated(entry.text)
    return filled(TEXTS[language][f"scope_{entry.scope.text}"], entry=entry.text)


def _open_facts(order: Order, language: Language) -> dict[str, Html]:
    """Return the facts that are shown of every order, also of a confidential one; what is not known is empty."""
    end = Html() if order.list_name else text(TEXTS[language]["no_end"])  # a list cannot state an end
    return {
        "id": Html() if order.list_name else element("code", order.name),
        "list": element("code", order.list_name) if order.list_name else Html(),
        "authority": isolated(order.authority) if order.authority else Html(),
        "legal_basis": linked(order.legal_basis),
        "reference": linked(order.reference),
        "in_force_from": _known(order.in_force_from, language),
        "expires": end if order.expires is None else time_element(order.expires, language),
        "review_by": _known(order.review_by, language),
        "published": _known(order.published, language),
    }


def rows(facts: dict[str, Html], language: Language) -> Html:
    """Return facts by their labels in the texts, without those that are empty."""
    texts = TEXTS[language]
    told = [join(element("dt", texts[label]), element("dd", fact, dir="auto")) for label, fact in facts.items() if fact]
    return element("dl", *told)


def _objection(site: Site, name: str, order: Order, heading: str, language: Language) -> Html:
    """Return the section on objections: to the order's own contact, else the operator's, else to the authority."""
    texts, known = TEXTS[language], disclosed(order, PublicOperator(site.operator, site.contact))
    words = operator_words(site, language)
    sentence = f"objection_{known.contact_of}"
    if known.contact_of == "order" and not order.authority:
        sentence = "objection_contact"
    number = element("code", order.list_name or order.name)
    objection = filled(
        texts[sentence if name else f"{sentence}_unnamed"],
        authority=order.authority or words["operator"],
        **words,
        what=filled(texts["what_list" if order.list_name else "what_order"], id=number),
        name=element("span", name, class_="name"),
    )
    return section(heading, element("p", objection), *lines(known.contact), class_="object")


def _notice(notice: Notice, language: Language) -> Html:
    try:
        sent = time_element(time_from_text(notice.sent), language)
    except (ValueError, OverflowError):
        sent = isolated(notice.sent)
    head = join(sent, ", ", isolated(notice.channel)) if notice.channel else sent
    parts = [element("p", head, class_="soft"), *lines(notice.text)]
    if notice.answer:
        parts.append(element("p", filled(TEXTS[language]["notice_answer"], answer=linked(notice.answer))))
    return element("li", *parts)


def lines(*values: str) -> list[Html]:
    """Return a paragraph for each text that is not empty, with its addresses as links."""
    return [element("p", linked(value), dir="auto") for value in values if value]


def _known(seconds: int | None, language: Language) -> Html:
    return Html() if seconds is None else time_element(seconds, language)


def time_element(seconds: int, language: Language) -> Html:
    """Return a time as people read it, and as programs do."""
    return element("time", date_text(seconds, language), datetime=time_text(seconds))
