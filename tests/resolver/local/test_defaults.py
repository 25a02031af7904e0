"""Each name that is answered here by default, with the answer that its RFC asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dns.flags
import dns.name
import dns.rdatatype
import dns.reversename
import pytest

from blockd.resolver.local.defaults import DEFAULT_ZONES, are_private, default_states
from blockd.settings import SYSTEM_UPSTREAM, Settings, Upstream
from tests.resolver.local.conftest import PUBLIC, Make
from tests.resolver.rig import Rig
from tests.upstream import UpstreamSimulator

PRIVATE = ("10.0.0.53", "172.31.255.1", "192.168.1.1", "fd00::1", "127.0.0.1", "::1", "169.254.1.1", "fe80::1")
NOT_PRIVATE = ("198.51.100.53", "172.32.0.1", "100.64.0.1", "2001:db8::53", "fec0::1")

# Addresses of every network of IANA's registries of locally served zones, and one beside each.
LOCAL_ADDRESSES = (
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"),  # RFC 1918
    *("0.0.0.1", "0.1.2.3", "127.0.0.2", "127.255.255.255", "169.254.0.1", "169.254.255.255"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.255", "255.255.255.255"),
    *("100.64.0.1", "100.100.0.1", "100.127.255.255"),  # RFC 6598, RFC 7793
    *("::", "fd00::1", "fdff::1", "fe80::1", "fe90::1", "fea0::1", "febf::1", "2001:db8::1", "2001:db8:ffff::1"),
)
OTHER_ADDRESSES = (
    *("9.255.255.255", "11.0.0.1", "172.15.0.1", "172.32.0.1", "192.167.0.1", "192.169.0.1", "1.0.0.1", "126.0.0.1"),
    *("128.0.0.1", "169.253.0.1", "192.0.3.1", "198.51.101.1", "203.0.112.1", "255.255.255.254", "100.63.255.255"),
    *("100.128.0.1", "::2", "fc00::1", "fec0::1", "fe7f::1", "2001:db7::1", "2001:db9::1", "2001:4860::1"),
)


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> Rig:
    return Rig(tmp_path, upstream.upstream, local=zones_of())


@pytest.mark.parametrize("address", LOCAL_ADDRESSES)
def test_the_reverse_name_of_such_an_address_does_not_exist(
    rig: Rig, upstream: UpstreamSimulator, address: str
) -> None:
    name = dns.reversename.from_address(address)
    for kind in ("PTR", "A", "HTTPS"):
        answer = rig.answer(name.to_text(), kind)
        in_zone = len(name) > len(answer.message.authority[0].name)
        assert answer.rcode == ("NXDOMAIN" if in_zone else "NOERROR")
        assert not answer.records
        assert answer.negative_ttl == 10_800
        assert name.is_subdomain(answer.message.authority[0].name)
        assert answer.has(dns.flags.AA, dns.flags.RA, dns.flags.QR)
        assert not answer.message.flags & dns.flags.AD
    assert not upstream.seen


@pytest.mark.parametrize("address", OTHER_ADDRESSES)
def test_the_reverse_name_of_another_address_is_asked_upstream(
    rig: Rig, upstream: UpstreamSimulator, address: str
) -> None:
    rig.answer(dns.reversename.from_address(address).to_text(), "PTR")
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_loopback_addresses_lead_to_localhost(rig: Rig, upstream: UpstreamSimulator, address: str) -> None:
    name = dns.reversename.from_address(address).to_text()
    assert rig.answer(name, "PTR").records == ["3600 localhost."]
    assert rig.answer(name, "A").rcode == "NOERROR"
    assert not upstream.seen


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "www.localhost", "a.b.localhost"])
def test_localhost_has_loopback_addresses(rig: Rig, upstream: UpstreamSimulator, name: str) -> None:
    assert rig.answer(name, "A").records == ["3600 127.0.0.1"]
    assert rig.answer(name, "AAAA").records == ["3600 ::1"]
    answer = rig.answer(name, "MX")
    assert (answer.rcode, answer.records, answer.negative_ttl) == ("NOERROR", [], 10_800)
    assert not upstream.seen


@pytest.mark.parametrize(
    "zone", ["test", "invalid", "onion", "alt", "local", "home.arpa", "service.arpa", "10.in-addr.arpa"]
)
def test_a_name_in_a_special_zone_does_not_exist(rig: Rig, upstream: UpstreamSimulator, zone: str) -> None:
    for name in (f"www.{zone}", f"a.b.{zone}", f"WWW.{zone.upper()}"):
        for kind in ("A", "AAAA", "HTTPS", "TXT", "ANY", "DS", "SOA"):
            answer = rig.answer(name, kind, use_edns=0)
            assert (answer.rcode, answer.records, answer.error) == ("NXDOMAIN", [], None)
            assert answer.message.authority[0].name == dns.name.from_text(zone)
    assert rig.answer(zone, "A").rcode == "NOERROR"
    assert rig.answer(zone, "SOA").records == [f"10800 {zone}. nobody.invalid. 1 3600 1200 604800 10800"]
    assert rig.answer(zone, "NS").records == [f"10800 {zone}."]
    assert not upstream.seen


@pytest.mark.parametrize("name", ["resolver.arpa", "_dns.resolver.arpa", "a._dns.resolver.arpa"])
@pytest.mark.parametrize("config", [{}, {"local": {"defaults": False}}])
def test_designated_resolvers_are_never_asked_for_upstream(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make, name: str, config: dict[str, Any]
) -> None:
    """RFC 9462 section 6.4; also where all upstreams are private."""
    for zones in (zones_of(**config), zones_of(Upstream("10.0.0.1", 53), **config)):
        rig = Rig(tmp_path, upstream.upstream, local=zones)
        for kind in ("SVCB", "A", "HTTPS", "DS"):
            answer = rig.answer(name, kind)
            assert (answer.rcode, answer.records) == ("NOERROR", [])
            assert answer.message.authority[0].name == dns.name.from_text("resolver.arpa")
    assert not upstream.seen


@pytest.mark.parametrize("zone", ["home.arpa", "10.in-addr.arpa", "d.f.ip6.arpa", "service.arpa"])
def test_the_ds_record_of_a_delegated_zone_is_asked_upstream(rig: Rig, upstream: UpstreamSimulator, zone: str) -> None:
    """RFC 8375 section 4: its absence must be proved to those who validate."""
    upstream.plan(zone, "DS")
    assert rig.answer(zone, "DS", want_dnssec=True).rcode == "NOERROR"
    assert [(seen.name, seen.type) for seen in upstream.seen] == [(zone, "DS")]
    rig.answer(f"www.{zone}", "DS", want_dnssec=True)
    assert len(upstream.seen) == 1


@pytest.mark.parametrize("zone", ["onion", "localhost", "test", "invalid", "alt", "local"])
def test_the_ds_record_of_another_special_name_is_not(rig: Rig, upstream: UpstreamSimulator, zone: str) -> None:
    assert rig.answer(zone, "DS").rcode == "NOERROR"
    assert not upstream.seen


@pytest.mark.parametrize("name", ["example", "www.example.com", "ipv4only.arpa", "in-addr.arpa", "arpa", "as112.arpa"])
def test_names_that_upstreams_know_are_asked_there(rig: Rig, upstream: UpstreamSimulator, name: str) -> None:
    rig.answer(name, "A")
    assert len(upstream.seen) == 1


def on(*upstreams: Upstream, **config: Any) -> set[str]:
    settings = Settings.model_validate(config, context={"folder": None})
    return {state.zone.name for state in default_states(settings, upstreams or (PUBLIC,)) if state.is_on}


ALL = {zone.name for zone in DEFAULT_ZONES}
ALWAYS = {"localhost", "test", "invalid", "onion", "alt", "resolver.arpa"}
ROUTERS = {zone.name for zone in DEFAULT_ZONES if zone.name.endswith(("in-addr.arpa", "ip6.arpa"))} | {
    "home.arpa",
    "local",
    "service.arpa",
}


def test_all_are_on_by_default() -> None:
    assert on() == ALL == ALWAYS | ROUTERS
    assert len(ALL) == 106


def test_one_switch_turns_all_off_but_the_one_that_leads_past_every_block() -> None:
    assert on(local={"defaults": False}) == {"resolver.arpa"}


@pytest.mark.parametrize("host", PRIVATE)
def test_private_upstreams_are_routers_that_know_their_network(host: str) -> None:
    assert on(Upstream(host, 53)) == ALWAYS
    assert on(Upstream(host, 53), PUBLIC) == ALL


@pytest.mark.parametrize("host", NOT_PRIVATE)
def test_other_upstreams_are_not(host: str) -> None:
    assert on(Upstream(host, 53)) == ALL


def test_a_link_local_upstream_is_one_with_its_interface_too() -> None:
    assert are_private([Upstream("fe80::1%eth0", 53)])


def test_without_upstreams_nobody_knows_better() -> None:
    assert not are_private([])
    assert not are_private([SYSTEM_UPSTREAM])


@pytest.mark.parametrize("zone", ["10.in-addr.arpa", "1.10.in-addr.arpa", "home.arpa", "lan.home.arpa", "corp.test"])
@pytest.mark.parametrize("is_forwarded", [False, True])
def test_a_configured_zone_at_or_under_a_default_turns_it_off_alone(zone: str, is_forwarded: bool) -> None:
    forwarded = {"forward": [{"zone": zone, "upstreams": ["192.0.2.1"]}]}
    found = on(**(forwarded if is_forwarded else {"local": {"zones": [{"zone": zone}]}}))
    gone = ALL - found
    assert len(gone) == 1
    assert zone.endswith(gone.pop())


@pytest.mark.parametrize("zone", ["in-addr.arpa", "arpa", "example", "xtest", "a.test.example"])
def test_a_configured_zone_above_or_beside_does_not(zone: str) -> None:
    assert on(local={"zones": [{"zone": zone}]}) == ALL


def test_a_local_name_inside_does_not_turn_a_default_off(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    config = {"local": {"names": {"nas.lan.home.arpa": "192.168.1.9"}}}
    assert on(**config) == ALL
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**config))
    assert rig.answer("nas.lan.home.arpa", "A").records == ["3600 192.168.1.9"]
    assert rig.answer("lan.home.arpa", "A").rcode == "NOERROR", "an empty non-terminal exists (RFC 8020)"
    assert rig.answer("other.home.arpa", "A").rcode == "NXDOMAIN"
    assert rig.answer("9.1.168.192.in-addr.arpa", "PTR").records == ["3600 nas.lan.home.arpa."]
    assert rig.answer("8.1.168.192.in-addr.arpa", "PTR").rcode == "NXDOMAIN"
    assert rig.answer("168.192.in-addr.arpa", "PTR").rcode == "NOERROR"
    assert not upstream.seen


def test_why_one_is_off_is_said() -> None:
    settings = Settings.model_validate(
        {"forward": [{"zone": "corp.home.arpa", "upstreams": ["192.0.2.1"]}]}, context={"folder": None}
    )
    why = {state.zone.name: state.why for state in default_states(settings, [Upstream("10.0.0.1", 53)])}
    assert why["home.arpa"] == "corp.home.arpa is forwarded"
    assert "private" in why["10.in-addr.arpa"]
    assert why["onion"] == ""
