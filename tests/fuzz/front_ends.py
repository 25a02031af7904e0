"""Mutated datagrams of front ends, whose headers the engine takes off, with a look at the twin now and then."""

from __future__ import annotations

import time
from pathlib import Path

from blockd.names import Network
from blockd.resolver import SelfTestIdentity, SelfTestKey
from tests.fuzz.driver import driver
from tests.resolver import corpus
from tests.resolver.edge.headers import DGRAM, STREAM, UNIQUE_ID, header, local
from tests.resolver.twins import Twins

ROUND = 250_000  # datagrams between two looks at the clock
SAMPLES = 5_000  # datagrams of each round that are shown to the twin
HOSTS = ("192.0.2.200", "2001:db8:1::1", "::ffff:192.0.2.200")


def headers(folder: Path, count: int, seed: int, end: float) -> str:
    """Fuzz with headers."""
    key = SelfTestKey(bytes(range(16)))
    proxies = (Network.from_text("127.0.0.1"), Network.from_text("::1"))
    twins = Twins(folder, serving=lambda: {"proxies": proxies, "selftest": SelfTestIdentity(key, 0)})
    wrapped = [header(host, kind, tlvs=tlvs) for host in HOSTS for kind in (DGRAM, STREAM) for tlvs in (b"", UNIQUE_ID)]
    wrapped += [local(), local(bytes(40), 0x11), header(HOSTS[0], tlvs=UNIQUE_ID * 60)]
    questions = list(corpus.questions())
    seeds = driver.Seeds([one + questions[place * 7 % len(questions)] for place, one in enumerate(wrapped)] + wrapped)
    done = taken = compared = 0
    while done < count and time.monotonic() < end:
        some = min(ROUND, count - done)
        tally = driver.headers(twins.native.resolver.engine, seeds, some, seed + done, max(1, some // SAMPLES))
        for packet, host, said in tally.samples:
            assert twins.python.resolver.proxied.unwrap(packet, host) == said, f"{packet.hex()} from {host}: {said!r}"
            compared += 1
        done += tally.done
        taken += tally.answered
    return f"{done:,}: {taken:,} taken, {done - taken:,} dropped, {compared:,} compared with the twin"
