"""What the block page says of a list that is enforced without an order: what is known, and no more."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from blockd.names import key_from_text
from blockd.orders import Action, Mandate, Order
from tests.web.asking import ask_anew
from tests.web.sinkhole import LISTED, Sinkhole

BARE = Order("ads", "", "", action=Action.SINKHOLE, mandate=None, in_force_from=None, list_name="ads")
ENGLISH = ("operator of this resolver", "In force", "Order number", "order number", "Authority", "Platform", "No end")
INDONESIAN = (
    "operator of this",
    "Berlaku",
    "Nomor perintah",
    "nomor perintah",
    "Otoritas",
    "Platform",
    "Tanpa tanggal",
)


def listing(**stated: object) -> Sinkhole:
    sinkhole = Sinkhole()
    order = replace(BARE, **stated)  # type: ignore[arg-type]
    sinkhole.verdicts[key_from_text("blocked.example")] = replace(LISTED, order=order)
    return sinkhole


@pytest.mark.parametrize(("language", "absent"), [("en", ENGLISH), ("id", INDONESIAN)])
def test_of_a_bare_list_its_name_and_the_operator_are_told(language: str, absent: tuple[str, ...]) -> None:
    answer = ask_anew(listing(), Accept_Language=language)
    assert (answer.status, answer.headers["Link"]) == (451, '<https://isp.example/why>; rel="blocked-by"')
    for told in ("<code>ads</code>", "Example &lt;Net&gt;", "help@isp.example", "blocked.example"):
        assert told in answer.body
    for invented in absent:
        assert invented not in answer.body
    assert not re.search("<time", answer.body)


def test_programs_get_the_lists_name_in_place_of_an_orders_number() -> None:
    problem = json.loads(ask_anew(listing(), Accept="application/json").body)
    assert problem["order"] == {"list": "ads", "schema": "1.0", "action": "sinkhole"}
    assert problem["blocked_by"]["name"] == "Example <Net>"


@pytest.mark.parametrize("mandate", [Mandate.OPERATOR, Mandate.CLIENT])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_the_operators_and_the_clients_own_blocks_are_403_without_a_link(mandate: Mandate, accept: str) -> None:
    sinkhole = listing(mandate=mandate)
    answer = ask_anew(sinkhole, Accept=accept)
    assert (answer.status, "Link" in answer.headers) == (403, False)
    assert len(sinkhole.hits) == 1
    if accept == "application/json":
        problem = json.loads(answer.body)
        assert (problem["status"], problem["blocked"], problem["blocked_by"]["name"]) == (403, True, "Example <Net>")
    else:
        assert "HTTP 403" in answer.body
        assert "Access to blocked.example is blocked" in answer.body


@pytest.mark.parametrize("mandate", [*Mandate, None])
@pytest.mark.parametrize("authority", ["", "Board of Names"])
@pytest.mark.parametrize("contact", ["", "objections@board.example"])
@pytest.mark.parametrize("language", ["en", "id"])
def test_every_mandate_has_its_sentences(mandate: Mandate | None, authority: str, contact: str, language: str) -> None:
    body = ask_anew(listing(mandate=mandate, authority=authority, contact=contact), Accept_Language=language).body
    assert not re.search(r"\{\w*\}|<bdi></bdi>|None", body)
    assert ("Board of Names" in body) == bool(authority)
    assert ("objections@board.example" in body) == bool(contact)


def test_a_list_that_was_not_renewed_is_told_of_as_a_list() -> None:
    sinkhole = listing()
    key = key_from_text("blocked.example")
    sinkhole.verdicts[key] = replace(sinkhole.verdicts[key], stale=True)
    assert "The list was not renewed in time" in ask_anew(sinkhole).body
