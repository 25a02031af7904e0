"""Policy zones as BIND and Unbound have them: the same zones, the same upstream, the same answers."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.daemon.harness import PATIENCE, Daemon, free_port, until
from tests.peers import forward_to, named, running, unbound
from tests.upstream import UpstreamSimulator

SILENT = "drop.test"
ZONES = ("first", "second")
SILENCE = 0.8  # seconds after which a question for that name counts as not answered

FIRST = """\
$TTL 60
$ORIGIN first.rpz.
@ SOA localhost. hostmaster.localhost. 7 3600 600 86400 60
@ NS localhost.
nxdomain.test       CNAME .
*.nxdomain.test     CNAME .
nodata.test         CNAME *.
pass.test           CNAME rpz-passthru.
old-pass.test       CNAME old-pass.test.
drop.test           CNAME rpz-drop.
tcp.test            CNAME rpz-tcp-only.
cname.test          CNAME landing.open.
*.garden.test       CNAME *.garden.open.
local.test          A 192.0.2.66
                    A 192.0.2.67
                    TXT "kept here" "in two"
                    MX 10 mail.open.
$ORIGIN test.first.rpz.
*.wild              CNAME .
inner.wild          CNAME rpz-passthru.
*.deep.wild         CNAME *.
$ORIGIN first.rpz.
32.1.100.51.198.rpz-ip      CNAME .
24.0.100.51.198.rpz-ip      CNAME *.
128.7.zz.db8.2001.rpz-ip    CNAME .
32.9.100.51.198.rpz-ip      CNAME rpz-passthru.
32.8.100.51.198.rpz-ip      A 192.0.2.68
32.10.100.51.198.rpz-ip     CNAME 32.10.100.51.198.
*.empty.test                CNAME .
ads.com.b.empty.test        CNAME *.
events.test                 CNAME 10
10                          A 192.0.2.70
party.test                  CNAME garden.local
garden.local                A 192.0.2.71
                            TXT "inside"
under.test                  CNAME a.inside.local
*.inside.local              A 192.0.2.72
*.star.test                 CNAME *.inside.local
chain.test                  CNAME hop.local
hop.local                   CNAME landing.open.
"""

# Forms of a zone file that BIND takes, and the same as Unbound can read it.
FORMS = """\
big.test 4294967295         A 192.0.2.73
forms.test IN 1h30m         CNAME .
forms2.test 1w2d IN         ( CNAME
                              *. ) ; over two lines
forms\\.3.test               CNAME .
f\\111rms4.test              CNAME .
FORMS5.test CLASS1          TYPE5 \\# 1 00
"""
PLAIN_FORMS = """\
big.test                    A 192.0.2.73
forms.test                  CNAME .
forms2.test                 CNAME *.
forms\\.3.test               CNAME .
forms4.test                 CNAME .
forms5.test                 CNAME .
"""

SECOND = """\
$TTL 60
pass.test.second.rpz.       60 IN CNAME .
old-pass.test.second.rpz.   CNAME .
nxdomain.test.second.rpz.   CNAME *.
inner.wild.test.second.rpz. CNAME .
second.test.second.rpz.     CNAME .
late.test.second.rpz.       CNAME *.
24.0.113.0.203.rpz-ip.second.rpz.   CNAME .
32.2.0.0.127.rpz-client-ip.second.rpz.   CNAME *.
32.3.0.0.127.rpz-client-ip.second.rpz.   CNAME rpz-passthru.
32.9.100.51.198.rpz-ip.second.rpz.  CNAME .
only-ip.open.second.rpz.    CNAME rpz-passthru.
second.rpz. IN NS localhost.
second.rpz. IN SOA localhost. hostmaster.localhost. ( 9 3600 600
        86400 60 ) ; over two lines, and the last record
"""

# A name that is asked for, and the address that upstream has for it.
OPEN = {
    "landing.open": "192.0.2.1",
    "www.garden.test.garden.open": "192.0.2.2",
    "a.b.garden.test.garden.open": "192.0.2.3",
    "untouched.test": "192.0.2.4",
    "pass.test": "192.0.2.5",
    "old-pass.test": "192.0.2.6",
    "tcp.test": "192.0.2.7",
    "wild.test": "192.0.2.8",
    "inner.wild.test": "192.0.2.9",
    "a.inner.wild.test": "192.0.2.10",
    "deep.wild.test": "192.0.2.11",
    "garden.test": "192.0.2.12",
    "a.cname.test": "192.0.2.13",
    "ip-nxdomain.open": "198.51.100.1",
    "ip-nodata.open": "198.51.100.2",
    "ip-pass.open": "198.51.100.9",
    "ip-local.open": "198.51.100.8",
    "ip-second.open": "203.0.113.3",
    "only-ip.open": "198.51.100.1",
    "second.pass.open": "203.0.113.4",
    "late.test": "198.51.100.1",
    "ip-old-pass.open": "198.51.100.10",
    "empty.test": "192.0.2.14",
    "b.empty.test": "192.0.2.15",
    "c.b.empty.test": "192.0.2.16",
    "com.b.empty.test": "192.0.2.17",
    "z.ads.com.b.empty.test": "192.0.2.18",
}
# Names with several addresses, each asked for in both orders.
MANY = {
    "longest": ("198.51.100.99", "198.51.100.1"),
    "smallest": ("198.51.100.8", "198.51.100.1"),
    "passed": ("203.0.113.3", "198.51.100.9", "198.51.100.99"),
    "zones": ("203.0.113.3", "198.51.100.99"),
}
ORDERED = {
    f"{way}-{name}.open": addresses[::step]
    for name, addresses in MANY.items()
    for way, step in (("to", 1), ("fro", -1))
}
# Names that lead on, and to where; of these the rcode is compared: blockd answers as if the question had been for the
# name that is listed, and leaves the way to it out.
CHAINS = {
    "to-nxdomain.open": ("nxdomain.test", "192.0.2.20"),
    "to-pass.open": ("pass.test", "192.0.2.5"),
    "to-pass-by-bad-address.open": ("inner.wild.test", "203.0.113.9"),
    "to-nodata.open": ("nodata.test", "192.0.2.21"),
    "to-second.open": ("second.test", "198.51.100.1"),
    "to-address.open": ("other.open", "198.51.100.1"),
    "to-late.open": ("late.test", "198.51.100.1"),
}
QUESTIONS = [
    *((name, "A") for name in CHAINS),
    *((name, kind) for name in OPEN for kind in ("A", "AAAA")),
    *((name, "A") for name in ("nxdomain.test", "a.nxdomain.test", "nodata.test", "drop.test", "cname.test")),
    *((name, "TXT") for name in ("nxdomain.test", "a.b.nxdomain.test", "nodata.test", "second.test")),
    *(("local.test", kind) for kind in ("A", "AAAA", "TXT", "MX")),
    *((name, "A") for name in ("a.wild.test", "a.b.wild.test", "a.deep.wild.test", "b.a.inner.wild.test")),
    *((name, "A") for name in ("www.garden.test", "a.b.garden.test", "a.local.test", "second.test")),
    ("ip6-nxdomain.open", "AAAA"),
    ("ip6-mapped.open", "AAAA"),
    *((name, "A") for name in ORDERED),
    *((name, "A") for name in ("z.empty.test", "z.z.empty.test", "ads.com.b.empty.test")),
    *(
        (name, kind)
        for name in ("events.test", "party.test", "under.test", "a.star.test")
        for kind in ("A", "TXT", "CNAME")
    ),
    *((name, "A") for name in ("chain.test", "big.test", "forms.test", "forms2.test", "forms4.test", "forms5.test")),
    ("forms\\.3.test", "A"),
]

EMPTY = ("deep.wild", "b.empty", "c.b.empty", "com.b.empty")  # names in a zone without a rule, and one below

# Where a peer does otherwise. BIND waits for upstream's answer where an earlier zone may have a rule for it; blockd and
# Unbound do not; and it shows each alias of a chain in the zone, blockd only where it ends. Of Unbound: a CNAME to
# itself is no passthru; a name that exists only because another is below it does not keep the wildcard above it from
# matching; a passthru for the name or the client does not end at rules of earlier zones, or does not hold for
# addresses; the target of a CNAME is asked for upstream, also if it is in the zone; and with a star it is a name as any
# other. Of several addresses the first in the answer decides, a name stands over an address that an earlier zone lists,
# and a mapped address is not IPv4.
OTHERWISE = {
    "named": {("late.test", "A"), ("chain.test", "A")},
    "unbound": {
        *(("old-pass.test", kind) for kind in ("A", "AAAA")),
        *((f"{name}.test", kind) for name in EMPTY for kind in ("A", "AAAA")),
        *((f"{name}.test", kind) for name in ("events", "party", "under", "a.star") for kind in ("A", "TXT")),
        ("a.star.test", "CNAME"),
        ("chain.test", "A"),
        ("ip-old-pass.open", "A"),
        ("only-ip.open", "A"),
        ("ip-second.open", "127.0.0.3"),
        *((name, "A") for name in ("to-longest.open", "to-smallest.open", "fro-passed.open", "to-late.open")),
        ("ip6-mapped.open", "AAAA"),
    },
}

Told = tuple[str, bool, list[str]]


@pytest.fixture
def upstream() -> Iterator[UpstreamSimulator]:
    with UpstreamSimulator() as simulator:
        for name, address in OPEN.items():
            simulator.plan(name, "A", f"{name}. 60 IN A {address}")
            simulator.plan(name, "AAAA", authority=[f"{name}. 60 IN SOA ns.open. hostmaster.open. 1 3600 600 86400 60"])
        for name, (target, address) in CHAINS.items():
            simulator.plan(name, "A", f"{name}. 60 IN CNAME {target}.", f"{target}. 60 IN A {address}")
        simulator.plan("ip6-nxdomain.open", "AAAA", "ip6-nxdomain.open. 60 IN AAAA 2001:db8::7")
        simulator.plan("ip6-mapped.open", "AAAA", "ip6-mapped.open. 60 IN AAAA ::ffff:198.51.100.1")
        for name, addresses in ORDERED.items():
            simulator.plan(name, "A", *(f"{name}. 60 IN A {address}" for address in addresses))
        yield simulator


def asked(
    port: int, name: str, kind: str, *, tcp: bool = False, source: str | None = None, patience: float = PATIENCE
) -> Told:
    """Return the rcode, whether the answer is truncated, and its records without TTLs; `silence` where none comes."""
    timeout = SILENCE if name == SILENT else patience
    query = dns.message.make_query(name, kind)
    ask = dns.query.tcp if tcp else dns.query.udp
    try:
        answer = ask(query, "127.0.0.1", port=port, timeout=timeout, source=source)
    except dns.exception.Timeout:
        return "silence", False, []
    records = sorted(f"{rrset.name} {rdata.rdtype} {rdata}" for rrset in answer.answer for rdata in rrset)
    return dns.rcode.to_text(answer.rcode()), bool(answer.flags & dns.flags.TC), [] if name in CHAINS else records


def peer(folder: Path, command: list[str], port: int) -> contextlib.AbstractContextManager[None]:
    """Run a server until the end of a block, which begins once it answers."""
    folder.mkdir(exist_ok=True)
    return running(folder, command, lambda: asked(port, "untouched.test", "A", patience=SILENCE)[0] == "NOERROR")


def named_of_zones(folder: Path, port: int, upstream: int) -> list[str]:
    zones = "".join(f'zone "{name}.rpz" {{ type primary; file "{name}.zone"; notify no; }};\n' for name in ZONES)
    policy = " ".join(f'zone "{name}.rpz";' for name in ZONES)
    options = f"  minimal-responses yes;\n  response-policy {{ {policy} }} qname-wait-recurse no;"
    return named(folder, port, upstream, options=options, more=zones)


def unbound_of_zones(folder: Path, port: int, upstream: int) -> list[str]:
    zones = "".join(f'rpz:\n  name: "{name}.rpz"\n  zonefile: "{name}.zone"\n' for name in ZONES)
    server = '  local-zone: "test." transparent'
    return unbound(folder, port, forward_to(upstream), modules="respip iterator", server=server, more=zones)


@pytest.mark.parametrize(("program", "made"), [("named", named_of_zones), ("unbound", unbound_of_zones)])
def test_answers_are_those_of_a_peer(tmp_path: Path, upstream: UpstreamSimulator, program: str, made: object) -> None:
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    (theirs_folder := tmp_path / program).mkdir()
    for name, text in (("first", FIRST + FORMS), ("second", SECOND)):
        (tmp_path / f"{name}.zone").write_text(text)
        (theirs_folder / f"{name}.zone").write_text(text.replace(FORMS, PLAIN_FORMS) if program == "unbound" else text)
    port = free_port()
    command = made(theirs_folder, port, upstream.port)  # type: ignore[operator]
    feeds = [
        {"name": name, "type": "rpz", "path": str(tmp_path / f"{name}.zone"), "priority": priority}
        for priority, name in enumerate(ZONES, 1)
    ]
    ours = Daemon(tmp_path / "blockd", *feeds, upstream=upstream.address, local={"defaults": False})  # `test` is theirs
    with peer(theirs_folder, command, port), ours as daemon:
        until(daemon.is_ready, "the zones are enforced")
        told = {question: asked(daemon.dns_port, *question) for question in QUESTIONS}
        theirs = {question: asked(port, *question) for question in QUESTIONS}
        for name in ("tcp.test", "pass.test"):
            told[name, "tcp"] = asked(daemon.dns_port, name, "A", tcp=True)
            theirs[name, "tcp"] = asked(port, name, "A", tcp=True)
        for source in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            for name in (
                "untouched.test",
                "nxdomain.test",
                "second.test",
                "pass.test",
                "ip-second.open",
            ):
                told[name, source] = asked(daemon.dns_port, name, "A", source=source)
                theirs[name, source] = asked(port, name, "A", source=source)
    differ = {question: (said, theirs[question]) for question, said in told.items() if said != theirs[question]}
    assert {question: said for question, said in differ.items() if question not in OTHERWISE[program]} == {}
    assert set(differ) == OTHERWISE[program], "a difference that is told of is still there"
