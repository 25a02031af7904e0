from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.transports.http.chunks import MAX_CHUNKS, MAX_TRAILERS
from blockd.transports.http.http1 import MAX_HEAD, Http1Session
from blockd.transports.http.limits import MAX_BODIES, MAX_FIELDS, MAX_MESSAGE
from blockd.transports.http.request import HttpRequest
from tests.transports.http.raw import MESSAGE, SESSION_FIELDS

GET = b"GET /dns-query?dns=AAAB HTTP/1.1\r\nHost: dns.example\r\n\r\n"
POST = b"POST /dns-query HTTP/1.1\r\nHost: dns.example\r\nContent-Type: application/dns-message\r\n"


def session(front_header: bytes = b"") -> Http1Session:
    return Http1Session(front_header, lambda: 0.0)


def post(body: bytes = MESSAGE) -> bytes:
    return POST + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return POST + b"Transfer-Encoding: chunked\r\n\r\n" + body + end


def requested(octets: bytes, front_header: bytes = b"") -> HttpRequest:
    """Return the request that octets are."""
    made = session(front_header)
    made.feed(octets)
    request = made.next_request()
    assert request is not None
    return request


def test_a_request_is_returned_once_it_is_whole() -> None:
    made = session(b"forwarded")
    octets = post().replace(b"Host", b"FORWARDED: for=192.0.2.1\r\nforwarded:for=192.0.2.2 \r\nHost")
    for place in range(len(octets) - 1):
        made.feed(octets[place : place + 1])
        assert made.next_request() is None
        assert not made.has_more
    assert made.open_requests == 1
    assert made.oldest == 0.0
    made.feed(octets[-1:])
    request = made.next_request()
    assert request is not None
    assert (request.method, request.target, request.body) == (b"POST", b"/dns-query", MESSAGE)
    assert (request.content_type, request.front) == (b"application/dns-message", b"for=192.0.2.1, for=192.0.2.2")
    assert made.oldest is None


def test_requests_are_answered_one_after_the_other() -> None:
    made = session()
    made.feed(GET + post() + GET)
    for body in (b"", MESSAGE, b""):
        request = made.next_request()
        assert request is not None
        assert request.body == body
        assert made.next_request() is None
        assert not made.has_more
        made.respond(request, 200, SESSION_FIELDS, b"answer")
        said = made.take(1 << 16)
        assert said == (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/dns-message\r\ncache-control: max-age=60\r\n"
            b"content-length: 6\r\n\r\nanswer"
        )
    assert made.next_request() is None
    assert not made.is_over


@pytest.mark.parametrize(
    ("octets", "keeps"),
    [
        (GET, True),
        (GET.replace(b"Host", b"Connection: close\r\nHost"), False),
        (GET.replace(b"Host", b"Connection: x, Close\r\nHost"), False),
        (GET.replace(b"1.1", b"1.0"), False),
        (GET.replace(b"1.1\r\n", b"1.0\r\nConnection: keep-alive\r\n"), True),
    ],
)
def test_a_connection_stays_as_long_as_the_client_wants(octets: bytes, keeps: bool) -> None:
    made = session()
    made.feed(octets)
    request = made.next_request()
    assert request is not None
    made.respond(request, 200, (), b"")
    assert made.is_over is not keeps
    assert (b"connection: close" in made.take(1 << 16)) is not keeps


def test_a_body_may_come_in_chunks() -> None:
    octets = chunked(MESSAGE[:5], MESSAGE[5:], end=b"0;extension=1\r\nTrailer: x\r\n\r\n")
    assert requested(octets).body == MESSAGE
    made = session()
    for place in range(len(octets)):
        made.feed(octets[place : place + 1])
        request = made.next_request()
        assert (request is not None) == (place == len(octets) - 1)
    assert request is not None
    assert request.body == MESSAGE


def test_a_client_that_waits_for_100_is_told_to_go_on() -> None:
    made = session()
    made.feed(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(MESSAGE))
    assert made.next_request() is None
    assert made.take(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    made.feed(MESSAGE)
    request = made.next_request()
    assert request is not None
    assert request.body == MESSAGE


@pytest.mark.parametrize(
    "target", [b"http://dns.example:80/dns-query?dns=AAAB", b"HTTPS://dns.example/dns-query?dns=AAAB"]
)
def test_a_target_may_be_absolute(target: bytes) -> None:
    octets = GET.replace(b"/dns-query?dns=AAAB", target)
    assert requested(octets).target == b"/dns-query?dns=AAAB"


def test_empty_lines_before_a_request_are_passed_over() -> None:
    assert requested(b"\r\n\r\n" + GET).target == b"/dns-query?dns=AAAB"


REFUSED = {
    "not HTTP": (b"\x16\x03\x01 hello\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "two spaces": (GET.replace(b"GET ", b"GET  "), 400),
    "a control character": (GET.replace(b"dns=", b"dns=\x01"), 400),
    "HTTP/2 without its preface": (GET.replace(b"1.1", b"2.0"), 505),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (GET.replace(b"Host", b"Host: a\r\nHost"), 400),
    "a space before the colon": (GET.replace(b"Host:", b"Host :"), 400),
    "a folded field": (GET.replace(b"Host", b"X: a\r\n b\r\nHost"), 400),
    "a lone line feed": (GET.replace(b"Host", b"X: a\nY: b\r\nHost"), 400),
    "a lone carriage return": (GET.replace(b"Host", b"X: a\rY: b\r\nHost"), 400),
    "no colon": (GET.replace(b"Host", b"X\r\nHost"), 400),
    "two lengths": (POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    "a list of lengths": (POST + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    "a negative length": (POST + b"Content-Length: -5\r\n\r\nhello", 400),
    "a length with a sign": (POST + b"Content-Length: +5\r\n\r\nhello", 400),
    "length and chunks": (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "chunks in HTTP/1.0": (chunked(MESSAGE).replace(b"1.1", b"1.0"), 400),
    "another transfer coding": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "chunked twice": (POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 501),
    "a length that is too great": (POST + b"Content-Length: %d\r\n\r\n" % (MAX_BODIES + 1), 413),
    "a length of many digits": (POST + b"Content-Length: " + b"9" * 4000 + b"\r\n\r\n", 400),
    "chunks that are too long": (chunked(bytes(MAX_MESSAGE), b"x"), 413),
    "a chunk without a size": (chunked(end=b"x\r\n"), 400),
    "a chunk of a negative size": (chunked(end=b"-1\r\n"), 400),
    "a chunk longer than it says": (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n", 400),
    "a long line before a chunk": (chunked(end=b"1;" + b"x" * 100), 400),
    "too many chunks": (chunked(*[b"x"] * MAX_CHUNKS, end=b"0\r\n\r\n"), 400),
    "too many trailers": (chunked(end=b"0\r\n" + b"X: y\r\n" * (MAX_TRAILERS + 1)), 431),
    "too many fields": (GET.replace(b"Host", b"X: y\r\n" * MAX_FIELDS + b"Host"), 431),
    "a head that is too long": (GET.replace(b"Host", b"X: " + b"y" * MAX_HEAD + b"\r\nHost"), 431),
    "a head that does not end": (b"GET / HTTP/1.1\r\nX: " + b"y" * MAX_HEAD, 431),
}


@pytest.mark.parametrize(("octets", "status"), REFUSED.values(), ids=REFUSED)
def test_what_may_be_read_in_two_ways_is_refused_and_the_connection_ends(octets: bytes, status: int) -> None:
    made = session()
    made.feed(octets)
    request = made.next_request()
    assert request is not None
    assert request.refusal == status
    made.respond(request, status, (), b"why")
    said = made.take(1 << 16)
    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close\r\n" in said
    assert made.is_over
    made.feed(GET)
    assert made.next_request() is None
    assert not made.has_more


def test_a_body_that_is_a_little_too_long_is_passed_over_so_that_its_sender_reads_why() -> None:
    made = session()
    octets = post(bytes(MAX_BODIES))
    for at in range(0, len(octets), 1000):
        assert made.next_request() is None
        made.feed(octets[at : at + 1000])
    request = made.next_request()
    assert request is not None
    assert (request.refusal, request.body) == (413, b"")
    made.respond(request, 413, (), b"why")
    assert b"connection: close" not in made.take(100)
    made.feed(GET)
    assert made.next_request() is not None


def test_a_request_that_is_dropped_ends_the_connection() -> None:
    made = session()
    made.feed(GET + GET)
    request = made.next_request()
    assert request is not None
    made.drop(request)
    assert made.is_over
    assert made.take(100) == b""


def test_a_session_that_finishes_answers_what_it_has_taken() -> None:
    made = session()
    made.feed(GET + GET)
    request = made.next_request()
    assert request is not None
    made.finish()
    assert not made.is_over
    made.respond(request, 200, (), b"x")
    assert b"connection: close" in made.take(100)
    assert made.is_over


def test_a_session_that_leaves_says_so_with_its_next_response() -> None:
    made = session()
    made.leave()
    assert not made.is_over
    made.feed(GET)
    request = made.next_request()
    assert request is not None
    made.respond(request, 200, (), b"x")
    assert b"connection: close" in made.take(100)
    assert made.is_over


def test_octets_are_searched_for_the_end_of_a_head_once() -> None:
    made = session()
    for _ in range(MAX_HEAD - 1):
        made.feed(b"x")
        assert made.next_request() is None
    made.feed(b"x")
    request = made.next_request()
    assert request is not None
    assert request.refusal == 431


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from((GET, post(), chunked(MESSAGE), b"\r\n", b"0\r\n")))))
def test_no_octets_raise_anything(pieces: list[bytes]) -> None:
    made = session(b"forwarded")
    for piece in pieces:
        made.feed(piece)
        while (request := made.next_request()) is not None:
            assert request.refusal in (0, 400, 413, 431, 501, 505)
            made.respond(request, request.refusal or 200, (), b"x")
        assert not made.has_more
    made.take(1 << 20)


def test_a_response_to_head_has_no_body() -> None:
    made = session()
    made.feed(GET.replace(b"GET", b"HEAD", 1) + GET)
    head = made.next_request()
    assert head is not None
    made.respond(head, 405, (), b"why")
    assert made.take(1 << 16) == b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 3\r\n\r\n"
    assert made.next_request() is not None, "the connection goes on"


def test_a_client_that_waits_for_100_is_refused_before_it_sends_a_body() -> None:
    made = session()
    made.feed(POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (MAX_MESSAGE + 1))
    request = made.next_request()
    assert request is not None
    assert request.refusal == 413
    made.respond(request, 413, (), b"why")
    assert made.take(1 << 16).startswith(b"HTTP/1.1 413 ")
    assert made.is_over, "whether a body follows is not known"
