"""The block page's page about itself, and its form."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from urllib.parse import quote

import pytest

from blockd.formats.subject import subject_of
from blockd.names import hashed_key, key_from_text, name_digest
from blockd.orders import Action, Entry, Reason, Verdict
from tests.web.asking import ask_anew
from tests.web.sinkhole import LISTED, ORDER, Sinkhole

OWN = "127.0.0.1:8080"


@pytest.mark.parametrize(
    "host", [OWN, "192.0.2.1", "127.0.0.1.", "[::1]:80", "[2001:db8::80]", "localhost:8080", "LOCALHOST."]
)
@pytest.mark.parametrize(("language", "title"), [("en", "Block page of"), ("id", "Halaman blokir")])
def test_the_servers_own_addresses_say_what_it_is(sinkhole: Sinkhole, host: str, language: str, title: str) -> None:
    answer = ask_anew(sinkhole, host, Accept_Language=language)
    assert answer.status == 200
    assert title in answer.body
    assert "Example &lt;Net&gt;" in answer.body
    assert '<form action="/" method="get"' in answer.body
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    assert (sinkhole.hits, sinkhole.requests) == ([], ["http"])


def test_a_listed_name_is_never_taken_for_the_servers_own(sinkhole: Sinkhole) -> None:
    sinkhole.list("localhost")
    assert ask_anew(sinkhole, "localhost").status == 451


@pytest.mark.parametrize(
    "text",
    [
        "blocked.example",
        "BLOCKED.example.",
        " blocked.example ",
        "http://blocked.example/x?y",
        "blocked.example/x",
        "https://user:word@blocked.example:8443/",
        "blocked.example:443",
        "||blocked.example^",
        "somebody@blocked.example",
    ],
)
def test_a_blocked_name_is_shown_as_its_block_page_shows_it(sinkhole: Sinkhole, text: str) -> None:
    answer = ask_anew(sinkhole, OWN, path=f"/?name={quote(text)}")
    assert answer.status == 200
    for told in ("Access to blocked.example is blocked", ORDER.id, ORDER.legal_basis, "objections@ministry.example"):
        assert told in answer.body
    assert "Link" not in answer.headers
    assert not sinkhole.hits  # somebody asked about the name, and did not go there


def test_a_name_that_is_not_listed_is_told_so(sinkhole: Sinkhole) -> None:
    answer = ask_anew(sinkhole, OWN, path="/?name=free.example")
    assert answer.status == 200
    assert "free.example itself is not blocked" in answer.body


def test_a_name_that_resolves_over_tcp_is_not_blocked(sinkhole: Sinkhole) -> None:
    sinkhole.list("slow.example", action=Action.TCP_ONLY)
    assert "slow.example itself is not blocked" in ask_anew(sinkhole, OWN, path="/?name=slow.example").body


def test_an_order_that_is_not_in_force_is_named_unless_it_is_confidential(sinkhole: Sinkhole) -> None:
    key = key_from_text("blocked.example")
    sinkhole.verdicts[key] = Verdict(Reason.NOT_IN_FORCE, ORDER)
    assert ORDER.id in ask_anew(sinkhole, OWN, path="/?name=blocked.example").body
    sinkhole.verdicts[key] = Verdict(Reason.NOT_IN_FORCE, replace(ORDER, salt=b"s" * 16))
    assert ORDER.id not in ask_anew(sinkhole, OWN, path="/?name=blocked.example").body


def test_a_monitored_name_is_not_told_of(sinkhole: Sinkhole) -> None:
    sinkhole.verdicts[key_from_text("seen.example")] = replace(LISTED, reason=Reason.MONITORED)
    body = ask_anew(sinkhole, OWN, path="/?name=seen.example").body
    assert "seen.example itself is not blocked" in body
    assert ORDER.id not in body


def test_a_confidential_order_shows_no_more_than_its_block_page(sinkhole: Sinkhole) -> None:
    sinkhole.list("blocked.example", salt=b"s" * 16, platform="Secret", summary="Secret")
    key = key_from_text("blocked.example")
    sinkhole.verdicts[key] = replace(sinkhole.verdicts[key], entry=Entry(hashed_key(name_digest(key, b"s" * 16))))
    for headers in ({}, {"Accept": "application/json"}):
        body = ask_anew(sinkhole, OWN, path="/?name=blocked.example", **headers).body
        assert ORDER.id in body
        assert "blocked.example" not in body
        assert "Secret" not in body


def test_before_the_first_list_it_says_so(sinkhole: Sinkhole) -> None:
    sinkhole.verdicts[key_from_text("a.example")] = Verdict(Reason.NOT_READY)
    assert ask_anew(sinkhole, OWN, path="/?name=a.example").status == 503


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "192.0.2.1",
        "a..b",
        "x" * 3000,
        "a b",
        "\0",
        "\u202egnp",
        "é" * 400,
        ".",
        "*.a.example",
    ],
)
def test_what_is_no_name_is_escaped_and_cut(sinkhole: Sinkhole, text: str) -> None:
    for headers in ({}, {"Accept": "application/json"}):
        answer = ask_anew(sinkhole, OWN, path=f"/?name={quote(text)}", **headers)
        assert answer.status == 400
        assert "<script" not in answer.body
        assert len(answer.body) < 10_000
        assert not re.search("[\0\u202e]", answer.body)


@pytest.mark.parametrize("query", ["?name=", "?", "?name=%20", "?other=1", "?" + "&".join(["a=1"] * 1000), "?name"])
def test_without_a_name_the_form_is_shown(sinkhole: Sinkhole, query: str) -> None:
    assert ask_anew(sinkhole, OWN, path=f"/{query}").status == 200


def test_there_is_one_page_and_it_is_only_read(sinkhole: Sinkhole) -> None:
    assert ask_anew(sinkhole, OWN, path="/favicon.ico").status == 404
    answer = ask_anew(sinkhole, OWN, method="POST")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert ask_anew(sinkhole, OWN, method="HEAD").body == ""


def test_programs_get_the_answer_as_json(sinkhole: Sinkhole) -> None:
    told = {
        name: json.loads(ask_anew(sinkhole, OWN, path=f"/?name={name}", Accept="application/json").body)
        for name in ("blocked.example", "free.example")
    }
    assert [one["blocked"] for one in told.values()] == [True, False]
    assert told["blocked.example"]["order"]["id"] == ORDER.id
    assert told["free.example"]["name"] == "free.example"


def test_a_policy_that_fails_is_told_without_a_traceback(sinkhole: Sinkhole) -> None:
    sinkhole.fault = RuntimeError("of the policy")
    answer = ask_anew(sinkhole, OWN, path="/?name=a.example")
    assert answer.status == 500
    assert "of the policy" not in answer.body


@pytest.mark.parametrize(
    ("text", "name"), [("foo!bar.example", r"foo\033bar.example"), ("||-x.example^", "-x.example"), ("x.:80/a", "x")]
)
def test_a_name_is_read_as_a_lookup_reads_it(sinkhole: Sinkhole, text: str, name: str) -> None:
    sinkhole.verdicts[subject_of(name).key] = LISTED
    answer = ask_anew(sinkhole, OWN, path=f"/?name={quote(text)}", Accept="application/json")
    assert (answer.status, json.loads(answer.body)["blocked"]) == (200, True)
