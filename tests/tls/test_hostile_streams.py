"""Streams of octets that nobody should send: both engines end them alike, and none holds more than it may."""

from __future__ import annotations

import contextlib
import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.errors import TlsFailure
from blockd.native import is_native
from blockd.tls import TlsSession
from blockd.tls.choice import EXTENSION
from blockd.tls.tickets import ForgetfulKeys
from blockd.tls.twin import PythonServerTls
from tests.tls.certificates import Client, pair

if not is_native(EXTENSION):
    pytest.skip("the extension over libssl was not built", allow_module_level=True)

from blockd.tls._session import NativeServerTls

PAIR = pair("dns.example")
SERVERS = NativeServerTls([PAIR], ("dot",), ForgetfulKeys(bytes(32))), PythonServerTls([PAIR], ("dot",))


def hello() -> bytes:
    client = Client(SERVERS[1], PAIR)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.tls.do_handshake()
    return client.outgoing.read()


HELLO = hello()


def outcome(session: TlsSession, pieces: list[bytes]) -> tuple[bool, int, int]:
    """Return whether a session failed, at which piece, and the kind of record that it would send first."""
    for number, piece in enumerate(pieces):
        session.feed(piece)
        try:
            while session.read() or session.has_more:
                pass
        except TlsFailure:
            return True, number, (session.take() or b"\0")[0]
    return False, len(pieces), (session.take() or b"\0")[0]


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """Return a ClientHello with some of its octets replaced, left out or said twice."""
    octets = bytearray(HELLO)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(octets) - 1))
        match draw(st.sampled_from(["replace", "cut", "repeat"])):
            case "replace":
                octets[at] = draw(st.integers(0, 255))
            case "cut":
                del octets[at : at + draw(st.integers(1, 40))]
            case "repeat":
                octets[at:at] = octets[at : at + draw(st.integers(1, 40))]
        if not octets:
            break
    return bytes(octets)


@settings(deadline=None, max_examples=200)
@given(changed() | st.binary(max_size=300), st.lists(st.integers(1, 600), max_size=5))
def test_both_engines_end_a_stream_at_the_same_place_with_the_same_kind_of_answer(
    octets: bytes, sizes: list[int]
) -> None:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(octets[at : at + size])
        at += size
    pieces.append(octets[at:])
    native, twin = (outcome(server.session(), pieces) for server in SERVERS)
    assert native == twin


@settings(deadline=None, max_examples=100)
@given(st.data())
def test_what_is_changed_on_the_way_is_never_read(data: st.DataObject) -> None:
    for server in SERVERS:
        client = Client(server, PAIR)
        client.shake_hands()
        client.tls.write(b"question")
        record = bytearray(client.outgoing.read())
        at = data.draw(st.integers(0, len(record) - 1))
        record[at] ^= data.draw(st.integers(1, 255))
        client.server.feed(bytes(record))
        with contextlib.suppress(TlsFailure):
            assert client.server.read() == b""
