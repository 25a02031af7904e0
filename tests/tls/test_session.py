"""What whoever carries a session's octets may rely on."""

from __future__ import annotations

import ssl

import pytest

from blockd.errors import TlsFailure
from blockd.tls import server_tls
from tests.tls.certificates import Client, pair

PAIR = pair("dns.example", "192.0.2.1")
OTHER = pair("other.example", "*.wild.example")


def test_octets_go_both_ways() -> None:
    client = Client(server_tls([PAIR], ("dot",)), PAIR)
    client.shake_hands()
    assert client.send(b"question") == b"question"
    client.server.write(b"answer")
    assert client.receive() == b"answer"
    assert (client.server.alpn, client.server.server_name, client.server.version) == ("dot", "dns.example", "TLSv1.3")
    assert client.server.is_established
    assert not client.server.is_resumed


def test_octets_may_come_one_by_one() -> None:
    client = Client(server_tls([PAIR], ("dot",)), PAIR)
    client.shake_hands()
    client.tls.write(b"question")
    read = b""
    for octet in client.outgoing.read():
        client.server.feed(bytes((octet,)))
        read += client.server.read()
    assert read == b"question"


def test_what_is_longer_than_a_record_comes_whole() -> None:
    client = Client(server_tls([PAIR], ("dot",)), PAIR)
    client.shake_hands()
    assert client.send(b"x" * 100_000) == b"x" * 100_000
    client.server.write(b"y" * 100_000)
    assert client.receive() == b"y" * 100_000


def test_a_client_says_that_it_sends_no_more_and_gets_its_answer() -> None:
    client = Client(server_tls([PAIR], ("dot",)), PAIR)
    client.shake_hands()
    client.tls.write(b"question")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert client.exchange() == b"question"
    assert client.server.is_over
    client.server.write(b"answer")
    client.server.close()
    client.server.close()
    client.incoming.write(client.server.take())
    assert client.tls.read() == b"answer"
    assert client.server.take() == b""


@pytest.mark.parametrize(("name", "of"), [("dns.example", PAIR), ("other.example", OTHER), ("a.wild.example", OTHER)])
def test_a_client_gets_the_certificate_for_the_name_that_it_asks_for(name: str, of: object) -> None:
    client = Client(server_tls([PAIR, OTHER], ("dot",)), PAIR, OTHER, name=name)
    client.shake_hands()
    shown = client.tls.getpeercert(binary_form=True)
    assert shown is not None
    assert ssl.DER_cert_to_PEM_cert(shown).encode() == getattr(of, "chain", b"")


def test_what_is_no_tls_is_a_failure_at_each_call() -> None:
    session = server_tls([PAIR], ("dot",)).session()
    session.feed(b"GET / HTTP/1.1\r\n\r\n")
    for _ in range(2):
        with pytest.raises(TlsFailure, match="refused"):
            session.read()
    assert session.take()[:1] in (b"", b"\x15")
