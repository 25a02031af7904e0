"""The pages about orders: by any name of an order, the list of several that fit, and what is never told."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from blockd.orders import Order, OrderKey, OrderNames, Reason, State, Verdict
from tests.web.asking import ask_anew
from tests.web.sinkhole import ORDER, Sinkhole

OWN = "127.0.0.1:8080"
COURT = replace(ORDER, id="2026-17", role="court", authority="High <Court>")
MINISTRY = replace(ORDER, id="2026-17", role="ministry", reference="Letter 85")


def standing(order: Order, state: State = State.IN_FORCE, feed: str = "national") -> Verdict:
    reason = Reason.LISTED if state is State.IN_FORCE else Reason.NOT_IN_FORCE
    return Verdict(reason, order, None, feed, 0, state=state)


def put(sinkhole: Sinkhole, *verdicts: Verdict) -> None:
    """Have a site know these orders, as the ruleset's catalogue finds them."""
    keys = {one.order.key(one.feed): one for one in verdicts if one.order is not None}
    names = OrderNames(keys)
    shown: dict[OrderKey, Verdict] = {}
    for key, one in keys.items():
        assert one.order is not None
        shown[key] = replace(one, order=replace(one.order, shown=names.shown(key)))
    sinkhole.site = replace(sinkhole.site, orders_named=lambda asked: [shown[key] for key in names.find(asked)])


@pytest.mark.parametrize("name", ["court/2026-17", "court%2F2026-17", "court%2f2026-17", "national/court/2026-17"])
def test_an_orders_page_says_what_its_block_page_says(sinkhole: Sinkhole, name: str) -> None:
    put(sinkhole, standing(COURT), standing(MINISTRY))
    answer = ask_anew(sinkhole, OWN, path=f"/orders/{name}")
    assert answer.status == 200
    for told in (
        "Order court/2026-17",
        "High &lt;Court&gt;",
        "is in force at",
        ORDER.legal_basis,
        "objections@ministry",
    ):
        assert told in answer.body
    assert "Letter 85" not in answer.body
    assert "Requested name" not in answer.body
    assert not sinkhole.hits


def test_an_id_alone_names_its_order_or_lists_all_that_have_it(sinkhole: Sinkhole) -> None:
    put(sinkhole, standing(COURT))
    assert "Order court/2026-17" in ask_anew(sinkhole, OWN, path="/orders/2026-17").body
    put(sinkhole, standing(COURT), standing(MINISTRY))
    answer = ask_anew(sinkhole, OWN, path="/orders/2026-17")
    assert answer.status == 300
    for place in ('href="/orders/court/2026-17"', 'href="/orders/ministry/2026-17"', "High &lt;Court&gt;"):
        assert place in answer.body
    told = json.loads(ask_anew(sinkhole, OWN, path="/orders/2026-17", Accept="application/json").body)
    assert [(one["order"]["called"], one["url"], one["state"]) for one in told["orders"]] == [
        ("court/2026-17", "/orders/court/2026-17", "in force"),
        ("ministry/2026-17", "/orders/ministry/2026-17", "in force"),
    ]


def test_the_feed_stands_in_the_place_of_an_order_where_two_share_its_role(sinkhole: Sinkhole) -> None:
    put(sinkhole, standing(COURT), standing(COURT, feed="regional"))
    answer = ask_anew(sinkhole, OWN, path="/orders/court/2026-17")
    assert answer.status == 300
    assert 'href="/orders/regional/court/2026-17"' in answer.body
    assert ask_anew(sinkhole, OWN, path="/orders/regional%2Fcourt%2F2026-17").status == 200


def test_the_form_leads_to_the_same(sinkhole: Sinkhole) -> None:
    put(sinkhole, standing(COURT))
    assert '<form action="/orders" method="get">' in ask_anew(sinkhole, OWN).body
    for query in ("id=court%2F2026-17", "id=+2026-17+", "id=court/2026-17"):
        assert "Order court/2026-17" in ask_anew(sinkhole, OWN, path=f"/orders?{query}").body
    assert ask_anew(sinkhole, OWN, path="/orders").status == 404


@pytest.mark.parametrize(
    ("state", "change", "words"),
    [
        (State.PENDING, {}, ["is not in force yet.", "It takes force on 14 July 2017."]),
        (State.EXPIRED, {}, ["has ended."]),
        (State.LIFTED, {"lifted_on": 1_500_076_800, "lifted_reason": "Settled <now>."},
         ["is no longer in force.", "It was lifted on 15 July 2017. Settled &lt;now&gt;."]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["en", "id"])
def test_state_of_an_order_is_said(
    sinkhole: Sinkhole, state: State, change: dict[str, object], words: list[str], language: str
) -> None:
    put(sinkhole, standing(replace(COURT, **change), state))  # type: ignore[arg-type]
    answer = ask_anew(sinkhole, OWN, path="/orders/court/2026-17", Accept_Language=language)
    told = json.loads(ask_anew(sinkhole, OWN, path="/orders/court/2026-17", Accept="application/json").body)
    assert (answer.status, told["state"], told["status"]) == (200, state.text, 200)
    assert told["order"]["called"] == "court/2026-17"
    if language == "en":
        text = re.sub(r"<[^>]*>", "", answer.body)
        assert all(sentence in text for sentence in words)


@pytest.mark.parametrize(
    "place", ["/orders/", "/orders/18", "/orders/a/b/c/d", "/orders/<script>",
               "/orders/%00%0d%0a", "/orders/" + 9000 * "x"]
)  # fmt: skip
def test_another_place_is_no_order(sinkhole: Sinkhole, place: str) -> None:
    put(sinkhole, standing(COURT))
    for headers in ({}, {"Accept": "application/json"}):
        answer = ask_anew(sinkhole, OWN, path=place, **headers)
        assert answer.status == 404
        assert "<script>" not in answer.body
        assert len(answer.body) < 10_000


def test_before_the_first_list_it_says_so(sinkhole: Sinkhole) -> None:
    sinkhole.site = replace(sinkhole.site, orders_named=lambda _: None)
    assert ask_anew(sinkhole, OWN, path="/orders/court/2026-17").status == 503


def test_a_blocked_names_page_is_the_same_whatever_the_path(sinkhole: Sinkhole) -> None:
    put(sinkhole, standing(COURT))
    assert ask_anew(sinkhole, "blocked.example", path="/orders/court/2026-17").status == 451
