"""The block page of a name that is not listed, and leads to what is."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import replace

import pytest

from blockd.names import Network, hashed_key, key_from_text, name_digest
from blockd.orders import Action, Entry, Mandate, Order, Reason, Verdict
from blockd.web.block_page import serve_block_page
from tests.web.asking import ask, ask_anew
from tests.web.sinkhole import LISTED, ORDER, Sinkhole

FREE = key_from_text("free.example")
BARE = Order(
    id="isp", authority="", platform="", action=Action.SINKHOLE, mandate=None, in_force_from=None, list_name="isp"
)
ADDRESS = Entry(Network.from_text("192.0.2.7").key)


def test_it_says_what_the_name_leads_to_and_counts_the_visit(sinkhole: Sinkhole, bound: socket.socket) -> None:
    sinkhole.leads[FREE] = LISTED
    answer = ask(sinkhole, bound, "free.example")
    assert answer.status == 451
    assert "blocked-by" in answer.headers["Link"]
    for told in (
        "Access to free.example is blocked",
        ORDER.id,
        "The reason is not the name itself but what it leads to",
    ):
        assert told in answer.body
    assert sinkhole.hits == [(LISTED, "http")]
    assert sinkhole.visitors == [bytes((127, 0, 0, 1))]


@pytest.mark.parametrize(("language", "told"), [("en", "leads to a name or address on a list"), ("id", "mengarah ke")])
def test_a_bare_list_of_addresses_is_not_told_to_have_names(sinkhole: Sinkhole, language: str, told: str) -> None:
    sinkhole.leads[FREE] = replace(LISTED, order=BARE, entry=ADDRESS)
    body = ask_anew(sinkhole, "free.example", Accept_Language=language).body
    assert told in body
    assert "192.0.2.7" in body
    for untrue in ("names below", "nama di bawahnya", "which is on a list", "yang tercantum dalam daftar nama"):
        assert untrue not in body


def test_the_operators_own_list_is_answered_with_403(sinkhole: Sinkhole) -> None:
    sinkhole.leads[FREE] = replace(LISTED, order=replace(BARE, mandate=Mandate.OPERATOR))
    answer = ask_anew(sinkhole, "free.example", Accept="application/json")
    assert (answer.status, "Link" in answer.headers) == (403, False)
    told = json.loads(answer.body)
    assert (told["blocked"], told["detail"]) == (True, "the name leads to what an order in force covers")


def test_the_form_answers_the_same_and_counts_nothing(sinkhole: Sinkhole) -> None:
    sinkhole.leads[FREE] = LISTED
    answer = ask_anew(sinkhole, "127.0.0.1", path="/?name=free.example")
    assert (answer.status, sinkhole.hits) == (200, [])
    assert "Access to free.example is blocked" in answer.body


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Verdict(Reason.NOT_LISTED), "nor what it leads to"),
        (replace(LISTED, order=replace(ORDER, action=Action.TCP_ONLY)), "nor what it leads to"),
        (None, "It was not checked where the name leads"),
        (RuntimeError("of the lookup"), "It was not checked where the name leads"),
    ],
)
def test_it_says_whether_it_was_checked(sinkhole: Sinkhole, found: Verdict | Exception | None, told: str) -> None:
    if found is not None:
        sinkhole.leads[FREE] = found
    assert told in ask_anew(sinkhole, "127.0.0.1", path="/?name=free.example").body
    problem = json.loads(ask_anew(sinkhole, "127.0.0.1", path="/?name=free.example", Accept="application/json").body)
    checked = "not checked" if "not checked" in told else "not blocked"
    assert (problem["blocked"], problem["where_it_leads"]) == (False, checked)
    visited = ask_anew(sinkhole, "free.example")
    assert visited.status == 404
    assert told in visited.body
    assert ("leads to a blocked" in visited.body) == ("not checked" in told)
    assert not sinkhole.hits


def test_a_visitor_is_known_by_its_address_alone(sinkhole: Sinkhole) -> None:
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded"):
        ask_anew(sinkhole, "free.example", **{name: "for=10.20.0.1" if name == "Forwarded" else "10.20.0.1"})
    assert sinkhole.visitors == [bytes((127, 0, 0, 1))] * 3


def test_nothing_is_told_of_what_a_confidential_order_covers(sinkhole: Sinkhole) -> None:
    hidden = key_from_text("hidden.example")
    order = replace(ORDER, salt=b"s" * 16)
    sinkhole.leads[FREE] = replace(LISTED, order=order, entry=Entry(hashed_key(name_digest(hidden, b"s" * 16))))
    for headers in ({}, {"Accept": "application/json"}):
        body = ask_anew(sinkhole, "free.example", **headers).body
        assert ORDER.id in body
        assert "hidden.example" not in body
        assert "hash " not in body


def test_a_client_that_sends_no_more_gets_its_answer_once_it_is_known(sinkhole: Sinkhole, bound: socket.socket) -> None:
    """A client that has closed its side waits; one that has gone costs nothing."""

    async def check() -> None:
        known = asyncio.Event()
        asked = asyncio.Event()
        ended = asyncio.Event()

        async def where_it_leads(_key: bytes, _client: bytes) -> Verdict | None:
            asked.set()
            try:
                await known.wait()
            finally:
                ended.set()
            return LISTED

        site = replace(sinkhole.site, where_it_leads=where_it_leads)
        serving = serve_block_page(site, [bound])
        try:
            reader, writer = await asyncio.open_connection(*bound.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: free.example\r\n\r\n")
            writer.write_eof()
            await asked.wait()
            known.set()
            assert (await reader.read()).startswith(b"HTTP/1.1 451 ")
            writer.close()
            known.clear()
            asked.clear()
            ended.clear()
            reader, writer = await asyncio.open_connection(*bound.getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: free.example\r\n\r\n")
            await asked.wait()
            made = writer.get_extra_info("socket")
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # so that it is reset
            writer.transport.abort()
            await ended.wait()
        finally:
            await serving.close()

    asyncio.run(asyncio.wait_for(check(), 10))
    assert len(sinkhole.hits) == 1
