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
    sections = [name_form(site, language), order_form(language)]
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
    is_stranger: bool = False,
) -> Html:
    """Return the answer about a name that was looked up; the name is empty if it is not disclosed.

    `is_led` is whether it is blocked for what it leads to, `is_followed` whether nothing of that is, and `is_stranger`
    whether who asks is none of the operator's clients.
    """
    if is_blocked and verdict is not None:
        lead, sections = blocked_parts(site, name, verdict, language, is_led=is_led)
        title = blocked_title(name, language)
        return whole_page(
            site,
            language,
            title,
            [lead],
            [*sections, name_form(site, language, is_stranger=is_stranger)],
            is_blocked=True,
        )
    texts = TEXTS[language]
    shown = element("span", name, class_="name")
    sentences = [
        filled(
            texts["free_lead_followed" if is_followed else "free_lead"], name=shown, **operator_words(site, language)
        )
    ]
    if verdict is not None:
        sentences += idle_order(verdict, language)
    return whole_page(site, language, texts["free_title"].format(name=name), sentences, [name_form(site, language)])


def unknown_name_page(site: Site, asked: str, language: Language, *, is_stranger: bool = False) -> Html:
    """Return the page for a text that is not a domain name."""
    texts = TEXTS[language]
    lead = filled(texts["no_name_lead"], name=element("span", asked, class_="name"))
    form = name_form(site, language, is_stranger=is_stranger)
    return whole_page(site, language, texts["no_name_title"], [lead], [form], status=400)


def name_form(site: Site, language: Language, *, is_stranger: bool = False) -> Html:
    """Return the form to look a name up; it says what the answer follows, which for strangers is less."""
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
    said = filled(texts["ask_note_stranger" if is_stranger else "ask_note"], **operator_words(site, language))
    note = element("p", said, class_="soft")
    return section(texts["ask"], form, note)
