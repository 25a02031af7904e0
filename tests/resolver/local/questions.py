"""Local zones of every kind and questions about them, to begin from and to mutate."""

from __future__ import annotations

import itertools
from typing import Any

import dns.message
import dns.name
import dns.reversename

from blockd.resolver.local.canaries import CANARIES
from blockd.resolver.local.defaults import DEFAULT_ZONES
from blockd.resolver.local.local_zones import LocalZones
from blockd.settings import Settings, Upstream

RECORDS = [
    "@ 900 IN SOA ns hostmaster 7 3600 600 86400 60",
    "@ NS ns",
    "@ MX 10 mail",
    "ns 300 A 192.0.2.53",
    "www 300 A 192.0.2.1",
    "www 300 A 192.0.2.2",
    "www 300 AAAA 2001:db8::1",
    "alias CNAME www",
    "twice CNAME alias",
    "dead CNAME nothing",
    "out 120 CNAME www.example.net.",
    "far 600 CNAME out",
    "*.wild 60 A 192.0.2.9",
    "*.wild 60 TXT any",
    "here.wild A 192.0.2.10",
    "b.deep.wild A 192.0.2.11",
    "*.star CNAME out",
    "a.b.c A 192.0.2.12",
    r"odd\032one TXT text",
    r"raw TYPE65280 \# 3 010203",
]
CONFIG = {
    "local": {
        "zones": [
            {"zone": "corp.example", "records": RECORDS},
            {"zone": "empty.example"},
            {"zone": "sub.empty.example", "records": ["@ 30 IN SOA a b 1 2 3 4 20", "* A 192.0.2.1"]},
            {"zone": "in.fwd.example", "records": ["a A 192.0.2.1"]},
        ],
        "names": {"nas.lan": "192.168.1.9", "a.b.home.arpa": ["10.0.0.7", "fd00::7"], "x.fwd.example": "192.0.2.4"},
    },
    "forward": [{"zone": "fwd.example", "upstreams": ["192.0.2.53"]}, {"zone": "f.corp.example", "upstreams": ["::1"]}],
    "canaries": True,
    "listen": {"dns": ["192.0.2.53:53"], "dot": ["192.0.2.53:8853", "[2001:db8::53]:853"], "doh": ["192.0.2.53:443"]},
    "certificates": [{"chain": "/chain", "key": "/key"}],
    "discovery": {"name": "dns.isp.example"},
    "public": {"url": "https://blocked.isp.example/"},
}
ADDRESSES = ("10.0.0.7", "10.1.2.3", "192.168.1.9", "127.0.0.1", "127.0.0.2", "::1", "fd00::7", "fd00::8", "9.9.9.9")
LISTED = ("listed.invalid", "www.corp.example", "soon.test")
NAMES = sorted(
    {
        *(f"{label}{zone.name}" for zone in DEFAULT_ZONES[::7] for label in ("", "www.", "a.b.")),
        *(f"{label}{name}" for name in CANARIES for label in ("", "x.")),
        *(f"{label}localhost" for label in ("", "www.", "a.b.", "*.")),
        *(f"{label}resolver.arpa" for label in ("", "_dns.", "a._dns.")),
        *(f"{record.split()[0]}.corp.example".removeprefix("@.").replace("*", "any") for record in RECORDS),
        *("c.corp.example", "x.a.b.c.corp.example", "f.corp.example", "www.f.corp.example", "*.wild.corp.example"),
        *("empty.example", "www.empty.example", "sub.empty.example", "any.sub.empty.example", "xempty.example"),
        *("fwd.example", "x.fwd.example", "y.x.fwd.example", "in.fwd.example", "a.in.fwd.example", "b.in.fwd.example"),
        *("nas.lan", "lan", "x.nas.lan", "a.b.home.arpa", "b.home.arpa", "c.b.home.arpa", "x.a.b.home.arpa"),
        *(dns.reversename.from_address(address).to_text() for address in ADDRESSES),
        *LISTED,
        *("dns.isp.example", "_dns.dns.isp.example", "x._dns.dns.isp.example", "www.dns.isp.example", "isp.example"),
        *("www.example.net", "example", ".", "xtest", "test.example", f"{'a.' * 120}invalid", f"{'x' * 63}.onion"),
    }
)
KINDS = ("A", "AAAA", "PTR", "HTTPS", "DS", "SOA", "NS", "ANY", "TXT", "CNAME", "SVCB", "RESINFO")
EDNS: tuple[dict[str, Any], ...] = ({}, {"use_edns": 0}, {"want_dnssec": True})


def made(name: str, kind: str, edns: dict[str, Any], rd: bool = True) -> bytes:
    """Return a question in wire format."""
    query = dns.message.make_query(dns.name.from_text(name), kind, id=7, **edns)
    if not rd:
        query.flags = query.flags & ~0x100
    return query.to_wire()


QUESTIONS = [made(name, kind, EDNS[at % 3]) for at, (name, kind) in enumerate(itertools.product(NAMES, KINDS))]


def local_zones() -> LocalZones:
    """Return them, with public upstreams."""
    settings = Settings.model_validate(CONFIG, context={"folder": None})
    return LocalZones.of(settings, [Upstream("198.51.100.53", 53)])
