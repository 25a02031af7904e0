"""Certificates go from process to process in a sealed file, and a process uses what it is handed."""

from __future__ import annotations

import asyncio
import os

import pytest

from blockd.daemon.certificates.follower import CertificateFollower
from blockd.daemon.certificates.handed import hand_over, take_over
from blockd.daemon.channel import DESCRIPTOR
from blockd.daemon.interchange import sealed
from blockd.errors import BadCertificate
from blockd.tls import CertificatePair, ForgetfulKeys, ServerTls
from tests.tls.certificates import Client, pair

PAIR = pair("dns.example", "*.dns.example", "192.0.2.1", "2001:db8::1")
OTHER = pair("other.example", "dns.example")


def memory(octets: bytes) -> int:
    descriptor = sealed.made("test")
    os.write(descriptor, octets)
    sealed.seal(descriptor)
    return descriptor


def test_what_is_handed_over_is_what_is_taken_over() -> None:
    descriptor = hand_over([PAIR, OTHER])
    assert sealed.is_sealed(descriptor)
    assert take_over(descriptor) == (PAIR, OTHER)
    assert take_over(descriptor) == (PAIR, OTHER)
    os.close(descriptor)


def test_a_key_is_shown_in_no_text() -> None:
    assert b"PRIVATE" in PAIR.key
    assert "PRIVATE" not in repr(PAIR)


@pytest.mark.parametrize("octets", [b"", b"[]", b"{}", b"[1]", b'[{"source": "x"}]', b"\xff", b"[" * 1000])
def test_what_is_none_is_refused(octets: bytes) -> None:
    descriptor = memory(octets)
    with pytest.raises(BadCertificate):
        take_over(descriptor)
    os.close(descriptor)


def test_what_could_still_be_changed_is_refused() -> None:
    descriptor = sealed.made("test")
    with pytest.raises(BadCertificate, match="not sealed"):
        take_over(descriptor)
    os.close(descriptor)


def follower(*pairs: CertificatePair) -> CertificateFollower:
    return CertificateFollower(pairs, ForgetfulKeys(bytes(32)))


def shown(server: ServerTls) -> bytes:
    client = Client(server, PAIR, OTHER)
    client.shake_hands()
    return client.tls.getpeercert(binary_form=True) or b""


def test_all_that_a_process_serves_changes_to_what_it_is_handed() -> None:
    async def check() -> None:
        following = follower(PAIR)
        servers = [following.server(("dot",)), following.server(("h2", "dot"))]
        following.take({"certificates": 1, DESCRIPTOR: hand_over([OTHER])})
        await following.use(following._news.get_nowait())
        one, two = (shown(server) for server in servers if server is not None)
        assert one == two == shown(server_of(OTHER))

    asyncio.run(check())


def server_of(pair: CertificatePair) -> ServerTls:
    made = follower(pair).server(("dot",))
    assert made is not None
    return made


def test_without_certificates_there_is_no_tls() -> None:
    assert follower().server(("dot",)) is None


def test_what_is_broken_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    following = follower(PAIR)
    following.take({"certificates": 1, DESCRIPTOR: memory(b"[]")})
    following.take({"certificates": 1})
    assert "The certificates before stay in use" in caplog.text
    assert following._news.empty()
