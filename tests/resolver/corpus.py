"""Questions and upstreams' answers of every kind that blockd meets, to begin from and to mutate."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from blockd.names import DomainName, hashed_key, name_digest
from blockd.orders import Action, LocalRecord, Mandate, Order, Scope
from blockd.ruleset import FeedInput, Listing
from tests.resolver.rig import LAST, keys_of, order

ACTIONS = tuple(Action)
SOA = "example. 3600 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60"
LONG = ".".join(("x" * 63, "y" * 63, "z" * 63, "w" * 53, "example"))  # 253 octets as text, the longest there is
DEEP = "a." * 123 + "example"
SOON = 40  # seconds since the epoch: a moment nearer to a test's beginning than most TTLs are long
SALTS = tuple(bytes((salt,)) * size for salt, size in ((1, 16), (2, 32), (3, 20)))
HIDDEN_DEEP = "b." * 15 + "test"  # as many labels as are looked for
HIDDEN_TOO_DEEP = "b." * 16 + "secret"
HIDDEN_LONG = ".".join(("x" * 63, "y" * 63, "z" * 63, "secret"))  # several blocks of the hash


RECORDS = (
    LocalRecord(1, 30, b"\xc0\0\2\x63"),
    LocalRecord(1, 90_000, b"\xc0\0\2\x64"),
    LocalRecord(16, 0, b"\4text"),
    LocalRecord(15, 60, b"\0\5\2mx\4test\0"),
)


def feeds() -> list[FeedInput]:
    """Return two feeds: a name for each action, exceptions inside of what is blocked, networks, orders not in force.

    And two policy zones, one before both and one between them, with rules for clients; names known by their hashes
    only, and orders that begin or end soon.
    """
    mandates = tuple(Mandate)
    law: list[tuple[Order, Scope, Sequence[str]]] = [
        (
            order(
                action.value,
                action,
                mandate=mandates[place % 3],
                contact="ж" * 90 if place % 2 else "",
                cname="info.example" if action is Action.CNAME else "",
                records=RECORDS if action is Action.LOCAL else (),
                expires=LAST if place % 2 else None,
            ),
            Scope.BOTH,
            [f"{action.value}.example", f"198.51.{place}.0/24", f"2001:db8:{place}::/48"],
        )
        for place, action in enumerate(ACTIONS)
    ]
    law += [
        (order("exact", Action.NXDOMAIN), Scope.EXACT, ["exact.example", LONG]),
        (order("below", Action.REFUSED), Scope.SUBDOMAINS, ["below.example"]),
        (order("later", Action.SINKHOLE, in_force_from=LAST - 1), Scope.BOTH, ["later.example", "203.0.113.0/25"]),
        (order("wide", Action.SINKHOLE), Scope.BOTH, ["test", "203.0.113.0/24", "2001:db8:f000::/36"]),
        (order("host", Action.DROP), Scope.BOTH, ["203.0.113.7", "2001:db8:f000::7"]),
    ]
    law += [
        (order("hidden", salt=SALTS[0]), Scope.BOTH, ["hidden.example", HIDDEN_DEEP, HIDDEN_LONG, HIDDEN_TOO_DEEP]),
        (order("hidden-nx", Action.NXDOMAIN, salt=SALTS[1]), Scope.SUBDOMAINS, ["hidden.example", "both.example"]),
        (order("hidden-exact", Action.NODATA, salt=SALTS[0]), Scope.EXACT, ["deep.hidden.example", "seen.example"]),
        (order("hidden-later", salt=SALTS[1], in_force_from=SOON), Scope.BOTH, ["hidden-later.example"]),
        (order("hidden-top", salt=SALTS[0]), Scope.BOTH, ["secret"]),
        (order("plain-too", Action.REFUSED), Scope.BOTH, ["both.example", "a.hidden.example"]),
        (order("soon", in_force_from=SOON), Scope.BOTH, ["soon.example", "a.ends.example"]),
        (order("soon-seen", Action.MONITOR, in_force_from=SOON), Scope.BOTH, ["open.example"]),
        (order("ends", expires=SOON), Scope.BOTH, ["ends.example"]),
        (order("ends-nx", Action.NXDOMAIN, lifted_on=SOON - 10), Scope.BOTH, ["nx.ends.example"]),
        (order("ends-cname", Action.CNAME, cname="info.example", expires=SOON), Scope.BOTH, ["cname.ends.example"]),
        (order("starry", Action.CNAME, cname="*.info.example"), Scope.BOTH, ["starry.example"]),
        (order("ends-tcp", Action.TCP_ONLY, expires=SOON), Scope.BOTH, ["tcp.ends.example"]),
    ]
    own = [
        (order("open", Action.ALLOW), Scope.BOTH, ["open.sinkhole.example", "fine.test", "203.0.113.9"]),
        (order("seen", Action.MONITOR), Scope.BOTH, ["nxdomain.example", "seen.example", "203.0.114.0/24"]),
        (order("seen-inside", Action.MONITOR), Scope.BOTH, ["seen.sinkhole.example", "info.example"]),
        (order("twice", Action.REFUSED), Scope.BOTH, ["sinkhole.example", "deep.seen.example"]),
        (order("hidden-open", Action.ALLOW, salt=SALTS[2]), Scope.BOTH, ["open.hidden.example", "fine.nodata.example"]),
        (order("hidden-seen", Action.MONITOR, salt=SALTS[2]), Scope.BOTH, ["hidden.example", "seen.hidden.example"]),
        (order("open-ends", Action.ALLOW, expires=SOON), Scope.BOTH, ["open.ends.example"]),
        (order("open-soon", Action.ALLOW, in_force_from=SOON), Scope.BOTH, ["open-soon.nxdomain.example"]),
    ]
    before = [
        (order("pass", Action.PASSTHRU), Scope.BOTH, ["refused.example", "pass.zone.test", "198.51.1.0/25"]),
        (order("stop", Action.NXDOMAIN), Scope.EXACT, ["stop.zone.test", "www.nodata.example", "198.51.1.9"]),
        (order("local", Action.LOCAL, records=RECORDS), Scope.SUBDOMAINS, ["zone.test", "tcp-only.example"]),
        (order("friend", Action.PASSTHRU), Scope.BOTH, ["client 2001:db8:1::/64"]),
        (order("off", Action.MONITOR), Scope.BOTH, ["cname.example", "198.51.3.0/24"]),
    ]
    between = [
        (order("over", Action.DROP), Scope.BOTH, ["zone.test", "seen.example", "203.0.113.0/24"]),
        (order("star", Action.CNAME, cname="*.info.example"), Scope.BOTH, ["star.zone.test", "local.example"]),
        (order("near", Action.PASSTHRU), Scope.EXACT, ["twice.zone.test", "to-sinkhole.example"]),
        (order("stranger", Action.NODATA), Scope.BOTH, ["client 192.0.2.192/26"]),
        (order("known", Action.MONITOR), Scope.BOTH, ["client fe80::/10", "client 192.0.2.200/32"]),
        (order("once", Action.TCP_ONLY), Scope.BOTH, ["deep.seen.example", "192.0.2.0/24"]),
    ]
    return [
        _feed("law", 10, law),
        _feed("own", 20, own),
        _feed("before", 5, before, "rpz"),
        _feed("between", 15, between, "rpz-transfer"),
    ]


def _feed(
    name: str, priority: int, listed: Sequence[tuple[Order, Scope, Sequence[str]]], kind: str = "domains"
) -> FeedInput:
    listings = [Listing(made, scope, _hidden(made.salt, keys_of(names))) for made, scope, names in listed]
    asks_client = any(name.startswith("client ") for _, _, names in listed for name in names)
    return FeedInput(name, kind, priority, "", [made for made, _, _ in listed], listings, asks_client=asks_client)


def _hidden(salt: bytes, keys: list[bytes]) -> list[bytes]:
    return [hashed_key(name_digest(key, salt)) for key in keys] if salt else keys


HIDDEN = (
    *("hidden.example", "a.hidden.example", "b.hidden.example", "deep.hidden.example", "a.deep.hidden.example"),
    *("open.hidden.example", "a.open.hidden.example", "seen.hidden.example", "both.example", "a.both.example"),
    *("fine.nodata.example", "hidden-later.example", HIDDEN_DEEP, f"a.{HIDDEN_DEEP}", HIDDEN_TOO_DEEP, HIDDEN_LONG),
    *(f"{'c' * 40}.{HIDDEN_LONG}", "secret", "a.secret"),
)
TIMED = (
    *("soon.example", "a.soon.example", "ends.example", "a.ends.example", "nx.ends.example", "cname.ends.example"),
    *("tcp.ends.example", "open.ends.example", "open-soon.nxdomain.example"),
)
LISTED = (
    *(f"{action.value}.example" for action in ACTIONS),
    *(f"www.{action.value}.example" for action in ACTIONS),
    *("exact.example", "www.exact.example", "below.example", "www.below.example", "later.example", LONG),
    *("open.sinkhole.example", "a.open.sinkhole.example", "seen.sinkhole.example", "a.fine.test", "x.test", "test"),
    *("seen.example", "a.deep.seen.example", "info.example"),
    *("zone.test", "pass.zone.test", "a.pass.zone.test", "stop.zone.test", "a.stop.zone.test", "a.b.zone.test"),
    *("twice.zone.test", "a.twice.zone.test", "star.zone.test", "a.star.zone.test", f"{'x.' * 114}star.zone.test"),
    *HIDDEN,
    *TIMED,
)
ALIASED = (
    "cname.ends.example",
    "a.cname.ends.example",
    "starry.example",
    "a.starry.example",
    "x." * 118 + "starry.example",
)
TARGETS = ("info.example", "starry.example.info.example", "a.starry.example.info.example")
TARGET_WIRES = tuple(DomainName.from_text(target).wire for target in TARGETS)
OPEN = ("open.example", "www.open.example", "q.org", "nothing.example", DEEP, ".")
EDGES = (*range(498, 515), *range(1218, 1235))  # octets of answers without OPT, about the limits of 512 and 1232
TYPES = ("A", "AAAA", "HTTPS", "TXT", "CNAME", "MX", "ANY")


@functools.cache
def questions() -> tuple[bytes, ...]:
    """Return questions of every kind; those for cached answers come with each way of asking."""
    return tuple(_questions())


def _questions() -> Iterator[bytes]:
    for number, name in enumerate((*LISTED, *OPEN)):
        for kind in ("A", "AAAA", TYPES[2 + number % 5]):
            yield question(name, kind)
            yield question(name, kind, use_edns=0, payload=1232, want_dnssec=number % 2 == 1)
    for name, kind in _planned():
        for edns in _ways():
            yield question(name, kind, **edns)
        asked = dns.message.make_query(name, kind, use_edns=0)
        asked.flags |= dns.flags.CD | dns.flags.AD
        yield asked.to_wire()
        yield question(name.upper(), kind)
    for name in ALIASED:
        for kind in ("A", "AAAA", "TXT", "MX", "HTTPS", "PTR", "SRV", "NS", "CNAME", "ANY", "SOA"):
            for edns in _ways():
                yield question(name, kind, **edns)
            plain = question(name.upper(), kind)
            yield plain[:2] + b"\0" + plain[3:]  # without RD
    for size in EDGES:
        yield question(f"edge-{size:04}.example", "TXT")
        for payload in (512, 1232):
            yield question(f"edge-{size:04}.example", "TXT", use_edns=0, payload=payload)
    yield from _odd_questions()


def question(name: str, kind: str, **edns: object) -> bytes:
    """Return a question with a fixed ID."""
    if "pad" in edns or "options" in edns:
        return _question(name, kind, **edns)
    asked = _of_root(kind, **edns)
    wire = dns.name.from_text(name).to_wire()
    assert wire is not None
    return asked[:12] + wire + asked[13:]


@functools.cache
def _of_root(kind: str, **edns: object) -> bytes:
    """Return a question for the root: others differ from it in the name, whatever they ask, unless they are padded."""
    return _question(".", kind, **edns)


def _question(name: str, kind: str, **edns: object) -> bytes:
    return dns.message.make_query(name, kind, id=0x1234, **edns).to_wire()  # type: ignore[arg-type]


def _ways() -> Iterator[dict[str, object]]:
    yield {}
    for payload in (0, 512, 600, 1232, 4096, 65535):
        yield {"use_edns": 0, "payload": payload}
    yield {"use_edns": 0, "want_dnssec": True}
    yield {"use_edns": 0, "options": [dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"8octets!")]}
    yield {"use_edns": 0, "pad": 468}
    yield {"use_edns": 1}


def _odd_questions() -> Iterator[bytes]:
    """Return questions that are not ordinary, and messages that are not questions."""
    plain = question("sinkhole.example", "A")
    for options in (b"\0", b"\0\x0a\0\4four", b"\xff\0\0\5four", b"\0\x0a\0\x088octets!\0\x0a\0\0", b"\xff\0\xff\xff"):
        yield plain[:11] + b"\1" + plain[12:] + OPT[:-2] + len(options).to_bytes(2) + options
    for kind in (0, 41, 46, 127, 128, 200, 249, 250, 251, 252, 253, 254, 255, 256, 65535):
        for name in ("sinkhole.example", "open.example"):
            yield question(name, f"TYPE{kind}")
            yield question(name, f"TYPE{kind}", use_edns=0)
    for klass in ("CH", "ANY", "NONE"):
        yield dns.message.make_query("sinkhole.example", "A", klass, id=1).to_wire()
    for high in (0x00, 0x02, 0x04, 0x08, 0x10, 0x28, 0x78, 0x80, 0x81):
        yield plain[:2] + bytes((high,)) + plain[3:]
    for low in (0x80, 0x40, 0x20, 0x10, 0x0F):
        yield plain[:3] + bytes((low,)) + plain[4:]
    for at in range(4, 12):
        yield plain[:at] + b"\1" + plain[at + 1 :]
        yield plain[:at] + b"\2" + plain[at + 1 :]
    edns = question("sinkhole.example", "A", use_edns=0)
    yield edns[:10] + b"\0\2" + edns[12:] + edns[-11:]
    for asked in (edns, plain, question("open.example", "A"), question("open.example", "A", use_edns=0)):
        for behind in (b"\0", OPT, b"\xff" * 300, b"\0" * 2000):
            yield asked + behind
    yield plain[:12] + b"\xc0\x0c" + plain[-4:]
    yield plain[:12] + b"\x40" + plain[13:]
    yield plain[:12] + (b"\x3f" + b"x" * 63) * 4 + b"\0\0\1\0\1"
    yield plain[:12] + b"\x01a" * 127 + b"\0\0\1\0\1"
    yield plain[:12] + b"\x01a" * 128 + b"\0\0\1\0\1"
    yield from (plain[:end] for end in (0, 1, 2, 3, 11, 12, 13, len(plain) - 1))


def _signature(owner: str, kind: str) -> str:
    return f"{owner} 60 IN RRSIG {kind} 13 2 60 20300101000000 20200101000000 1 example. {'A' * 88}"


_DATA = {  # of types whose data have a shape
    "HINFO": '"cpu" "os"',
    "RP": "a.example. b.example.",
    "AFSDB": "1 a.example.",
    "RT": "1 a.example.",
    "PX": "1 a.example. b.example.",
    "LOC": "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
    "NAPTR": '1 2 "s" "SIP+D2U" "" _sip._udp.example.',
    "KX": "1 a.example.",
    "CERT": "1 2 3 AAAA",
    "APL": "1:192.0.2.0/24 !2:2001:db8::/32",
    "DS": f"1 13 2 {'00' * 32}",
    "CDS": "0 0 0 00",
    "SSHFP": f"1 2 {'00' * 32}",
    "IPSECKEY": "1 3 2 gw.example. AAAA",
    "DNSKEY": "257 3 13 AAAA",
    "NSEC3PARAM": "1 0 0 -",
    "TLSA": f"3 1 1 {'00' * 32}",
    "HIP": "2 200100107B1A74DF365639CC39F1D578 AAAA rvs.example.",
    "CSYNC": "1 3 A NS AAAA",
    "ZONEMD": f"1 1 1 {'00' * 48}",
    "LP": "1 a.example.",
    "EUI48": "00-00-5e-00-53-2a",
    "URI": '1 2 "https://example/"',
    "CAA": '0 issue "ca.example"',
    "AMTRELAY": "1 0 3 relay.example.",
    "SVCB": "1 a.example. mandatory=alpn,port alpn=h2,h3 port=443 ech=AAQAAAAA",
}


def _planned() -> dict[tuple[str, str], dict[str, object]]:
    """Return what upstreams answer, by question: records, and how the message is made."""
    planned: dict[tuple[str, str], dict[str, object]] = {
        ("open.example", "A"): {"answer": ["@ 300 IN A 192.0.2.1", "@ 20 IN A 192.0.2.2"]},
        ("open.example", "AAAA"): {"authority": [SOA]},
        ("open.example", "TXT"): {"answer": [f"@ 300 IN TXT {'t' * 250}{n}" for n in range(3)]},
        ("big.example", "TXT"): {"answer": [f"@ 300 IN TXT {'t' * 250}{n}" for n in range(9)]},
        ("gone.example", "A"): {"authority": [SOA], "rcode": "NXDOMAIN"},
        ("gone.example", "TXT"): {"rcode": "NXDOMAIN"},
        ("failed.example", "A"): {"rcode": "SERVFAIL"},
        ("odd.example", "A"): {"answer": ["@ 4294967295 IN A 192.0.2.1", "@ 9 IN TYPE65280 \\# 3 010203"]},
        ("ttl.example", "A"): {"answer": ["@ 2000000 IN A 192.0.2.1", "@ 1 IN A 192.0.2.2"]},
        ("zero.example", "A"): {"answer": ["@ 0 IN A 192.0.2.1"]},
        ("mail.example", "MX"): {
            "answer": ["@ 60 IN MX 5 mx.sinkhole.example."],
            "authority": ["example. 60 IN NS ns.example."],
            "additional": ["mx.sinkhole.example. 60 IN A 198.51.0.1", "ns.example. 60 IN AAAA 2001:db8::1"],
        },
        ("svc.example", "HTTPS"): {
            "answer": ["@ 60 IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8:ffff::1"],
            "additional": ["svc.example. 60 IN A 192.0.2.1"],
        },
        ("hint.example", "HTTPS"): {"answer": ["@ 60 IN HTTPS 1 . ipv4hint=192.0.2.1,203.0.113.7"]},
        ("aside.example", "SVCB"): {
            "answer": ["@ 60 IN SVCB 1 t.example. port=853"],
            "additional": ["t.example. 60 IN CNAME sinkhole.example."],
        },
        ("target.example", "HTTPS"): {"answer": ["@ 60 IN HTTPS 0 www.refused.example."]},
        ("dname.example", "A"): {
            "answer": [
                "dname.example. 60 IN DNAME other.example.",
                "x.dname.example. 60 IN CNAME x.other.example.",
                "x.other.example. 60 IN A 192.0.2.4",
            ]
        },
        ("errors.example", "A"): {
            "answer": ["@ 60 IN A 192.0.2.1"],
            "options": [
                dns.edns.EDEOption(dns.edns.EDECode.DNSKEY_MISSING, "DNSKEY missing"),
                dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER, "e" * 300),
            ],
        },
        ("bare.example", "A"): {"answer": ["@ 60 IN A 192.0.2.1"], "edns": False},
        ("secure.example", "A"): {"answer": ["@ 60 IN A 192.0.2.1"], "authentic": True},
        ("alias-gone.example", "A"): {
            "answer": ["@ 300 IN CNAME gone.example."],
            "authority": [SOA],
            "rcode": "NXDOMAIN",
        },
        ("alias-empty.example", "A"): {"answer": ["@ 30 IN CNAME empty.example."], "authority": [SOA]},
        ("alias-bare.example", "A"): {"answer": ["@ 30 IN CNAME empty.example."]},
        ("loop.example", "A"): {"answer": ["@ 30 IN CNAME b.example.", "b.example. 30 IN CNAME loop.example."]},
        ("order.example", "A"): {
            "answer": ["c.example. 9 IN A 192.0.2.1", "b.example. 9 IN CNAME c.example.", "@ 9 IN CNAME b.example."]
        },
        ("two.example", "A"): {
            "answer": ["@ 9 IN CNAME sinkhole.example.", "@ 9 IN CNAME b.example.", "@ 9 IN A 192.0.2.1"]
        },
        ("foreign.example", "A"): {
            "answer": ["sinkhole.example. 9 IN A 192.0.2.3", "@ 9 IN A 192.0.2.1", "@ 9 IN AAAA 2001:db8::1"],
            "authority": ["org. 9 IN NS ns.org.", "example. 9 IN NS ns.example."],
            "additional": ["ns.org. 9 IN A 192.0.2.2", "ns.example. 9 IN A 192.0.2.2"],
        },
        ("signed.example", "A"): {
            "answer": [
                "@ 60 IN CNAME www.signed.example.",
                _signature("@", "CNAME"),
                "www.signed.example. 60 IN A 192.0.2.1",
            ],
            "authority": [
                "ns.signed.example. 60 IN NSEC x.signed.example. A AAAA RRSIG",
                _signature("ns.signed.example.", "NSEC"),
            ],
        },
        ("denied.example", "A"): {
            "authority": [
                SOA,
                _signature("example.", "SOA"),
                f"{'0' * 32}.example. 60 IN NSEC3 1 0 0 - {'1' * 32} A RRSIG",
                _signature(f"{'0' * 32}.example.", "NSEC3"),
            ],
            "rcode": "NXDOMAIN",
        },
        ("any.example", "ANY"): {"answer": ["@ 60 IN A 192.0.2.1", "@ 60 IN MX 1 mx.example.", _signature("@", "A")]},
        ("apart.example", "SRV"): {
            "answer": ["@ 60 IN SRV 1 2 53 sinkhole.example."],
            "additional": ["sinkhole.example. 60 IN A 192.0.2.1", "sinkhole.example. 60 IN AAAA 2001:db8::1"],
        },
    }
    for target in TARGETS:
        planned[target, "A"] = {
            "answer": ["@ 300 IN CNAME www.landing.example.", "www.landing.example. 20 IN A 192.0.2.5"],
            "authority": ["example. 60 IN NS ns.example."],
        }
        planned[target, "AAAA"] = {"authority": [SOA]}
        planned[target, "TXT"] = {"answer": [f"@ 300 IN TXT {'t' * 200}{n}" for n in range(2)]}
        planned[target, "MX"] = {
            "answer": [f"@ 60 IN MX 5 mx.{target}."],
            "additional": [f"mx.{target}. 60 IN A 192.0.2.6"],
        }
        planned[target, "HTTPS"] = {
            "answer": ["@ 60 IN CNAME gone.landing.example."],
            "authority": [SOA],
            "rcode": "NXDOMAIN",
        }
        planned[target, "PTR"] = {"answer": [f"@ 60 IN CNAME {name}." for name in ALIASED[:2]], "authority": [SOA]}
        planned[target, "SRV"] = {
            "answer": ["@ 60 IN TXT x"],
            "options": [dns.edns.EDEOption(dns.edns.EDECode.DNSKEY_MISSING, "about it")],
        }
        planned[target, "NS"] = {"authority": [SOA, "@ 60 IN NSEC z.example. A"]}
    for target in LISTED:
        if len(target) < 150:
            name = f"to-{target}"
            chain = [f"@ 60 IN CNAME mid-{target}.", f"mid-{target}. 60 IN CNAME {target}."]
            planned[name, "A"] = {"answer": [*chain, f"{target}. 60 IN A 192.0.2.1"]}
    for place, action in enumerate(ACTIONS):
        planned[f"at-{action.value}.example", "A"] = {"answer": ["@ 60 IN A 192.0.2.1", f"@ 60 IN A 198.51.{place}.9"]}
        planned[f"at-{action.value}.example", "AAAA"] = {"answer": [f"@ 60 IN AAAA 2001:db8:{place}::9"]}
        planned[f"both.seen.example.{action.value}.example", "A"] = {"answer": ["@ 60 IN CNAME seen.example."]}
        # A question that an order only counts, or lets through, and whose answer leads to what is listed.
        planned[f"{action.value}.seen.example", "A"] = {"answer": [f"@ 60 IN CNAME {action.value}.example."]}
        planned[f"{action.value}.open.sinkhole.example", "A"] = {"answer": [f"@ 60 IN CNAME {action.value}.example."]}
    for host in ("203.0.113.1", "203.0.113.7", "203.0.113.9", "203.0.113.200", "203.0.114.1"):
        planned[f"at-{host.rpartition('.')[2]}.example", "A"] = {"answer": [f"@ 60 IN A {host}"]}
    return planned


@functools.cache
def responses() -> tuple[bytes, ...]:
    """Return an upstream's answers, with and without DO, and damaged by hand if no mutation would find it."""
    return tuple(_responses())


def _responses() -> Iterator[bytes]:
    for (name, kind), plan in _planned().items():
        for dnssec in (False, True):
            yield _response(name, kind, plan, dnssec=dnssec)
    for kind, text in _DATA.items():
        yield _response("types.example", kind, {"answer": [f"@ 60 IN {kind} {text}"]})
    for size in EDGES:
        name = f"edge-{size:04}.example"
        data = bytes(size - 12 - (len(name) + 2 + 4) - 12)
        yield raw_response(name, "TXT", [record(16, data)], [], [OPT[:-1] + b"\x0a\0\x0f\0\6\0\x09text"])
    yield from _odd_responses()


def _response(name: str, kind: str, plan: dict[str, object], *, dnssec: bool = False) -> bytes:
    query = dns.message.make_query(name, kind, id=0x4321, use_edns=0, want_dnssec=dnssec)
    made = dns.message.make_response(query, recursion_available=True, our_payload=1232)
    made.set_rcode(dns.rcode.from_text(str(plan.get("rcode", "NOERROR"))))
    if plan.get("authentic"):
        made.flags |= dns.flags.AD
    if options := plan.get("options"):
        made.use_edns(0, payload=1232, options=options)  # type: ignore[arg-type]
    if plan.get("edns") is False:
        made.use_edns(False)
    for section in ("answer", "authority", "additional"):
        records = plan.get(section, [])
        assert isinstance(records, list)
        getattr(made, section).extend(_record(name, text) for text in records)
    return made.to_wire(max_size=65535)


def _record(name: str, text: str) -> dns.rrset.RRset:
    owner, ttl, klass, kind, data = text.split(None, 4)
    return dns.rrset.from_text(f"{name}." if owner == "@" else owner, int(ttl), klass, kind, data)


def raw_response(name: str, kind: str, *sections: Sequence[bytes], flags: int = 0x8180) -> bytes:
    """Return a message whose records are given as octets."""
    asked = question(name, kind)
    counts = b"".join(len(section).to_bytes(2) for section in (*sections, (), (), ())[:3])
    records = b"".join(record for section in sections for record in section)
    return b"\x43\x21" + flags.to_bytes(2) + b"\0\1" + counts + asked[12:] + records


OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
ADDRESS = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"


def record(kind: int, data: bytes, owner: bytes = b"\xc0\x0c", ttl: int = 60, klass: int = 1) -> bytes:
    """Return one record's octets."""
    return owner + kind.to_bytes(2) + klass.to_bytes(2) + ttl.to_bytes(4) + len(data).to_bytes(2) + data


# Records of which a response may have many or few.
PARTS = tuple(
    record(kind, data + bytes(size))
    for kind, data in (
        (2, b"\xc0\x0c"),
        (6, b"\xc0\x0c\xc0\x0c" + bytes(19) + b"\x09"),
        (16, b""),
        (46, b"\0\x06"),
        (46, b"\0\2"),
        (47, b"\xc0\x0c"),
        (50, b""),
    )
    for size in ((0, 0, 0) if kind in (2, 6) else (60, 200, 333))
)


def _odd_responses() -> Iterator[bytes]:
    odd = "raw.example"
    yield raw_response(odd, "A", [ADDRESS], [], [OPT, ADDRESS])  # OPT before the other additional records
    yield raw_response(odd, "A", [ADDRESS], [], [OPT, OPT])
    yield raw_response(odd, "A", [OPT], [], [])
    yield raw_response(odd, "A", [ADDRESS], [], [b"\1a" + OPT])
    yield raw_response(odd, "A", [ADDRESS], [], [OPT[:5] + b"\1" + OPT[6:]])  # an extended rcode
    yield raw_response(odd, "A", [ADDRESS], [], [OPT[:-1] + b"\6\0\x0f\0\2\0\x0f"])
    yield raw_response(odd, "A", [ADDRESS], [], [OPT[:-1] + b"\5\0\x0f\0\2\0"])
    yield raw_response(odd, "A", [ADDRESS], [], [OPT[:-1] + b"\6\0\x0f\0\3\0\x0f"])
    for text in (b'{"j":"x"}', b'  {"c":[]}', b'\t{"c":[]}', b"{", b" ", b"x{", b'{"j":"' + b"y" * 300 + b'"}', b"{\0"):
        option = b"\0\x0f" + (2 + len(text)).to_bytes(2) + b"\0\x0f" + text
        yield raw_response(odd, "A", [ADDRESS], [], [OPT[:-2] + len(option).to_bytes(2) + option])
    yield raw_response(odd, "A", [record(1, b"\1\2\3")])
    yield raw_response(odd, "MINFO", [record(14, b"\xc0\x0c\1a\xc0\x0c")])
    yield raw_response(odd, "A", [record(1, b"\1\2\3\4", ttl=0x80000000)])
    yield raw_response(odd, "A", [record(1, b"\1\2\3\4", klass=3)])
    for data in (b"", b"\0", b"\xc0\x0c", b"\xc0\x0c\0", b"\xc0\x0b", b"\xc0\xff", b"\1a", b"\1a\0", b"\x40", b"\xc0"):
        yield raw_response(odd, "A", [record(5, data), ADDRESS])
        yield raw_response(odd, "A", [record(39, data), ADDRESS])
        yield raw_response(odd, "HTTPS", [record(65, b"\0\1" + data), ADDRESS])
        yield raw_response(odd, "HTTPS", [record(64, b"\0\0" + data + b"\0\4\0\4\xc0\0\2\7"), ADDRESS])
    behind = 12 + len(odd) + 1  # where the question's root label stands
    yield raw_response(odd, "HTTPS", [record(65, b"\0\1" + (0xC000 | behind).to_bytes(2))])  # a pointer to the root
    hints = (b"\0\4\0\4\1\2\3\4", b"\0\4\0\5\1\2\3\4\5", b"\0\4\0\3\1\2\3", b"\0\6\0\x10" + bytes(16))
    for hint in (*hints, b"\0\4\0\4", b"\0\4\0"):
        yield raw_response(odd, "HTTPS", [record(65, b"\0\1\0" + hint), ADDRESS])
    for jumps in (126, 127, 128, 129):
        yield raw_response(odd, "A", _pointers(odd, jumps))
    place = 12 + len(odd) + 2 + 4 + 12  # where the data of the first record begin
    for length in (11, 12, 13, 14, 15, 16, 40, 63):  # of a label that a pointer leads to and that runs over the end
        cut = [record(16, bytes((length,))), record(5, (0xC000 | place).to_bytes(2))]
        yield raw_response(odd, "A", cut)
    for soa in (bytes(22), bytes(21), b"\0\0" + bytes(16) + b"\0\0\0\x09", b"\0\0" + b"\xff" * 20):
        yield raw_response(odd, "A", [], [record(6, soa)])
        yield raw_response(odd, "A", [], [record(6, soa), record(6, b"\0\0" + bytes(19) + b"\7")], flags=0x8183)
    for names in (127, 128, 129):
        yield raw_response(odd, "A", [record(5, b"\1a\0")] * names)
    for records in (255, 256, 257):
        yield raw_response(odd, "A", [ADDRESS] * records)
    yield raw_response(odd, "A", [record(28, bytes(16))] * 200 + [record(65, b"\0\1\0\0\6\x7f\xf0" + bytes(0x7FF0))])
    for flags in (0x8380, 0x8182, 0x8185, 0x81A0, 0x8190, 0x8580):
        yield raw_response(odd, "A", [ADDRESS], flags=flags)
    yield raw_response(odd, "A", [ADDRESS]) + b"\0"
    yield raw_response(odd, "A")


def _pointers(name: str, jumps: int) -> list[bytes]:
    """Return a TXT record full of pointers, each to the one before, and a CNAME to the last: `jumps` in all."""
    start = 12 + len(name) + 2 + 4 + 12  # where the TXT record's data begin
    chain = b"\xc0\x0c" + b"".join((0xC000 | start + 2 * n).to_bytes(2) for n in range(jumps - 2))
    last = (0xC000 | start + 2 * (jumps - 2)).to_bytes(2)
    return [record(16, chain), record(5, last)]
