"""BIND and Unbound, with the same zones, say of the same names what blockd says."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import dns.reversename
import pytest

from blockd.resolver.local.defaults import DEFAULT_ZONES, REVERSE
from tests.daemon.harness import free_port
from tests.peers import forward_to, named, running, unbound
from tests.resolver.local.conftest import Make
from tests.resolver.local.questions import RECORDS
from tests.resolver.local.test_defaults import LOCAL_ADDRESSES
from tests.resolver.local.test_own_zones import ZONE
from tests.resolver.rig import Rig
from tests.upstream import UpstreamSimulator

OWN = sorted(
    {
        *(f"{record.split()[0]}.corp.example".removeprefix("@.").replace("*", "any") for record in RECORDS),
        *("c.corp.example", "b.c.corp.example", "x.a.b.c.corp.example", "none.corp.example", "*.wild.corp.example"),
        *("x.here.wild.corp.example", "deep.wild.corp.example", "x.deep.wild.corp.example", "wild.corp.example"),
        *("a.any.wild.corp.example", "a.*.wild.corp.example", "star.corp.example", "mail.corp.example"),
    }
)
LEADING_OUT = ("out.corp.example", "far.corp.example", "any.star.corp.example")
KINDS = ("A", "AAAA", "MX", "TXT", "CNAME", "NS", "SOA", "HTTPS")
# Those of IANA's registries that the versions of Debian 12 do not have, or answer otherwise.
SPECIAL = ("www.test", "www.invalid", "www.onion", "www.home.arpa", "localhost", "none.localhost.", "test", "onion")

READY = "ready.invalid"  # asked until the server answers; the upstream knows no such name

Said = tuple[str, bool, list[str], str]


def said(answer: dns.message.Message) -> Said:
    """Return what is compared: rcode, AA, the records, and whose SOA record there is."""
    records = sorted(
        f"{rrset.name.to_text().lower()} {dns.rdatatype.to_text(rrset.rdtype)} {data}"
        for rrset in answer.answer
        for data in rrset
    )
    owners = [rrset.name.to_text() for rrset in answer.authority if rrset.rdtype == dns.rdatatype.SOA]
    return dns.rcode.to_text(answer.rcode()), bool(answer.flags & dns.flags.AA), records, "".join(owners)


def asked(port: int, name: str, kind: str) -> dns.message.Message:
    return dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", timeout=5, port=port)


def server(folder: Path, command: list[str], port: int) -> contextlib.AbstractContextManager[None]:
    """Run a server until the end of a block, which begins once it answers."""

    def answers() -> bool:
        with contextlib.suppress(dns.exception.DNSException, OSError):
            return asked(port, READY, "A").rcode() == dns.rcode.NXDOMAIN
        return False

    return running(folder, command, answers)


@pytest.mark.skipif(shutil.which("named") is None, reason="named (Debian: bind9) is not installed")
def test_bind_says_the_same_of_a_zone(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> None:
    port = free_port()
    (tmp_path / "zone").write_text("$TTL 3600\n" + "\n".join(RECORDS) + "\n")
    zone = 'zone "corp.example" { type primary; file "zone"; notify no; check-names ignore; check-integrity no; };'
    command = named(tmp_path, port, upstream.port, options="  minimal-responses yes;", more=zone)
    upstream.plan("www.example.net", "A", "www.example.net. 300 IN A 198.51.100.1")
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**ZONE))
    differ = {}
    with server(tmp_path, command, port):
        for name in OWN:
            for kind in KINDS:
                if name in LEADING_OUT and kind not in ("A", "CNAME"):
                    continue  # what BIND makes of the simulator's negative answers is no matter of local zones
                theirs, ours = said(asked(port, name, kind)), said(rig.answer(name, kind).message)
                if any("www.example.net. A " in record for record in theirs[2]):
                    theirs, ours = (theirs[0], False, theirs[2], ""), (ours[0], False, ours[2], "")  # partly upstream's
                if theirs != ours:
                    differ[name, kind] = theirs, ours
    assert not differ, "\n".join(f"{question}: {one}" for question, one in differ.items())


@pytest.mark.skipif(shutil.which("named") is None, reason="named (Debian: bind9) is not installed")
def test_bind_serves_the_same_empty_zones(tmp_path: Path, upstream: UpstreamSimulator) -> None:
    port = free_port()
    command = ["-g" if word == "-f" else word for word in named(tmp_path, port, upstream.port)]  # logs to stderr
    config = tmp_path / "named.conf"  # whoever forwards all names and resolves none has no empty zones
    config.write_text(config.read_text().replace("forward only;", "forward first;"))
    with server(tmp_path, command, port):
        log = (tmp_path / "log").read_text()
    theirs = set(re.findall(r"automatic empty zone: (?:view \S+: )?(\S+)", log.lower()))
    reverse = {zone.name for zone in DEFAULT_ZONES if zone.group.startswith(REVERSE)}
    assert len(reverse) > 90
    # The zone that sinks what is led there by DNAME (RFC 7535) is in no registry of locally served ones.
    assert theirs - {"empty.as112.arpa"} == {*reverse, "home.arpa", "resolver.arpa"}


@pytest.mark.skipif(shutil.which("unbound") is None, reason="unbound is not installed")
def test_unbound_says_the_same_of_special_names(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> None:
    port = free_port()
    command = unbound(tmp_path, port, forward_to(upstream.port))
    rig = Rig(tmp_path, upstream.upstream, local=zones_of())
    names = [*SPECIAL, *(dns.reversename.from_address(address).to_text() for address in LOCAL_ADDRESSES)]
    differ = {}
    with server(tmp_path, command, port):
        for name in names:
            for kind in ("A", "AAAA", "PTR"):
                theirs, ours = said(asked(port, name, kind)), said(rig.answer(name, kind).message)
                if theirs != ours:
                    differ[name, kind] = theirs, ours
    assert not differ, "\n".join(f"{question}: {one}" for question, one in differ.items())
