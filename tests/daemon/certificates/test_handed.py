"""Certificates go from process to process in a sealed file, and a process uses what it is handed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from blockd.daemon.certificates.follower import CertificateFollower
from blockd.daemon.certificates.handed import HandedCertificates, problems_of
from blockd.daemon.channel import DESCRIPTOR
from blockd.daemon.interchange import sealed
from blockd.errors import BadCertificate
from blockd.settings.encrypted import Certificate
from blockd.tls import CertificatePair, ForgetfulKeys, ServerTls
from blockd.tls.files import read_files
from tests.tls.certificates import Client, certificate, pair

PAIR = pair("dns.example", "*.dns.example", "192.0.2.1", "2001:db8::1")
OTHER = pair("other.example", "dns.example")


def memory(octets: bytes) -> int:
    descriptor = sealed.made("test")
    os.write(descriptor, octets)
    sealed.seal(descriptor)
    return descriptor


def test_what_is_handed_over_is_what_is_taken_over() -> None:
    handed = HandedCertificates.of([PAIR, OTHER])
    assert handed.descriptor is not None
    assert sealed.is_sealed(handed.descriptor)
    assert handed.pairs() == (PAIR, OTHER)
    assert handed.pairs() == (PAIR, OTHER)
    handed.close()
    assert handed.pairs() == ()


def test_a_key_is_shown_in_no_text() -> None:
    assert b"PRIVATE" in PAIR.key
    assert "PRIVATE" not in repr(PAIR)


@pytest.mark.parametrize("octets", [b"", b"[]", b"{}", b"[1]", b'[{"source": "x"}]', b"\xff", b"[" * 1000])
def test_what_is_none_is_refused(octets: bytes) -> None:
    handed = HandedCertificates(memory(octets))
    with pytest.raises(BadCertificate):
        handed.pairs()
    handed.close()


def test_what_could_still_be_changed_is_refused() -> None:
    handed = HandedCertificates(sealed.made("test"))
    with pytest.raises(BadCertificate, match="not sealed"):
        handed.pairs()
    assert handed.problems() == [
        "certificates: the process that reads them has failed (it is not sealed, or too large); please report it"
    ]
    handed.close()


def test_files_are_read_in_a_child_with_every_problem_of_theirs(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two", "three"):
        paths = [tmp_path / f"{name}.{suffix}" for suffix in ("pem", "key")]
        for path, content in zip(paths, certificate(f"{name}.example"), strict=True):
            path.write_bytes(content)
        files.append(Certificate.model_construct(chain=paths[0], key=paths[1]))
    handed = HandedCertificates.read(files)
    assert handed.problems() == []
    assert handed.pairs() == tuple(map(read_files, files))
    handed.close()
    files[0].key.unlink()
    files[2].chain.write_bytes(b"none")
    todo = "name a chain and its key, both in PEM"
    assert problems_of(files) == [
        f"certificates[0]: {files[0].key} cannot be read: no such file or directory; {todo}",
        f"certificates[2]: {files[2].chain} has no certificate chain in PEM; {todo}",
    ]
    assert HandedCertificates.read([]).pairs() == ()


def follower(*pairs: CertificatePair) -> CertificateFollower:
    handed = HandedCertificates.of(pairs) if pairs else HandedCertificates()
    return CertificateFollower(handed, ForgetfulKeys(bytes(32)))


def shown(server: ServerTls) -> bytes:
    client = Client(server, PAIR, OTHER)
    client.shake_hands()
    return client.tls.getpeercert(binary_form=True) or b""


def test_all_that_a_process_serves_changes_to_what_it_is_handed() -> None:
    async def check() -> None:
        following = follower(PAIR)
        servers = [following.server(("dot",)), following.server(("h2", "dot"))]
        following.take({"certificates": 1, DESCRIPTOR: HandedCertificates.of([OTHER]).descriptor})
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
