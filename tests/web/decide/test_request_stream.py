from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.web.decide.request import ProxyRequest
from blockd.web.decide.request_stream import MAX_BODY, MAX_FIELDS, MAX_HEAD, RequestStream

GET = b"GET /decide HTTP/1.1\r\nHost: a\r\n"


def read(octets: bytes, size: int = 1 << 20) -> list[ProxyRequest]:
    """Return the requests of octets that come in pieces of some size."""
    stream = RequestStream()
    found = []
    for start in range(0, len(octets), size):
        stream.feed(memoryview(octets)[start : start + size])
        while (request := stream.next()) is not None:
            found.append(request)
    return found


def flaw(octets: bytes) -> int:
    """Return what is wrong with one request, after which nothing more is read."""
    (request,) = read(octets + GET + b"\r\n")
    assert request.is_last
    return request.flaw


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_requests_are_read_one_after_the_other_however_they_are_cut(size: int) -> None:
    octets = (
        b"\r\nGET /decide/url?host=a HTTP/1.1\r\nHost: b\r\nX-Forwarded-Host: c\r\nX-FORWARDED-HOST:  d \r\n\r\n"
        b"HEAD / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello" + GET + b"\r\n"
    )
    first, second, third = read(octets, size)
    assert (first.method, first.target) == (b"GET", b"/decide/url?host=a")
    assert first.fields == {b"host": [b"b"], b"x-forwarded-host": [b"c", b"d"]}
    assert (second.method, second.target, third.target) == (b"HEAD", b"/", b"/decide")
    assert not any(request.flaw or request.is_last for request in (first, second, third))


@pytest.mark.parametrize(
    ("head", "is_last"),
    [
        (b"GET / HTTP/1.1\r\n", False),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nConnection: x, CLOSE\r\n", True),
        (b"GET / HTTP/1.0\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", False),
        (b"GET / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n", True),
    ],
)
def test_the_client_says_whether_the_connection_is_kept(head: bytes, is_last: bool) -> None:
    (request,) = read(head + b"\r\n")
    assert (request.is_last, request.flaw) == (is_last, 0)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"\x16\x03\x01\x00\xff\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"GET /\x01 HTTP/1.1\r\n\r\n", 400),
        (b"G(T / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1), 413),
        (b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (MAX_FIELDS + 1) + b"\r\n", 431),
        (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\n\r\n", 431),
        (b"a" * (MAX_HEAD + 1), 431),
    ],
)
def test_what_two_parsers_could_read_differently_ends_the_connection(octets: bytes, status: int) -> None:
    assert flaw(octets) == status


def test_a_head_as_long_as_may_be_is_read() -> None:
    head = b"GET / HTTP/1.1\r\nX: "
    (request,) = read(head + b"a" * (MAX_HEAD - len(head)) + b"\r\n\r\n", 1000)
    assert request.flaw == 0


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_octets_are_read_alike_however_they_are_cut(octets: bytes, size: int) -> None:
    whole = read(GET + b"\r\n" + octets)
    assert read(GET + b"\r\n" + octets, size) == whole
    assert all(not request.is_last for request in whole[:-1])


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b" ", b":", b"GET / HTTP/1.1", b"Host", b"content-length",
                                 b"0", b"5", b"\r\n\r\n"]), max_size=30))  # fmt: skip
def test_octets_that_look_like_requests_are_read_alike_however_they_are_cut(parts: list[bytes]) -> None:
    octets = b"".join(parts)
    assert read(octets, 1) == read(octets)


def test_what_is_held_of_a_request_that_never_ends_is_bounded() -> None:
    stream = RequestStream()
    for _ in range(100):
        stream.feed(b"a" * 4096)
        if stream.next() is not None:
            break
    assert stream.is_empty
    assert len(stream._buffer) == 0
