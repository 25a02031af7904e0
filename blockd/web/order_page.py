"""The pages about orders at the block page's own addresses: `/orders/ROLE/ID`, or by any other name that an order has.

An id alone may fit orders of several authorities; then all of them are listed, with links. A page says of an order what
the block page of one of its names says, which anybody can open, without a name. Orders that block nobody, such as those
that only count questions, have none; neither has a confidential order that is not in force.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qs, unquote

from blockd.orders import State, Verdict
from blockd.orders.disclosure import public_fields
from blockd.orders.incident import PLACE, incident_url, place_of
from blockd.web.markup import Html, element, filled, isolated, join
from blockd.web.negotiate import Language
from blockd.web.page import end_of_order, operator_words, order_sections, section, whole_page
from blockd.web.problem import operator_json
from blockd.web.site import Site
from blockd.web.texts import TEXTS

MAX_ASKED = (
    512  # characters of what is asked for: a feed's name, a role and an id have 160, escaped three times as many
)
ORDER_ANSWERS = {"order": 200, "orders": 300, "no_order": 404}  # the texts of an answer, and its status (RFC 9110)
_STATES = {
    State.PENDING: "order_pending",
    State.IN_FORCE: "order_in_force",
    State.EXPIRED: "order_expired",
    State.LIFTED: "order_lifted",
}


def asked_order(path: str, query: str) -> str | None:
    """Return the order that a path or its query `id` asks for, empty if it is too long; None for another path.

    A slash may be escaped as `%2F`, which means the same: no part of an order's name has one.
    """
    if path in (PLACE, f"{PLACE}/"):
        try:
            asked = parse_qs(query[:MAX_ASKED], max_num_fields=20, errors="replace").get("id", [""])[0]
        except ValueError:
            asked = ""
        return asked.strip()
    if not path.startswith(f"{PLACE}/"):
        return None
    return unquote(path.removeprefix(f"{PLACE}/")) if len(path) <= MAX_ASKED else ""


def _state(verdict: Verdict) -> State:
    return State.IN_FORCE if verdict.state is None else verdict.state


def page_about_orders(
    site: Site, asked: str, found: Sequence[Verdict], language: Language, more: Sequence[Html] = ()
) -> Html:
    """Return the page about the orders that fit what was asked for: the one, the list of several, or that none does.

    `more` are sections about the one.
    """
    if not found:
        return _none(site, asked, language)
    return _one(site, found[0], language, more) if len(found) == 1 else _several(site, asked, found, language)


def _one(site: Site, verdict: Verdict, language: Language, more: Sequence[Html]) -> Html:
    texts, order = TEXTS[language], verdict.order
    assert order is not None  # noqa: S101 - it is about an order
    words = operator_words(site, language)
    known = filled(texts[_STATES[_state(verdict)]], authority=order.authority, **words)
    sections = order_sections(site, "", verdict, language, is_blocking=verdict.state is State.IN_FORCE)
    title = texts["order_title"].format(id=order.name)
    return whole_page(
        site, language, title, [known, *end_of_order(verdict, language)], [*sections, *more, order_form(language)]
    )


def _several(site: Site, asked: str, found: Sequence[Verdict], language: Language) -> Html:
    texts = TEXTS[language]
    rows = [
        join(element("dt", element("a", order.name, href=place_of(order))), element("dd", isolated(order.authority)))
        for verdict in found
        if (order := verdict.order) is not None
    ]
    title = texts["orders_title"].format(id=asked)
    listed = section(texts["orders"], element("dl", *rows))
    lead = [filled(texts["orders_lead"], id=asked)]
    return whole_page(site, language, title, lead, [listed, order_form(language)], status=300)


def _none(site: Site, asked: str, language: Language) -> Html:
    texts, words = TEXTS[language], operator_words(site, language)
    shown = element("span", asked, class_="name")
    lead = filled(texts["no_order_lead" if asked else "no_order_lead_unnamed"], id=shown, **words)
    return whole_page(site, language, texts["no_order_title"], [lead], [order_form(language)], status=404)


def orders_json(
    site: Site, status: int, title: str, found: Sequence[Verdict], more: Mapping[str, object] | None = None
) -> bytes:
    """Return the same for programs: one order with its state and `more` of it, or a list of those that fit."""
    told: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    told["operator"] = operator_json(site)
    listed = [
        {
            "state": _state(verdict).text,
            "stale": verdict.stale,
            "url": place_of(order),
            "order": public_fields(replace(order, unknown={})),
            **({"incident": url} if (url := incident_url(site.incidents, verdict)) else {}),
        }
        for verdict in found
        if (order := verdict.order) is not None
    ]
    told |= {**listed[0], **(more or {})} if len(listed) == 1 else {"orders": listed}
    return json.dumps(told, ensure_ascii=True, indent=2).encode("ascii") + b"\n"


def order_form(language: Language) -> Html:
    """Return the form to look an order up by its number."""
    texts = TEXTS[language]
    field = element("input", name="id", id="order", required="", maxlength="200", autocomplete="off",
                    autocapitalize="none", spellcheck="false")  # fmt: skip
    form = element(
        "form",
        element("label", texts["ask_order_label"], for_="order"),
        field,
        element("button", texts["ask_order_button"]),
        action=PLACE,
        method="get",
    )
    return section(texts["ask_order"], form)
