"""What one request may cost, counted in work: whatever a client sends, little is done for it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import idna
import pytest

from blockd.errors import BadClientHello
from blockd.names import key_from_text
from blockd.orders import Action, Notice
from blockd.tls import client_hello
from blockd.tls.client_hello import MAX_EXTENSIONS, MAX_NAMES, MAX_RECORDS, ClientHelloReader, server_name
from blockd.web import negotiate, page, writing
from blockd.web.answers import answer_to
from blockd.web.host import MAX_HOST
from blockd.web.negotiate import MAX_CHOICES, form_of, language_of
from blockd.web.page import MAX_DECODED, name_text
from blockd.web.request_head import MAX_FIELDS, MAX_LINE, MAX_VALUE, RequestReader
from blockd.web.site import Site
from blockd.web.writing import MAX_MADE, Writer
from tests.web.hellos import in_records
from tests.web.sinkhole import LISTED, ORDER, Sinkhole

ODD = (
    "a" * 1000, "." * 1000, "ä" * 1000, "ä." * 500, "\ufdfa" * 1000, "a\u0301\u0323" * 333, "\u3002" * 1000,
    "\u0627." * 500, "a\u200d" * 500, "\U0001f600." * 500, "xn--" + "a" * 996, "xn--mnchen-3ya." * 66,
    "[" + ":" * 998 + "]", "[fe80::1%25" + "a" * 980 + "]", "1." * 500, "%41" * 333, ":" * 1000, "@" * 1000,
    " " * 999 + "a", "a" + " " * 999, "\udcff" * 1000, "\\065" * 250,
)  # fmt: skip


def ask(site: Site, host: str, *, path: str = "/", more: str = "") -> bytes:
    """Answer a request as a connection does."""
    head = RequestReader().feed(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode("utf-8", "surrogateescape"))
    assert head is not None
    return Writer(site).response(head, answer_to(site, head, b""))


def calls(work: Callable[[], object]) -> Counter[str]:
    """Return how often each function in Python was called meanwhile, by its module and name."""
    found: Counter[str] = Counter()

    def note(frame: object, event: str, _argument: object) -> None:
        if event == "call":
            code = frame.f_code  # type: ignore[attr-defined]
            found[f"{frame.f_globals.get('__name__')}.{code.co_name}"] += 1  # type: ignore[attr-defined]

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


@pytest.mark.parametrize("host", ODD)
def test_a_host_of_a_thousand_odd_characters_is_not_even_looked_at(sinkhole: Sinkhole, host: str) -> None:
    done = calls(lambda: ask(sinkhole.site, host))
    assert not [name for name in done if name.startswith(idna.__name__)], "nothing is mapped or encoded"
    assert sum(done.values()) < 500
    assert b" 200 " in ask(sinkhole.site, host)[:20] or b" 40" in ask(sinkhole.site, host)[:20]


@pytest.mark.parametrize("text", ["ä.", "\ufdfa", "\u0627.", "a\u0301\u0323", "\u1100\u1161.", "xn--mnchen-3ya."])
@pytest.mark.parametrize("where", ["host", "form"])
def test_the_longest_text_that_may_be_a_name_takes_few_steps(sinkhole: Sinkhole, text: str, where: str) -> None:
    longest = (text * MAX_HOST)[: MAX_HOST - 8]
    site = sinkhole.site
    ask(site, longest)  # what each character is mapped to is found out once
    done = calls(lambda: ask(site, longest) if where == "host" else ask(site, "localhost", path=f"/?name={longest}"))
    assert sum(done.values()) < 2500


def test_what_is_typed_into_the_form_may_stand_in_a_long_address(sinkhole: Sinkhole) -> None:
    found = ask(sinkhole.site, "localhost", path="/?name=https://blocked.example/" + "%C3%A4" * 200)
    assert b"HTTP/1.1 200" in found
    assert b"is blocked" in found
    assert b"HTTP/1.1 400" in ask(sinkhole.site, "localhost", path="/?name=" + "a." * 600)


def test_a_name_with_long_a_labels_is_shown_by_them_alone() -> None:
    assert name_text(key_from_text("bücher.example")) == "bücher.example (xn--bcher-kva.example)"
    longest = key_from_text(".".join(["\u0627\u0628" * 12] * 3))
    assert len(longest) > MAX_DECODED
    done = calls(lambda: name_text(longest))
    assert not [name for name in done if name.startswith(idna.__name__)]


@pytest.mark.parametrize("header", ["a/b;q=0.5,", ",", ";", ";q=1", "a;" * 40 + ",", "id;q=0.1,"])
def test_only_some_choices_of_a_header_are_read(header: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    choices = negotiate._choices

    def counted(text: str) -> list[tuple[str, float]]:
        found = choices(text)
        seen.append(len(found))
        return found

    monkeypatch.setattr(negotiate, "_choices", counted)
    form_of(header * 10_000)
    language_of(header * 10_000)
    assert max(seen) <= MAX_CHOICES
    assert sum(calls(lambda: language_of(header * 10_000)).values()) < 100


def test_a_client_takes_some_kilobytes_whatever_it_sends() -> None:
    reader = RequestReader()
    for piece in (
        b"GET /",
        b"a" * 300_000,
        b" HTTP/1.1\r\n",
        *[b"Host: " + b"b" * 20_000 + b"\r\n"] * 20,
        b"X: " * 90_000,
    ):
        reader.feed(piece)
        kept = len(reader._line) + sum(len(value) for values in reader._values.values() for value in values)
        first = sum(map(len, reader._first)) if reader._first else 0
        assert kept + first <= 2 * MAX_LINE + 4 * MAX_VALUE


@pytest.mark.parametrize(
    "field", [b"X:\r\n", b"Host: a\r\n", b"Accept: a\r\n", b"accept-language:" + b"a," * 900 + b"\r\n"]
)
@pytest.mark.parametrize("piece", [1, 1000, 1 << 20])
def test_a_head_costs_a_search_for_the_ends_of_its_lines(field: bytes, piece: int) -> None:
    octets = b"GET / HTTP/1.1\r\n" + field * 300
    reader = RequestReader()
    done = calls(lambda: [reader.feed(octets[at : at + piece]) for at in range(0, 20_000, piece)])
    assert done["blockd.web.request_head._take_field"] <= MAX_FIELDS
    assert done["blockd.web.request_head._keep"] <= 20_000 // piece + MAX_FIELDS + 2


def hello(extensions: bytes) -> bytes:
    body = b"\x03\x03" + b"\0" * 32 + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + len(extensions).to_bytes(2) + extensions
    return b"\x01" + len(body).to_bytes(3) + body


def test_a_client_hello_takes_few_steps_however_it_is_cut_up() -> None:
    reader = ClientHelloReader()
    with pytest.raises(BadClientHello, match="too many records"):
        reader.feed(in_records(b"\0" * 5 + hello(b"\0\x09\x08\0" + b"\0" * 2048), 1))
    assert reader._records == MAX_RECORDS + 1


@pytest.mark.parametrize(
    ("extensions", "why"),
    [
        (b"\0\x09\0\0" * 3500, "too many extensions"),
        (b"\0\0\x36\xb2\x36\xb0" + b"\x01\0\x01a" * 3500, "too many server names"),
    ],
)
def test_a_client_hello_has_some_extensions_and_few_names(extensions: bytes, why: str) -> None:
    body = hello(extensions)[4:]
    refused: list[BadClientHello] = []

    def read() -> None:
        with pytest.raises(BadClientHello, match=why) as raised:
            server_name(body)
        refused.append(raised.value)

    done = calls(read)
    assert refused
    assert done[f"{client_hello.__name__}._take"] < 6 * (MAX_EXTENSIONS + MAX_NAMES)


def test_a_page_is_made_once_for_all_visitors_of_an_order(sinkhole: Sinkhole, monkeypatch: pytest.MonkeyPatch) -> None:
    order = replace(ORDER, notices=(Notice("2017-07-11", "e-mail", "long " * 200),) * 50)
    sinkhole.verdicts[key_from_text("blocked.example")] = replace(LISTED, order=order)
    writer, made, drawn = Writer(sinkhole.site), list[str](), page.whole_page

    def counted(*given: Any, **more: Any) -> str:
        made.append("page")
        return drawn(*given, **more)

    monkeypatch.setattr(page, "whole_page", counted)
    reader = RequestReader().feed(b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n")
    assert reader is not None
    answer = answer_to(sinkhole.site, reader, b"")
    first = writer.response(reader, answer)
    other = replace(answer, key=key_from_text("www.other.example"))
    second = writer.response(reader, other)
    assert len(made) == 1
    assert second.replace(b"www.other.example", b"blocked.example").partition(b"<body>")[2].count(
        b"blocked.example"
    ) == (first.partition(b"<body>")[2].count(b"blocked.example"))
    assert b"www.other.example" in second
    for word in (writing._NAME, writing._ASKED, writing._ENTRY_TEXT):
        assert word.encode() not in first + second


def test_pages_differ_by_order_state_language_form_and_status(sinkhole: Sinkhole) -> None:
    writer = Writer(sinkhole.site)
    lifted = replace(LISTED, order=replace(ORDER, id="other", action=Action.REFUSED))
    found = set()
    for verdict in (LISTED, lifted, replace(LISTED, stale=True)):
        sinkhole.verdicts[key_from_text("blocked.example")] = verdict
        for more in ("", "Accept-Language: id\r\n", "Accept: application/json\r\n"):
            head = RequestReader().feed(f"GET / HTTP/1.1\r\nHost: blocked.example\r\n{more}\r\n".encode())
            assert head is not None
            found.add(writer.response(head, answer_to(sinkhole.site, head, b"")).partition(b"\r\n\r\n")[2])
    assert len(found) == 9


def test_what_is_kept_of_pages_is_bounded(sinkhole: Sinkhole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MAX_MADE", 40_000)
    writer = Writer(sinkhole.site)
    head = RequestReader().feed(b"GET / HTTP/1.1\r\nHost: blocked.example\r\n\r\n")
    assert head is not None
    for number in range(50):
        sinkhole.verdicts[key_from_text("blocked.example")] = replace(LISTED, order=replace(ORDER, id=f"o-{number}"))
        writer.response(head, answer_to(sinkhole.site, head, b""))
        kept = sum(len(made) for made, _ in writer._made.values())
        assert kept == writer._size <= 40_000
    assert MAX_MADE <= 16 << 20


def test_what_visitors_wrote_is_escaped_in_pages_and_in_json(sinkhole: Sinkhole) -> None:
    for more, wrong in (("", b"<b>"), ("Accept: application/json\r\n", b'"<b>x"y')):
        found = ask(sinkhole.site, "localhost", path="/?name=%3Cb%3Ex%22y%0A", more=more)
        assert b"HTTP/1.1 400" in found
        assert wrong not in found.partition(b"\r\n\r\n")[2].replace(b"<b><bdi>", b"")
