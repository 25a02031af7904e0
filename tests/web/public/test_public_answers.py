"""What the page about orders tells whom; hostile requests get an answer, and never a name that is not to be told."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.names import key_from_text
from blockd.orders import Reason, Verdict
from blockd.web.public.answering import answer_to_anybody
from blockd.web.public.texts import PUBLIC_TEXTS
from blockd.web.public.writer import PublicWriter
from blockd.web.request_head import RequestReader
from tests.web.public.public_page import DIGEST, DOCUMENT, SECRET, Page
from tests.web.sinkhole import LISTED

STRANGER = "127.0.0.2"


@pytest.fixture
def page() -> Page:
    return Page()


@pytest.mark.parametrize("source", ["127.0.0.1", STRANGER])
@pytest.mark.parametrize(("language", "words"), [("en", "History at"), ("id", "Riwayat di")])
def test_an_orders_page_has_its_history_signatures_and_document(
    page: Page, source: str, language: str, words: str
) -> None:
    status, fields, body = page.ask("/orders/court%2F2026-17", source=source, Accept_Language=language)
    assert status == 200
    for told in (words, "High &lt;Court&gt;", "b" * 16, "court.json", 'href="/documents/court/2026-17"', DIGEST,
                 "https://lumendatabase.org/notices/51234567", 'datetime="2026-11-02T10:00:00Z"'):  # fmt: skip
        assert told in body
    assert "X-Robots-Tag: noindex" in fields
    assert "b" * 17 not in body, "ids of keys are shortened on the page"


def test_programs_get_the_same(page: Page) -> None:
    told = json.loads(page.ask("/orders/2026-17", source=STRANGER, Accept="application/json")[2])
    assert [turn["state"] for turn in told["history"]] == ["pending", "in force"]
    assert told["signatures"]["files"][1] == {
        "file": "court.json", "version": 3, "threshold": 2, "keys": ["b" * 64, "c" * 64],
    }  # fmt: skip
    assert told["document"] == {"sha256": DIGEST, "size": len(DOCUMENT), "url": "/documents/court/2026-17"}
    assert told["order"]["lumen_id"] == "51234567"


def test_a_document_is_given_as_it_was_signed(page: Page) -> None:
    status, fields, body = page.ask("/documents/court/2026-17", source=STRANGER)
    assert (status, body) == (200, DOCUMENT.decode())
    assert 'filename="court-2026-17.json"' in fields
    assert page.ask("/documents/2026-17", method="HEAD")[::2] == (200, "")
    page.documents.clear()
    assert page.ask("/documents/court/2026-17")[0] == 404


@pytest.mark.parametrize("path", ["/documents/court/secret", "/documents/none", "/documents/", "/orders/none", "/x"])
def test_what_there_is_not_is_not_found(page: Page, path: str) -> None:
    status, fields, _ = page.ask(path, source=STRANGER)
    assert status == 404
    assert "noindex" in fields


def test_a_clients_question_about_a_name_of_a_confidential_order_is_answered_with_its_number_alone(page: Page) -> None:
    page.sinkhole.verdicts[key_from_text("hidden.example")] = replace(LISTED, order=SECRET)
    for accept in ("text/html", "application/json"):
        status, _, body = page.ask("/?name=hidden.example", Accept=accept)
        assert status == 200
        assert "court/secret" in body
        for untold in ("hidden.example", SECRET.authority, SECRET.legal_basis, SECRET.contact, SECRET.platform):
            assert untold not in body
    assert json.loads(page.ask("/?name=hidden.example", Accept="application/json")[2])["blocked"] is True


def test_a_name_that_leads_to_a_confidential_orders_is_answered_the_same(page: Page) -> None:
    page.sinkhole.leads[key_from_text("alias.example")] = replace(LISTED, order=SECRET)
    body = page.ask("/?name=alias.example")[2]
    assert "court/secret" in body
    assert SECRET.authority not in body
    assert page.sinkhole.hits == []


def test_strangers_are_told_of_what_is_published_and_for_the_rest_that_the_page_cannot_tell(page: Page) -> None:
    page.publish("open.example")
    told = json.loads(page.ask("/?name=open.example", source=STRANGER, Accept="application/json")[2])
    assert (told["blocked"], told["order"]["called"]) == (True, "court/2026-17")
    for name in ("blocked.example", "free.example", "hidden.example"):
        told = json.loads(page.ask(f"/?name={name}", source=STRANGER, Accept="application/json")[2])
        assert (told["blocked"], told["detail"], told["status"]) == (None, "this page cannot tell", 200)
        for language in ("en", "id"):
            body = page.ask(f"/?name={name}", source=STRANGER, Accept_Language=language)[2]
            assert name in body
            assert "is not blocked</h1>" not in body
    assert page.sinkhole.visitors == [], "nothing is resolved for strangers"
    assert "not connected through" in page.ask("/", source=STRANGER)[2]
    assert "apply to your connection" in page.ask("/")[2]


def test_what_strangers_cannot_be_told_differs_in_nothing_from_what_does_not_exist(page: Page) -> None:
    page.sinkhole.verdicts[key_from_text("hidden.example")] = replace(LISTED, order=SECRET)
    answers = [page.ask(f"/?name={name}", source=STRANGER) for name in ("hidden.example", "nobody.example")]
    told = [re.sub(r"Date: [^\r]*\r\n", "", fields) + body for _, fields, body in answers]
    assert told[0].replace("hidden.example", "nobody.example") == told[1]


def test_before_the_first_list_strangers_are_told_so(page: Page) -> None:
    page.openly[key_from_text("any.example")] = Verdict(Reason.NOT_READY)
    assert page.ask("/?name=any.example", source=STRANGER)[0] == 503


def test_robots_are_asked_to_stay_away_and_only_reading_is_possible(page: Page) -> None:
    assert page.ask("/robots.txt", source=STRANGER)[::2] == (200, "User-agent: *\nDisallow: /\n")
    for path in ("/", "/orders/2026-17", "/documents/2026-17", "/robots.txt"):
        status, fields, _ = page.ask(path, method="POST")
        assert (status, "Allow: GET, HEAD" in fields) == (405, True)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"\x16\x03\x01\x02", 400),
        (b"GET / HTTP/1.1\r\nbad\r\n\r\n", 400),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n" + b"y" * (1 << 20), 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
    ],
)
def test_wrong_requests_are_told_so(page: Page, head: bytes, status: int) -> None:
    assert page.ask("", head=head)[0] in (status, 431)


def test_a_fault_of_its_own_is_status_500_in_both_languages(page: Page) -> None:
    page.fault = ValueError("a fault")
    for language in ("en", "id"):
        status, _, body = page.ask("/orders/2026-17", Accept_Language=language)
        assert (status, "a fault" in body) == (500, False)


@given(
    target=st.text(st.characters(codec="latin-1"), max_size=80).map(lambda text: "/" + text)
    | st.sampled_from(["/orders/", "/documents/", "/?name=", "/orders?id="]).flatmap(
        lambda prefix: st.text(max_size=60).map(lambda text: prefix + text)
    ),
    accept=st.sampled_from(["text/html", "application/json", "*/*;q=x", ""]),
    client=st.sampled_from([b"\x7f\0\0\1", b"\x7f\0\0\2", b""]),
)
def test_any_request_is_answered_and_tells_nothing_that_is_not_to_be_told(
    target: str, accept: str, client: bytes
) -> None:
    page = Page()
    page.sinkhole.verdicts[key_from_text("hidden.example")] = replace(LISTED, order=SECRET)
    octets = f"GET {target} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode("utf-8", "replace")
    reader = RequestReader()
    request = reader.feed(octets) or reader.finish()
    assert request is not None
    site = page.site()
    answer = answer_to_anybody(site, request, client)
    told = PublicWriter(site).response(request, answer)
    assert told.startswith(b"HTTP/1.1 ")
    assert answer.status != 500
    assert b"<script" not in told
    assert len(told) < 30_000


def test_both_languages_have_the_same_texts_and_places() -> None:
    def places(template: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(template) if name}

    english, indonesian = PUBLIC_TEXTS["en"], PUBLIC_TEXTS["id"]
    assert english.keys() == indonesian.keys()
    for key, template in english.items():
        assert places(template) == places(indonesian[key]), key
