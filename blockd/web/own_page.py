"""The block page's page about itself: what this server is, and whether a name is blocked.

The answer about a name is the verdict of the policy, as in DNS; of a confidential order it says what the block page of
the name says, which anybody can open.
"""

from __future__ import annotations

from blockd.orders import Verdict
from blockd.web.markup import Html, element, filled
from blockd.web.negotiate import Language
from blockd.web.order_page import order_form
from blockd.web.page import blocked_parts, blocked_title, idle_order, lines, operator_words, section, whole_page
from blockd.web.site import Site
from blockd.web.texts import TEXTS


def own_page(site: Site, language: Language) -> Html:
    """Return the page that says what this server is, with a form to look a name up."""
    texts, words = TEXTS[language], operator_words(site, language)
    sections = [_form(language), order_form(language)]
    contact = lines(site.contact)
    if contact:
        sections.append(section(texts["operator_section"], *contact))
    title = texts["own_title"].format(**words)
    return whole_page(site, language, title, [filled(texts["own_lead"], **words)], sections)


def answer_page(
    site: Site,
    name: str,
    verdict: Verdict | None,
    *,
    is_blocked: bool,
    is_led: bool,
    is_followed: bool,
    language: Language,
) -> Html:
    """Return the answer about a name that was looked up; the name is empty if it is not disclosed.

    `is_led` is whether it is blocked for what it leads to, `is_followed` whether nothing of that is.
    """
    if is_blocked and verdict is not None:
        lead, sections = blocked_parts(site, name, verdict, language, is_led=is_led)
        title = blocked_title(name, language)
        return whole_page(site, language, title, [lead], [*sections, _form(language)], is_blocked=True)
    texts = TEXTS[language]
    shown = element("span", name, class_="name")
    sentences = [
        filled(
            texts["free_lead_followed" if is_followed else "free_lead"], name=shown, **operator_words(site, language)
        )
    ]
    if verdict is not None:
        sentences += idle_order(verdict, language)
    return whole_page(site, language, texts["free_title"].format(name=name), sentences, [_form(language)])


def unknown_name_page(site: Site, asked: str, language: Language) -> Html:
    """Return the page for a text that is not a domain name."""
    texts = TEXTS[language]
    lead = filled(texts["no_name_lead"], name=element("span", asked, class_="name"))
    return whole_page(site, language, texts["no_name_title"], [lead], [_form(language)], status=400)


def _form(language: Language) -> Html:
    texts = TEXTS[language]
    field = element("input", name="name", id="name", required="", maxlength="1024", autocomplete="off",
                    autocapitalize="none", spellcheck="false", inputmode="url")  # fmt: skip
    form = element(
        "form",
        element("label", texts["ask_label"], for_="name"),
        field,
        element("button", texts["ask_button"]),
        action="/",
        method="get",
        role="search",
    )
    note = element("p", texts["ask_note"], class_="soft")
    return section(texts["ask"], form, note)
