"""What whoever carries a session's octets may rely on, of both engines."""

from __future__ import annotations

import ssl

import pytest

from blockd.errors import BadCertificate, TlsFailure
from blockd.tls import CertificatePair
from blockd.tls.session import MAX_CLIENT_HELLO, MAX_EMPTY_RECORDS, RECORDS_AT_ONCE
from tests.tls.certificates import Client, pair
from tests.tls.conftest import MakeServer
from tests.tls.libssl_client import KEY_UPDATE_NOT_REQUESTED, KEY_UPDATE_REQUESTED, TLS1_2, LibsslClient

PAIR = pair("dns.example", "192.0.2.1")
OTHER = pair("other.example", "*.wild.example")
ALERT = 21


def context_of(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    return context


def shown(client: Client) -> bytes:
    """Return the certificate that the client got."""
    certificate = client.tls.getpeercert(binary_form=True)
    assert certificate is not None
    return ssl.DER_cert_to_PEM_cert(certificate).encode()


def failure_of(client: Client) -> str:
    """Carry the handshake on until it fails; return why."""
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    with pytest.raises(TlsFailure) as caught:
        client.exchange()
    return str(caught.value)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_octets_go_both_ways(make_server: MakeServer, version: ssl.TLSVersion) -> None:
    client = Client(make_server([PAIR]), PAIR, context=context_of(version))
    assert not client.server.is_established
    assert (client.server.alpn, client.server.server_name, client.server.version) == ("", "", "")
    client.shake_hands()
    assert client.send(b"question") == b"question"
    client.server.write(b"answer")
    assert client.receive() == b"answer"
    server = client.server
    assert (server.alpn, server.server_name) == ("dot", "dns.example")
    assert server.version == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
    assert server.is_established
    assert not server.is_resumed


def test_octets_may_come_one_by_one(make_server: MakeServer) -> None:
    client = Client(make_server([PAIR]), PAIR)
    client.shake_hands()
    client.tls.write(b"question")
    read = b""
    for octet in client.outgoing.read():
        client.server.feed(memoryview(bytes((octet,))))
        read += client.server.read()
    assert read == b"question"


def test_what_is_longer_than_a_record_comes_whole(make_server: MakeServer) -> None:
    client = Client(make_server([PAIR]), PAIR)
    client.shake_hands()
    assert client.send(b"x" * 100_000) == b"x" * 100_000
    client.server.write(bytearray(b"y" * 100_000))
    assert client.receive() == b"y" * 100_000


def test_one_read_handles_a_bounded_number_of_records(make_server: MakeServer) -> None:
    client = Client(make_server([PAIR]), PAIR)
    client.shake_hands()
    for _ in range(RECORDS_AT_ONCE + 3):
        client.tls.write(b"x")
    client.server.feed(client.outgoing.read())
    assert client.server.read() == b"x" * RECORDS_AT_ONCE
    assert client.server.has_more
    assert client.server.read() == b"xxx"
    assert not client.server.has_more
    assert client.server.read() == b""


def test_a_client_says_that_it_sends_no_more_and_gets_its_answer(make_server: MakeServer) -> None:
    client = Client(make_server([PAIR]), PAIR)
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


def test_the_server_closes_first(make_server: MakeServer) -> None:
    client = Client(make_server([PAIR]), PAIR)
    client.shake_hands()
    client.server.close()
    client.incoming.write(client.server.take())
    assert client.tls.read() == b""
    client.tls.unwrap()
    client.exchange()
    assert client.server.is_over


@pytest.mark.parametrize(
    ("name", "of"),
    [("dns.example", PAIR), ("other.example", OTHER), ("OTHER.example", OTHER), ("a.wild.example", OTHER)],
)
def test_a_client_gets_the_certificate_for_the_name_that_it_asks_for(
    make_server: MakeServer, name: str, of: CertificatePair
) -> None:
    client = Client(make_server([PAIR, OTHER]), PAIR, OTHER, name=name)
    client.shake_hands()
    assert shown(client) == of.chain
    assert client.server.server_name == name.lower()


def test_a_client_that_asks_for_no_name_or_an_unknown_one_gets_the_first(make_server: MakeServer) -> None:
    server = make_server([PAIR, OTHER])
    for name in ("192.0.2.1", "unknown.example"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        client = Client(server, PAIR, name=name, context=context)
        client.shake_hands()
        assert shown(client) == PAIR.chain


def test_new_sessions_get_other_certificates_and_those_that_exist_go_on(make_server: MakeServer) -> None:
    server = make_server([PAIR])
    old = Client(server, PAIR)
    old.shake_hands()
    newer = pair("dns.example")
    server.use([newer])
    new = Client(server, newer)
    new.shake_hands()
    assert shown(new) == newer.chain
    assert old.send(b"question") == b"question"


def test_a_pair_that_openssl_refuses_changes_nothing(make_server: MakeServer) -> None:
    server = make_server([PAIR])
    broken = CertificatePair("chain.pem", PAIR.chain, OTHER.key, (), (), 0.0, 0.0)
    with pytest.raises(BadCertificate, match=r"OpenSSL refuses chain\.pem with its key \(key values mismatch\)"):
        server.use([OTHER, broken])
    client = Client(server, PAIR)
    client.shake_hands()
    assert shown(client) == PAIR.chain


def test_a_client_that_offers_other_protocols_is_refused_and_one_without_any_is_not(make_server: MakeServer) -> None:
    server = make_server([PAIR], ("h2", "http/1.1"))
    other = Client(server, PAIR, alpn=("imap",))
    assert "no application protocol" in failure_of(other)
    other.incoming.write(other.server.take())
    with pytest.raises(ssl.SSLError, match="no application protocol"):
        other.tls.do_handshake()
    without = Client(server, PAIR, alpn=())
    without.shake_hands()
    assert without.server.alpn == ""
    second = Client(server, PAIR, alpn=("http/1.1", "h2"))
    second.shake_hands()
    assert second.server.alpn == "h2"  # the server's preference


@pytest.mark.parametrize("octets", [b"GET / HTTP/1.1\r\n\r\n", b"\x00\x1d", b"\x16\x02", b"\x80\x2e\x01\x03\x03"])
def test_what_is_no_tls_is_a_failure_at_each_call(make_server: MakeServer, octets: bytes) -> None:
    session = make_server([PAIR]).session()
    session.feed(octets)
    for _ in range(2):
        with pytest.raises(TlsFailure, match="it does not speak TLS"):
            session.read()
    assert session.take() == b""
    with pytest.raises(TlsFailure):
        session.write(b"answer")


def test_old_versions_are_refused_with_an_alert(make_server: MakeServer) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    client = Client(make_server([PAIR]), PAIR, context=context)
    assert "unsupported protocol" in failure_of(client)
    assert client.server.take()[0] == ALERT


def test_ciphers_without_forward_secrecy_are_refused(make_server: MakeServer) -> None:
    context = context_of(ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-GCM-SHA256:ECDHE+AES+SHA256")
    assert "no shared cipher" in failure_of(Client(make_server([PAIR]), PAIR, context=context))


@pytest.mark.parametrize("version", [0, TLS1_2])
@pytest.mark.parametrize("groups", [b"P-256", b"X448:P-521:P-384:ffdhe8192:P-256"])
def test_keys_are_exchanged_by_a_group_that_costs_little(make_server: MakeServer, version: int, groups: bytes) -> None:
    client = LibsslClient(make_server([PAIR]).session(), version, groups)
    client.shake_hands()
    assert client.do("SSL_write", b"question", 8) == 8
    assert client.exchange() == b"question"
    client.close()


@pytest.mark.parametrize("group", [b"ffdhe2048", b"ffdhe8192", b"P-384", b"P-521", b"X448"])
def test_a_client_that_offers_a_costly_group_alone_is_refused(make_server: MakeServer, group: bytes) -> None:
    client = LibsslClient(make_server([PAIR]).session(), groups=group)
    client.do("SSL_do_handshake")
    with pytest.raises(TlsFailure):
        client.exchange()
    assert client.server.take()[0] == ALERT
    client.close()


def test_a_handshake_is_bounded_in_octets(make_server: MakeServer) -> None:
    session = make_server([PAIR]).session()
    hello = b"\x01\x00\x80\x00" + bytes(MAX_CLIENT_HELLO)  # one that says that it is 32,768 octets long
    parts = [hello[at : at + 1000] for at in range(0, len(hello), 1000)]
    for part in parts[:-1]:
        session.feed(b"\x16\x03\x01" + len(part).to_bytes(2) + part)
        assert session.read() == b""
    session.feed(b"\x16\x03\x01" + len(parts[-1]).to_bytes(2) + parts[-1])
    with pytest.raises(TlsFailure, match="its handshake is too long"):
        session.read()


def test_a_record_that_is_too_long_is_refused_with_an_alert(make_server: MakeServer) -> None:
    client = Client(make_server([PAIR]), PAIR)
    client.shake_hands()
    client.server.feed(b"\x17\x03\x03\xff\xff" + bytes(10))
    with pytest.raises(TlsFailure, match="too long"):
        client.server.read()
    assert client.server.take()[0] == 23  # the alert, encrypted


def test_what_was_read_before_a_failure_is_not_lost(make_server: MakeServer) -> None:
    client = Client(make_server([PAIR]), PAIR)
    client.shake_hands()
    client.tls.write(b"question")
    client.server.feed(client.outgoing.read() + b"\x17\x03\x03\x00\x20" + bytes(32))
    assert client.server.read() == b"question"
    with pytest.raises(TlsFailure, match="decryption failed or bad record mac"):
        client.server.read()


@pytest.mark.parametrize("kind", [KEY_UPDATE_NOT_REQUESTED, KEY_UPDATE_REQUESTED])
def test_keys_are_updated_and_a_flood_of_updates_ends_the_session(make_server: MakeServer, kind: int) -> None:
    client = LibsslClient(make_server([PAIR]).session())
    client.shake_hands()
    for _ in range(MAX_EMPTY_RECORDS):
        assert client.do("SSL_key_update", kind) == 1
        client.do("SSL_do_handshake")
        assert client.exchange() == b""
    assert client.do("SSL_write", b"question", 8) == 8
    assert client.exchange() == b"question"
    client.do("SSL_key_update", kind)
    client.do("SSL_do_handshake")
    with pytest.raises(TlsFailure, match="too many records without data"):
        client.exchange()
    client.close()


def test_a_client_that_negotiates_again_is_refused(make_server: MakeServer) -> None:
    client = LibsslClient(make_server([PAIR]).session(), TLS1_2)
    client.shake_hands()
    assert client.server.version == "TLSv1.2"
    client.do("SSL_renegotiate")
    client.do("SSL_do_handshake")
    assert client.exchange() == b""  # an alert, no_renegotiation, which a client may heed
    assert client.do("SSL_do_handshake") != 1
    client.close()


def test_sessions_may_end_at_any_time(make_server: MakeServer) -> None:
    server = make_server([PAIR])
    begun = Client(server, PAIR)
    with pytest.raises(ssl.SSLWantReadError):
        begun.tls.do_handshake()
    begun.server.feed(begun.outgoing.read()[:100])
    assert begun.server.read() == b""
    begun.server.close()
    assert begun.server.take() == b""
    for _ in range(100):
        Client(server, PAIR).shake_hands()


@pytest.mark.parametrize("size", [1, 3, 1 << 14])
def test_a_client_that_asks_for_what_cannot_be_a_name_is_refused_with_an_alert(
    make_server: MakeServer, size: int
) -> None:
    client = Client(make_server([PAIR]), PAIR)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    hello = client.outgoing.read().replace(b"dns.example", b"dns.examp\xff\xfe")[5:]
    pieces = (hello[at : at + size] for at in range(0, len(hello), size))
    client.server.feed(b"".join(b"\x16\3\1" + len(piece).to_bytes(2) + piece for piece in (b"", *pieces)))
    for _ in range(len(hello) // (size * RECORDS_AT_ONCE)):
        assert client.server.read() == b""
    with pytest.raises(TlsFailure):
        client.server.read()
    assert client.server.take() == bytes((ALERT, 3, 3, 0, 2, 2, 112))  # unrecognized_name, RFC 6066 section 3
