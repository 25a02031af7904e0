"""Streams that TLS sessions over libssl should never be sent: before a handshake is complete, and after it."""

from __future__ import annotations

import contextlib
import random
import ssl
import time
from collections import Counter
from pathlib import Path

from blockd.errors import TlsFailure
from blockd.native import is_native
from blockd.tls import ForgetfulKeys, TlsSession
from blockd.tls.choice import EXTENSION
from tests.tls.certificates import Client, pair

ESTABLISHED = 0.2  # the share of streams that begin once a handshake is complete: it costs most of the time
MAX_PIECES = 12
TYPES = (20, 21, 22, 23, 24, 0, 255)  # of records: all that there are, and others


def sessions(_: Path, count: int, seed: int, stop: float) -> str:
    """Feed that many streams; return how they ended."""
    if not is_native(EXTENSION):
        return "none, since the extension over libssl was not built"
    from blockd.tls._session import NativeServerTls

    made = random.Random(seed)  # noqa: S311 - a run can be repeated
    certificates = [pair("dns.example"), pair("other.example", "*.wild.example")]
    server = NativeServerTls(certificates, ("h2", "dot"), ForgetfulKeys(bytes(32)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    ends: Counter[str] = Counter()
    for number in range(count):
        if time.monotonic() >= stop:
            break
        client = Client(server, context=context, name=made.choice(["dns.example", "a.wild.example"]))
        if made.random() < ESTABLISHED:
            client.shake_hands()
            client.tls.write(made.randbytes(made.randrange(1, 2000)))
        else:
            with contextlib.suppress(ssl.SSLWantReadError):
                client.tls.do_handshake()
        ends[_feed(client.server, _changed(client.outgoing.read(), made), made)] += 1
        if number % 1000 == 0:
            server.use(certificates[:: made.choice((1, -1))])
    return ", ".join(f"{times:,} {end}" for end, times in sorted(ends.items()))


def _feed(session: TlsSession, octets: bytes, made: random.Random) -> str:
    """Feed octets in pieces, with answers between them; return how it ended."""
    at = 0
    for _ in range(made.randrange(1, MAX_PIECES)):
        size = made.choice((1, 5, 6, made.randrange(1, 2000), len(octets)))
        session.feed(memoryview(octets)[at : at + size])
        at += size
        try:
            while session.read() or session.has_more:
                pass
            if session.is_established and made.random() < 0.3:
                session.write(made.randbytes(made.randrange(3000)))
        except TlsFailure:
            session.take()
            session.close()
            return "failed"
        if made.random() < 0.1:
            session.close()
        session.take()
    return "over" if session.is_over else "established" if session.is_established else "unfinished"


def _changed(octets: bytes, made: random.Random) -> bytes:
    """Return octets with some of them replaced, cut out or said twice, or with records of a random kind behind."""
    changed = bytearray(octets)
    for _ in range(made.randrange(5)):
        at = made.randrange(len(changed) + 1)
        match made.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << made.randrange(8)
            case 1:
                del changed[at : at + made.randrange(40)]
            case 2:
                changed[at:at] = changed[at : at + made.randrange(60)]
            case 3:
                changed[at:at] = made.randbytes(made.randrange(20))
            case _:
                size = made.choice((0, 1, 2, 30, 1000, 16384, 18432, 65535))
                changed += bytes((made.choice(TYPES), 3, 3)) + size.to_bytes(2) + made.randbytes(min(size, 2000))
    return bytes(changed)
