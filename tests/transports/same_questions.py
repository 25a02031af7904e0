"""Questions of all kinds that are asked over every transport, and what of an answer must be the same over all."""

from __future__ import annotations

import random

import dns.flags
import dns.message

from blockd.dns import types
from blockd.metrics import Transport
from blockd.orders import Action
from blockd.resolver import Outcome
from tests.resolver.rig import Rig, order
from tests.upstream import UpstreamSimulator

LISTED = {
    Action.SINKHOLE: ["telegram.org", "198.51.100.0/24"],
    Action.NXDOMAIN: ["nxdomain.test"],
    Action.NODATA: ["nodata.test"],
    Action.REFUSED: ["refused.test"],
    Action.MONITOR: ["monitored.example"],
    Action.ALLOW: ["allowed.telegram.org"],
}
ASKED = (
    *(
        "telegram.org",
        "web.telegram.org",
        "a.b.c.telegram.org",
        "allowed.telegram.org",
        "nxdomain.test",
        "x.nodata.test",
    ),
    *("refused.test", "monitored.example", "www.example", "alias.example", "listed-alias.example", "hidden.example"),
    *("long.example", "many.example", "missing.example", "nothing.example", "broken.example", "localhost", "invalid"),
    *("1.0.0.127.in-addr.arpa", "1.168.192.in-addr.arpa", "use-application-dns.net", "_dns.resolver.arpa", "test", "."),
    *("resolver.arpa", "version.bind", "id.server", "a." * 120 + "example", "telegram.org.example", "example"),
)
KINDS = (1, 1, 1, 28, 28, 65, 64, 16, 15, 12, 33, 6, 2, 255, 43, 48, 99, 251, 252, 41, 0, 65280)
# Without those by which clients ask for structured errors, which they get over encrypted transports alone.
OPTIONS = (
    (3, b""),
    (8, b"\0\1\x18\0\xc0\0\2"),
    (10, bytes(8)),
    (11, b""),
    (12, bytes(20)),
    (65001, b"x"),
)
UNLIKE = {11, 12}  # the codes of edns-tcp-keepalive and padding, which belong to the transport


def prepare(rig: Rig, upstream: UpstreamSimulator) -> None:
    """Enforce all actions, and plan answers of all kinds."""
    rig.enforce([(order(f"order-{action.value}", action), names) for action, names in LISTED.items()])
    upstream.plan("www.example", "A", "www.example. 300 IN A 203.0.113.1", "www.example. 300 IN A 203.0.113.2")
    upstream.plan("www.example", "AAAA", "www.example. 300 IN AAAA 2001:db8::1")
    upstream.plan("monitored.example", "A", "monitored.example. 300 IN A 203.0.113.3")
    upstream.plan("allowed.telegram.org", "A", "allowed.telegram.org. 300 IN A 203.0.113.4")
    target = ("alias.example. 300 IN CNAME www.example.", "www.example. 300 IN A 203.0.113.1")
    upstream.plan("alias.example", "A", *target)
    listed = ("listed-alias.example. 300 IN CNAME web.telegram.org.", "web.telegram.org. 300 IN A 203.0.113.5")
    upstream.plan("listed-alias.example", "A", *listed)
    upstream.plan("hidden.example", "A", "hidden.example. 300 IN A 198.51.100.7")
    upstream.plan("long.example", "TXT", *(f'long.example. 300 IN TXT "{number:0250}"' for number in range(40)))
    upstream.plan("many.example", "A", *(f"many.example. 300 IN A 203.0.113.{number}" for number in range(100)))
    upstream.plan("broken.example", "A", rcode="SERVFAIL")
    soa = "example. 3600 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60"
    upstream.plan("nothing.example", "A", authority=[soa])


def questions(rig: Rig, count: int, seed: int = 16) -> list[bytes]:
    """Return questions with IDs from 0 on, usual and unusual ones, to all of which an answer comes."""
    chosen = random.Random(seed)  # noqa: S311 - a test repeats itself
    made: list[bytes] = []
    while len(made) < count:
        octets = len(made).to_bytes(2) + _question(chosen)
        if not isinstance(rig.resolver.begin(octets, "127.0.0.1", Transport.TCP), Outcome):
            made.append(octets)
    return made


def _question(chosen: random.Random) -> bytes:
    """Return a message without its ID."""
    name = "".join(chosen.choice((letter, letter.upper())) for letter in chosen.choice(ASKED))
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"
    flags = chosen.choice((0x0100, 0x0100, 0x0100, 0x0120, 0x0110, 0x0000, 0x0900, 0x2000))
    kind, group = chosen.choice(KINDS), chosen.choice((1, 1, 1, 1, 1, 1, 3, 255))
    extra = b""
    if chosen.random() < 0.7:
        options = b""
        for code, value in chosen.sample(OPTIONS, chosen.randrange(4)):
            options += code.to_bytes(2) + len(value).to_bytes(2) + value
        version = 0 if chosen.random() < 0.95 else 1
        size, bits = chosen.choice((0, 512, 1232, 4096, 65535)), chosen.choice((0, 0x8000))
        extra = b"\0\0\x29" + size.to_bytes(2) + bytes([0, version]) + bits.to_bytes(2) + len(options).to_bytes(2)
        extra += options
    octets = flags.to_bytes(2) + bytes([0, 1, 0, 0, 0, 0, 0, bool(extra)]) + labels
    octets += kind.to_bytes(2) + group.to_bytes(2) + extra
    if chosen.random() < 0.05:
        at = chosen.randrange(2, len(octets))
        octets = octets[:at] + bytes([chosen.randrange(256)]) + octets[at + 1 :]
    return octets if chosen.random() < 0.97 else octets[: chosen.randrange(10, len(octets))]


def essence(octets: bytes) -> tuple[object, ...]:
    """Return what of an answer is the same over all transports, but for its ID; of one that is cut, what is left."""
    message = dns.message.from_wire(octets, ignore_trailing=True)
    header = message.flags & ~dns.flags.TC, message.rcode(), message.edns, tuple(map(str, message.question))
    if message.flags & dns.flags.TC:
        return header
    options = sorted((int(one.otype), one.to_wire()) for one in message.options if int(one.otype) not in UNLIKE)
    sections = [sorted(map(str, section)) for section in (message.answer, message.authority, message.additional)]
    return *header, options, message.payload if message.edns >= 0 else 0, sections


def is_cut(octets: bytes) -> bool:
    """Return whether an answer has TC set."""
    return bool(octets[2] & types.TC >> 8)
