from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.errors import BadClientHello
from blockd.tls.client_hello import MAX_HELLO, ClientHelloReader, protocols, server_name
from tests.web.hellos import hello_stream, in_records


def read(stream: bytes, piece: int = 1_000_000) -> bytes | None:
    reader = ClientHelloReader()
    for start in range(0, len(stream), piece):
        body = reader.feed(stream[start : start + piece])
        if body is not None:
            return body
    return None


STREAM = hello_stream("web.telegram.org")
BODY = STREAM[9:]


def test_the_name_in_a_real_hello_is_found() -> None:
    body = read(STREAM)
    assert body == BODY
    assert server_name(body) == "web.telegram.org"


def test_a_hello_without_a_name_gives_none() -> None:
    body = read(hello_stream(None))
    assert body is not None
    assert server_name(body) is None


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_records_and_packets_of_any_size_are_put_together(size: int, piece: int) -> None:
    assert read(in_records(STREAM, size), piece) == BODY


def test_what_comes_behind_the_hello_is_ignored() -> None:
    assert read(STREAM + b"early data") == BODY


@given(st.integers(0, len(STREAM) - 1))
def test_a_part_of_a_hello_needs_more(length: int) -> None:
    assert read(STREAM[:length]) is None


@given(st.integers(0, len(BODY) - 1))
def test_a_cut_body_is_refused_or_has_no_name(length: int) -> None:
    with contextlib.suppress(BadClientHello):
        assert server_name(BODY[:length]) is None


@pytest.mark.parametrize("stream", [b"GET / HTTP/1.1\r\n", b"\0", b"\x16\x02\0", b"\x15\x03\x03\0\x02\x02\0"])
def test_what_is_no_tls_is_told_from_bad_tls(stream: bytes) -> None:
    with pytest.raises(BadClientHello) as raised:
        read(stream)
    assert not raised.value.is_tls


@pytest.mark.parametrize(
    "stream",
    [
        b"\x16\x03\x01\0\0",  # an empty record
        b"\x16\x03\x01\x40\x01",  # a record longer than a record can be
        b"\x16\x03\x01\0\x04\x02\0\0\0",  # another message
        b"\x16\x03\x01\0\x04\x01\xff\xff\xff",  # a message longer than any hello
        b"\x16\x03\x01\0\x01\x01\x17\x03\x03",  # other content in the middle of a message
    ],
)
def test_bad_tls_is_refused(stream: bytes) -> None:
    with pytest.raises(BadClientHello) as raised:
        read(stream)
    assert raised.value.is_tls


def test_a_hello_that_never_ends_is_refused() -> None:
    message = b"\x01" + MAX_HELLO.to_bytes(3) + b"\0" * MAX_HELLO
    with pytest.raises(BadClientHello, match="too long"):
        read(in_records(b"\0" * 5 + message, 40), 1000)


def _body(extension: bytes) -> bytes:
    return b"\x03\x03" + b"\0" * 32 + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + len(extension).to_bytes(2) + extension


def _sni(*names: bytes, kind: int = 0) -> bytes:
    listed = b"".join(bytes((kind,)) + len(name).to_bytes(2) + name for name in names)
    content = len(listed).to_bytes(2) + listed
    return b"\0\0" + len(content).to_bytes(2) + content


@pytest.mark.parametrize(
    "extensions",
    [
        _sni(b"a.example", b"b.example"),
        _sni(b"a.example") * 2,
        _sni(b""),
        _sni(b"\xff.example"),
        b"\0\0\0\x03\0\x09\0",
        b"\0\0\0\x01\0",
        _sni(b"a.example")[:-1],
        b"\0",
    ],
)
def test_a_server_name_that_breaks_the_format_is_refused(extensions: bytes) -> None:
    with pytest.raises(BadClientHello):
        server_name(_body(extensions))


def test_a_name_of_another_kind_is_no_host_name() -> None:
    assert server_name(_body(_sni(b"a.example", kind=7))) is None


def _alpn(content: bytes) -> bytes:
    return b"\0\x10" + len(content).to_bytes(2) + content


def test_the_protocols_offered_are_found_in_their_order() -> None:
    assert protocols(_body(_sni(b"a.example") + _alpn(b"\0\x0c\x02h2\x08http/1.1"))) == [b"h2", b"http/1.1"]
    assert protocols(_body(_sni(b"a.example"))) is None


@pytest.mark.parametrize(
    "extensions",
    [
        _alpn(b"\0\0"),
        _alpn(b"\0\x03\x02h2\0"),  # octets after the list
        _alpn(b"\0\x04\x02h2\0"),  # an empty protocol
        _alpn(b"\0\x03\x03h2"),
        _alpn(b"\0\x03\x02h2") * 2,
    ],
)
def test_protocols_that_break_the_format_are_refused(extensions: bytes) -> None:
    with pytest.raises(BadClientHello):
        protocols(_body(extensions))


def test_a_hello_may_end_before_the_extensions() -> None:
    assert server_name(_body(b"")[:-2]) is None


@given(st.binary(max_size=600))
def test_any_body_gives_a_name_or_the_parsers_own_error(body: bytes) -> None:
    with contextlib.suppress(BadClientHello):
        server_name(body)


@given(st.lists(st.tuples(st.integers(0, len(BODY) - 1), st.integers(0, 255)), max_size=8))
def test_a_damaged_hello_gives_a_name_or_the_parsers_own_error(damage: list[tuple[int, int]]) -> None:
    body = bytearray(BODY)
    for position, octet in damage:
        body[position] = octet
    with contextlib.suppress(BadClientHello):
        server_name(bytes(body))


@given(st.lists(st.binary(max_size=50), max_size=20), st.booleans())
def test_any_stream_gives_a_body_or_the_parsers_own_error(pieces: list[bytes], begins_well: bool) -> None:
    reader = ClientHelloReader()
    with contextlib.suppress(BadClientHello):
        for piece in ([STREAM[:20]] if begins_well else []) + pieces:
            if reader.feed(piece) is not None:
                break
