from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
from dataclasses import replace

import pytest

from blockd.names import hashed_key, key_from_text, name_digest
from blockd.orders import Entry, Mandate, Reason, Verdict
from tests.web.asking import ask, ask_anew
from tests.web.sinkhole import LISTED, ORDER, Sinkhole


def test_a_listed_name_is_answered_with_451_and_everything_about_the_order(
    sinkhole: Sinkhole, bound: socket.socket
) -> None:
    answer = ask(sinkhole, bound, "BLOCKED.example.:80")
    assert answer.status == 451
    assert answer.headers["Link"] == '<https://isp.example/why>; rel="blocked-by"'
    assert answer.headers["Content-Language"] == "en"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "blockd"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert {"Accept-Language", "Host"} <= set(answer.headers["Vary"].split(", "))
    assert "Set-Cookie" not in answer.headers
    told = (ORDER.id, ORDER.authority, ORDER.platform, ORDER.legal_basis, ORDER.reported_by, ORDER.assessed_by)
    for text in (*told, ORDER.decided_by, "14 July 2017", "14 July 2018", "11 July 2017", "blocked.example"):
        assert text in answer.body
    assert 'href="mailto:objections@ministry.example"' in answer.body
    assert 'href="https://ministry.example/84"' in answer.body
    assert '<html lang="en"' in answer.body
    assert sinkhole.hits == [(LISTED, "http")]


def test_the_page_is_told_in_the_readers_language(sinkhole: Sinkhole, bound: socket.socket) -> None:
    answer = ask(sinkhole, bound, Accept_Language="en;q=0.2, id;q=0.7")
    assert answer.headers["Content-Language"] == "id"
    assert '<html lang="id"' in answer.body
    assert "14 Juli 2017" in answer.body


def test_the_page_loads_nothing_and_its_style_fits_the_policy(sinkhole: Sinkhole, bound: socket.socket) -> None:
    answer = ask(sinkhole, bound)
    policy = answer.headers["Content-Security-Policy"]
    style = re.search("<style>(.*)</style>", answer.body, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "<script" not in answer.body
    assert " src=" not in answer.body
    assert " style=" not in answer.body
    assert "url(" not in answer.body


def test_texts_that_others_wrote_are_escaped(sinkhole: Sinkhole, bound: socket.socket) -> None:
    hostile = "<script>alert(1)</script>"
    texts = ("authority", "platform", "legal_basis", "reference", "summary", "reported_by", "decided_by", "contact")
    sinkhole.list("blocked.example", **dict.fromkeys(texts, hostile))
    answer = ask(sinkhole, bound)
    assert "<script" not in answer.body
    assert answer.body.count("&lt;script&gt;") >= len(texts)
    assert "Example &lt;Net&gt;" in answer.body
    assert "last &lt;week&gt;" in answer.body


def test_a_contact_with_another_scheme_is_no_link(sinkhole: Sinkhole, bound: socket.socket) -> None:
    sinkhole.list("blocked.example", contact="javascript:alert(document.domain)")
    assert "javascript:" not in re.findall('href="([^"]*)"', ask(sinkhole, bound).body)


def test_without_a_contact_of_the_order_the_operators_is_given(sinkhole: Sinkhole, bound: socket.socket) -> None:
    sinkhole.list("blocked.example", contact="", mandate=Mandate.OPERATOR)
    answer = ask(sinkhole, bound)
    body = answer.body
    assert (answer.status, "Link" in answer.headers) == (403, False)
    assert "You may object to <bdi>Example &lt;Net&gt;</bdi>" in body
    assert "under its own policy" in body


def test_a_name_in_another_script_is_shown_in_both_forms(sinkhole: Sinkhole, bound: socket.socket) -> None:
    sinkhole.list("xn--bcher-kva.example")
    assert "bücher.example (xn--bcher-kva.example)" in ask(sinkhole, bound, "xn--bcher-kva.example").body


def test_a_name_that_is_not_listed_is_told_so(sinkhole: Sinkhole, bound: socket.socket) -> None:
    answer = ask(sinkhole, bound, "other.example")
    assert answer.status == 404
    assert "other.example itself is not blocked" in answer.body
    assert "Link" not in answer.headers
    assert not sinkhole.hits


def test_a_lifted_order_is_named_with_its_reason(sinkhole: Sinkhole, bound: socket.socket) -> None:
    sinkhole.list("blocked.example", lifted_on=1_502_323_200, lifted_reason="The channels are gone.")
    verdict = sinkhole.verdicts[key_from_text("blocked.example")]
    sinkhole.verdicts[key_from_text("blocked.example")] = Verdict(Reason.NOT_IN_FORCE, verdict.order)
    answer = ask(sinkhole, bound)
    assert answer.status == 404
    assert ORDER.id in answer.body
    assert "10 August 2017" in answer.body
    assert "The channels are gone." in answer.body


def test_a_sinkhole_without_a_list_says_that_it_is_not_ready(sinkhole: Sinkhole, bound: socket.socket) -> None:
    sinkhole.verdicts[key_from_text("blocked.example")] = Verdict(Reason.NOT_READY)
    answer = ask(sinkhole, bound)
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("host", ["not a host", "[192.0.2.1]", "256.1.1.1.", "[fe80", "a" * 2000])
def test_a_host_that_is_no_name_is_refused(sinkhole: Sinkhole, bound: socket.socket, host: str) -> None:
    answer = ask(sinkhole, bound, host)
    assert answer.status == 400
    assert "does not name a site" in answer.body


def test_a_policy_that_fails_is_told_without_a_traceback(sinkhole: Sinkhole, bound: socket.socket) -> None:
    sinkhole.fault = RuntimeError("of the policy")
    answer = ask(sinkhole, bound)
    assert answer.status == 500
    assert "of the policy" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_every_method_is_answered(sinkhole: Sinkhole, bound: socket.socket, method: str) -> None:
    assert ask(sinkhole, bound, method=method).status == 451


def test_head_has_the_headers_and_no_body(sinkhole: Sinkhole, bound: socket.socket) -> None:
    answer = ask(sinkhole, bound, method="HEAD")
    assert answer.status == 451
    assert answer.body == ""
    assert int(answer.headers["Content-Length"]) > 1000


@pytest.mark.parametrize("form", ["application/json", "application/problem+json"])
def test_programs_get_the_order_as_json(sinkhole: Sinkhole, bound: socket.socket, form: str) -> None:
    answer = ask(sinkhole, bound, Accept=form)
    assert answer.status == 451
    assert answer.headers["Content-Type"] == form
    problem = json.loads(answer.body)
    assert problem["status"] == 451
    assert problem["name"] == "blocked.example"
    assert problem["order"]["id"] == ORDER.id
    assert problem["entry"] == {"name": "blocked.example", "scope": "both"}
    assert problem["blocked_by"]["name"] == "Example <Net>"
    assert "secret" not in problem["order"]


def test_programs_are_told_that_a_name_is_not_blocked(sinkhole: Sinkhole, bound: socket.socket) -> None:
    answer = ask(sinkhole, bound, "other.example", Accept="application/json")
    assert (answer.status, json.loads(answer.body)["name"]) == (404, "other.example")


def test_a_confidential_orders_page_names_neither_host_nor_platform(sinkhole: Sinkhole) -> None:
    secrets = ("summary", "assessed_by", "decided_by", "reported_by")
    sinkhole.list("blocked.example", salt=b"s" * 16, platform="Secret", **dict.fromkeys(secrets, "Secret"))
    key = key_from_text("blocked.example")
    entry = Entry(hashed_key(name_digest(key, b"s" * 16)))
    sinkhole.verdicts[key] = replace(sinkhole.verdicts[key], entry=entry)
    for language, words in (("en", "Access to this site is blocked"), ("id", "Akses ke situs ini diblokir")):
        answer = ask_anew(sinkhole, Accept_Language=language)
        assert answer.status == 451
        assert words in answer.body
        for told in (ORDER.id, ORDER.authority, ORDER.legal_basis, "objections@ministry.example"):
            assert told in answer.body
        for hidden in ("blocked.example", "Secret", "remove", entry.text, "confidential<"):
            assert hidden not in answer.body
    problem = ask_anew(sinkhole, Accept="application/problem+json").body
    assert json.loads(problem)["order"]["id"] == ORDER.id
    assert json.loads(problem)["entry"] == {"name": "confidential", "scope": "both"}
    for hidden in ("blocked.example", "Secret", "remove", b"s".hex() * 16, entry.text):
        assert hidden not in problem


def test_a_confidential_order_that_is_not_in_force_is_not_told_of(sinkhole: Sinkhole) -> None:
    sinkhole.list("blocked.example", salt=b"s" * 16, lifted_on=1_500_000_000)
    key = key_from_text("blocked.example")
    sinkhole.verdicts[key] = replace(sinkhole.verdicts[key], reason=Reason.NOT_IN_FORCE)
    for accept in ("text/html", "application/problem+json"):
        answer = ask_anew(sinkhole, Accept=accept)
        assert answer.status == 404
        assert ORDER.id not in answer.body
        assert "covers" not in answer.body.replace("no order covers", "")


@pytest.mark.parametrize(("language", "words"), [("en", "not renewed its list in time"), ("id", "tepat waktu")])
def test_the_page_says_that_an_order_was_not_renewed_in_time(sinkhole: Sinkhole, language: str, words: str) -> None:
    assert words not in ask_anew(sinkhole, Accept_Language=language).body
    assert "stale" not in json.loads(ask_anew(sinkhole, Accept="application/problem+json").body)
    sinkhole.verdicts[key_from_text("blocked.example")] = replace(LISTED, stale=True)
    assert words in ask_anew(sinkhole, Accept_Language=language).body
    assert json.loads(ask_anew(sinkhole, Accept="application/problem+json").body)["stale"] is True
