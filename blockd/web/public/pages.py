"""The incident's page as HTML: beside what the block page says of an order, its history, signatures and document."""

from __future__ import annotations

from collections.abc import Iterator

from blockd.orders import Verdict
from blockd.orders.dossier import Dossier, OrderTurn, SignedFile
from blockd.orders.incident import place_of
from blockd.times import time_from_text
from blockd.web.markup import Html, element, filled, isolated, join
from blockd.web.negotiate import Language
from blockd.web.order_page import order_form
from blockd.web.own_page import name_form
from blockd.web.page import lines, operator_words, section, time_element, whole_page
from blockd.web.public.answering import DOCUMENTS
from blockd.web.public.texts import PUBLIC_TEXTS
from blockd.web.site import Site
from blockd.web.texts import TEXTS

KEY_SHOWN = 16  # characters of a key's id, as `blockd audit prove` shows it; in JSON it is whole


def front_page(site: Site, language: Language, *, is_stranger: bool) -> Html:
    """Return the page that says what this server is, with the forms to look up a name and an order."""
    texts, words = PUBLIC_TEXTS[language], operator_words(site, language)
    sections = [name_form(site, language, is_stranger=is_stranger), order_form(language)]
    if contact := lines(site.contact, site.url):
        sections.append(section(TEXTS[language]["operator_section"], *contact))
    title = texts["public_title"].format(**words)
    return whole_page(site, language, title, [filled(texts["public_lead"], **words)], sections)


def unknown_page(site: Site, name: str, language: Language) -> Html:
    """Return the page for a stranger who asks about a name that no published order blocks."""
    texts = PUBLIC_TEXTS[language]
    shown = element("span", name, class_="name")
    lead = filled(texts["unknown_lead"], name=shown, **operator_words(site, language))
    title = texts["unknown_title"].format(name=name)
    return whole_page(site, language, title, [lead], [name_form(site, language, is_stranger=True)])


def hidden_page(site: Site, verdict: Verdict, language: Language) -> Html:
    """Return the page for a client that asks about a name that a confidential order blocks."""
    texts, order = PUBLIC_TEXTS[language], verdict.order
    assert order is not None  # noqa: S101 - one blocks
    lead = filled(texts["hidden_lead"], id=element("code", order.name), **operator_words(site, language))
    place = place_of(order)
    link = filled(texts["hidden_link"], url=element("a", place, href=place))
    title = texts["hidden_title"]
    return whole_page(site, language, title, [lead, link], [name_form(site, language)], is_blocked=True)


def said_page(site: Site, what: str, status: int, language: Language) -> Html:
    """Return a page with one statement: the texts whose keys begin with `what`."""
    texts = PUBLIC_TEXTS[language]
    lead = filled(texts[f"{what}_lead"], **operator_words(site, language))
    return whole_page(site, language, texts[f"{what}_title"], [lead], [], status=status)


def dossier_sections(site: Site, verdict: Verdict, dossier: Dossier | None, language: Language) -> Iterator[Html]:
    """Yield the sections about an order's history, the signatures behind it, and its signed document."""
    if dossier is None:
        return
    texts, words = PUBLIC_TEXTS[language], operator_words(site, language)
    if dossier.history:
        turns = (_turn(turn, language) for turn in dossier.history)
        yield section(texts["history"].format(**words), element("dl", *turns))
    if dossier.signatures:
        date = _date(dossier.verified, language)
        lead = element("p", filled(texts["signatures_lead"], date=date, **words))
        signed = (_signed(file, language) for file in dossier.signatures)
        yield section(texts["signatures"], lead, element("dl", *signed))
    if dossier.sha256:
        yield _document(verdict, dossier, language)


def _turn(turn: OrderTurn, language: Language) -> Html:
    said = PUBLIC_TEXTS[language].get(turn.state, turn.state)
    return join(element("dt", _date(turn.at, language)), element("dd", said))


def _date(text: str, language: Language) -> Html:
    try:
        return time_element(time_from_text(text), language)
    except ValueError:
        return isolated(text)


def _signed(file: SignedFile, language: Language) -> Html:
    texts = PUBLIC_TEXTS[language]
    keys = [element("code", key[:KEY_SHOWN]) for key in file.keys]
    shown = join(*(join(", ", key) if number else key for number, key in enumerate(keys)))
    which = texts["signed_by_one" if len(keys) == 1 else "signed_by"]
    said = filled(which, count=str(len(keys)), threshold=str(file.threshold), keys=shown)
    return join(
        element("dt", filled(texts["signed_file"], file=file.file, version=str(file.version))), element("dd", said)
    )


def _document(verdict: Verdict, dossier: Dossier, language: Language) -> Html:
    texts, order = PUBLIC_TEXTS[language], verdict.order
    assert order is not None  # noqa: S101 - it is about an order
    place = f"{DOCUMENTS}{order.name}"
    size = f"{dossier.size:,}".replace(",", "," if language == "en" else ".")
    which = texts["document_lead" if dossier.is_kept else "document_large"]
    lead = filled(which, size=size, url=element("a", place, href=place))
    digest = filled(texts["document_digest"], digest=element("code", dossier.sha256))
    return section(texts["document"], element("p", lead), element("p", digest))
