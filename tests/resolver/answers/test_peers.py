"""What BIND and Unbound answer to odd questions, beside what blockd does: a table, and who keeps to it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.rcode
import pytest

from blockd.metrics import Transport
from blockd.resolver.query import MAX_OPTIONS
from tests.daemon.harness import PATIENCE, free_port
from tests.daemon.test_rpz_peers import peer
from tests.peers import forward_to, named, unbound
from tests.resolver import corpus
from tests.resolver.rig import Rig
from tests.upstream import UpstreamSimulator

NAME = "untouched.test"  # what `peer` waits for
ASKED = "one.example"
SILENCE = "silence"

# By type, of class IN: what blockd, Unbound 1.17 and BIND 9.18 answer to a name that upstream has no such records for.
# `+` says that upstream was asked.
TYPES = {
    0: ("FORMERR", "NOERROR+", "NOERROR+"),  # reserved, RFC 6895 section 3.1
    41: ("FORMERR", "FORMERR", "FORMERR"),  # OPT
    46: ("NOERROR+", "NOERROR+", "NOERROR+"),  # RRSIG
    127: ("NOERROR+", "NOERROR+", "NOERROR+"),  # the last type of records before the meta-types
    128: ("FORMERR", "FORMERR", "FORMERR"),  # NXNAME
    200: ("FORMERR", "FORMERR", "FORMERR"),
    248: ("FORMERR", "FORMERR", "FORMERR"),
    249: ("FORMERR", "FORMERR", "FORMERR"),  # TKEY
    250: ("FORMERR", "FORMERR", "FORMERR"),  # TSIG
    251: ("REFUSED", "REFUSED", "NOTAUTH"),  # IXFR
    252: ("REFUSED", "REFUSED", "NOTAUTH"),  # AXFR
    253: ("FORMERR", "FORMERR", "NOTIMP"),  # MAILB
    254: ("FORMERR", "FORMERR", "NOTIMP"),  # MAILA
    255: ("NOERROR+", "NOERROR+", "NOERROR+"),  # ANY
    256: ("NOERROR+", "NOERROR+", "NOERROR+"),  # URI, the first type of records behind them
    65535: ("NOERROR+", "NOERROR+", "NOERROR+"),
}
# By class, of type A.
CLASSES = {
    0: ("REFUSED", "REFUSED", "FORMERR"),
    2: ("REFUSED", "REFUSED", "NOTIMP"),
    3: ("REFUSED", "REFUSED", "REFUSED"),  # CHAOS
    4: ("REFUSED", "REFUSED", "REFUSED"),  # HESIOD
    254: ("REFUSED", "REFUSED", "FORMERR"),  # NONE
    255: ("REFUSED", "NOERROR", "FORMERR"),  # ANY
}
# What stands behind the question, and how many records it is said to be.
TAILS = {
    "an octet": (b"\0", 0),
    "an OPT that is not counted": (corpus.OPT, 0),
    "many octets": (b"\xff" * 300, 0),
    "an octet behind OPT": (corpus.OPT + b"\0", 1),
    "many octets behind OPT": (corpus.OPT + b"\xff" * 300, 1),
    "a cut OPT": (corpus.OPT[:-1], 1),
    "EDNS version 1 and an octet": (corpus.OPT[:6] + b"\1" + corpus.OPT[7:] + b"\0", 1),
}
ANSWERED = dict.fromkeys(TAILS, "NOERROR") | {
    "a cut OPT": "FORMERR",
    "EDNS version 1 and an octet": "BADVERS",
}


def option(code: int, content: bytes, size: int | None = None) -> bytes:
    """Return an EDNS option that says `size` octets, by default as many as its content has."""
    return struct.pack(">HH", code, len(content) if size is None else size) + content


def opt(*options: bytes, owner: bytes = b"\0", version: int = 0) -> bytes:
    """Return an OPT record with options."""
    octets = b"".join(options)
    return owner + struct.pack(">HHBBHH", 41, 1232, 0, version, 0, len(octets)) + octets


SUBNET, COOKIE, KEEPALIVE, PADDING, UNKNOWN = 8, 10, 11, 12, 65_111
# What the OPT record is, and how many records are counted: what blockd, Unbound 1.17 and BIND 9.18 answer, over UDP and
# TCP alike. blockd does what RFC 6891 and RFC 7873 section 5.2 say: of a version that it does not know it reads no
# option, of several cookies the first, and no more than MAX_OPTIONS in all.
EDNS = {
    "whole": (opt(option(UNKNOWN, b"anything"), option(UNKNOWN, b"")), 1, ("NOERROR", "NOERROR", "NOERROR")),
    "two": (corpus.OPT * 2, 2, ("FORMERR", "FORMERR", "FORMERR")),
    "not the root's": (opt(owner=b"\1x\0"), 1, ("FORMERR", "FORMERR", "FORMERR")),
    "an option beyond it": (opt(option(UNKNOWN, b"four", 5)), 1, ("FORMERR", "NOERROR", "FORMERR")),
    "an option far beyond it": (opt(option(UNKNOWN, b"", 65_535)), 1, ("FORMERR", "NOERROR", "FORMERR")),
    "a cut option behind a whole one": (opt(option(PADDING, b"12"), b"\0\x0c\0"), 1, ("FORMERR", "NOERROR", "FORMERR")),
    "one octet of an option": (opt(b"\0"), 1, ("FORMERR", "NOERROR", "FORMERR")),
    "as many options as are read": (opt(option(UNKNOWN, b"") * MAX_OPTIONS), 1, ("NOERROR", "NOERROR", "NOERROR")),
    "an option more": (opt(option(UNKNOWN, b"") * (MAX_OPTIONS + 1)), 1, ("FORMERR", "NOERROR", "NOERROR")),
    "malformed, of version 1": (opt(b"\0", version=1), 1, ("BADVERS", "BADVERS", "FORMERR")),
    "keepalive": (opt(option(KEEPALIVE, b"")), 1, ("NOERROR", "NOERROR", "NOERROR")),
    "keepalive with a time": (opt(option(KEEPALIVE, b"\0\1")), 1, ("NOERROR", "NOERROR", "NOERROR")),
    "a subnet": (opt(option(SUBNET, b"\0\1\x18\0\xc6\x33\x64")), 1, ("NOERROR", "NOERROR", "NOERROR")),
    "a malformed subnet": (opt(option(SUBNET, b"\0\1\x20")), 1, ("NOERROR", "NOERROR", "FORMERR")),
    "a second cookie that is malformed": (
        opt(option(COOKIE, b"8octets!"), option(COOKIE, b"")), 1, ("NOERROR", "NOERROR", "FORMERR")
    ),
} | {
    f"a cookie of {size} octets": (
        opt(option(COOKIE, bytes(size))), 1, (said, "NOERROR", said)
    )
    for said, sizes in {"NOERROR": (8, 16, 40), "FORMERR": (0, 4, 7, 9, 15, 41)}.items()
    for size in sizes
}  # fmt: skip

Ask = Callable[[bytes, Transport], str]


def query(number: int, kind: int = 1, klass: int = 1, tail: bytes = b"", records: int = 0) -> bytes:
    """Return a question for a name of its own, so that no cache has the answer."""
    name = f"n{number}.{ASKED}".encode()
    wire = b"".join(bytes((len(label),)) + label for label in name.split(b".")) + b"\0"
    return struct.pack(">6H", number, 0x0100, 1, 0, 0, records) + wire + struct.pack(">HH", kind, klass) + tail


def told(answer: bytes | None) -> str:
    if answer is None:
        return SILENCE
    try:
        return dns.rcode.to_text(dns.message.from_wire(answer).rcode())
    except dns.exception.DNSException:  # Unbound echoes what it calls malformed
        return dns.rcode.to_text(dns.rcode.Rcode(answer[3] & 15))


def over_network(port: int) -> Ask:
    def ask(packet: bytes, transport: Transport) -> str:
        kind = socket.SOCK_DGRAM if transport is Transport.UDP else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(("127.0.0.1", port))
            sock.sendall(packet if transport is Transport.UDP else len(packet).to_bytes(2) + packet)
            answer = sock.recv(65535)
            while transport is not Transport.UDP and len(answer) < 2 + int.from_bytes(answer[:2]):
                answer += sock.recv(65535)
        return told(answer if transport is Transport.UDP else answer[2:])

    return ask


@pytest.fixture
def upstream() -> Iterator[UpstreamSimulator]:
    with UpstreamSimulator() as simulator:
        simulator.plan(NAME, "A", f"{NAME}. 60 IN A 192.0.2.4")
        number = 0
        for number in range(1, 1 + len(TYPES) + len(CLASSES) + 2 * len(TAILS) + 2 * len(EDNS)):
            simulator.plan(f"n{number}.{ASKED}", "A", f"n{number}.{ASKED}. 60 IN A 192.0.2.1")
        yield simulator


def check(ask: Ask, upstream: UpstreamSimulator, column: int) -> None:
    """Ask everything; fail if an answer is not that of a column of the tables."""
    found: dict[object, str] = {}
    number = 0
    for kind in TYPES:
        number += 1
        said = ask(query(number, kind), Transport.UDP)
        asked = any(str(seen.message.question[0].name).startswith(f"n{number}.") for seen in upstream.seen)
        found["type", kind] = said + ("+" if asked else "")
    for klass in CLASSES:
        number += 1
        found["class", klass] = ask(query(number, 1, klass), Transport.UDP)
    for tail, (octets, records) in TAILS.items():
        for transport in (Transport.UDP, Transport.TCP):
            number += 1
            found[tail, transport.name] = ask(query(number, tail=octets, records=records), transport)
    for shape, (octets, records, _) in EDNS.items():
        for transport in (Transport.UDP, Transport.TCP):
            number += 1
            found[shape, transport.name] = ask(query(number, tail=octets, records=records), transport)
    expected: dict[object, str] = {("type", kind): row[column] for kind, row in TYPES.items()}
    expected |= {("class", klass): row[column] for klass, row in CLASSES.items()}
    expected |= {(tail, name): said for tail, said in ANSWERED.items() for name in ("UDP", "TCP")}
    expected |= {(shape, name): row[column] for shape, (*_, row) in EDNS.items() for name in ("UDP", "TCP")}
    assert found == expected


def test_odd_questions_are_answered_by_the_table(upstream: UpstreamSimulator, tmp_path: Path) -> None:
    rig = Rig(tmp_path, upstream.upstream)
    check(lambda packet, transport: told(asyncio.run(rig.resolve(packet, transport=transport))), upstream, 0)


def unbound_before(folder: Path, port: int, upstream: int) -> list[str]:
    return unbound(folder, port, forward_to(upstream), server='  local-zone: "test." transparent')


@pytest.mark.parametrize(("program", "made", "column"), [("unbound", unbound_before, 1), ("named", named, 2)])
def test_peers_answer_odd_questions_by_the_table(
    upstream: UpstreamSimulator, tmp_path: Path, program: str, made: Callable[[Path, int, int], list[str]], column: int
) -> None:
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    port = free_port()
    with peer(tmp_path, made(tmp_path, port, upstream.port), port):
        check(over_network(port), upstream, column)
