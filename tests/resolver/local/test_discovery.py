"""What clients learn of this resolver's encrypted transports, as dnspython and dig read it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rdata
import dns.rdatatype
import pytest

from blockd.dns import types
from blockd.metrics import Transport
from blockd.names import key_from_text
from blockd.orders import Action
from blockd.resolver.local.discovery import MAX_PORTS, OWN_ERRORS, Designation, error_codes
from blockd.settings import Settings
from blockd.settings.encrypted import MAX_DISCOVERED, MAX_DOH_PATH
from blockd.settings.listening import MAX_LISTENED
from tests.places import ROOT
from tests.resolver.local.conftest import Make
from tests.resolver.rig import Rig, order
from tests.upstream import UpstreamSimulator

NAME = "dns.isp.example"
LISTEN = {"dns": ["192.0.2.53:53"], "dot": ["192.0.2.53:853", "[2001:db8::53]:853"], "doh": ["192.0.2.53:443"]}
DOT = '1 dns.isp.example. alpn="dot" ipv4hint="192.0.2.53" ipv6hint="2001:db8::53"'
DOH = '2 dns.isp.example. alpn="h2" ipv4hint="192.0.2.53" dohpath="/dns-query{?dns}"'
EXTERR = "exterr=0,3,14-17,19,22-23,30"


def config(**more: Any) -> dict[str, Any]:
    """Return the settings of a resolver that is announced."""
    certificates = [{"chain": "/chain", "key": "/key"}]
    return {"listen": LISTEN, "certificates": certificates, "discovery": {"name": NAME}, **more}


def records(rig: Rig, name: str, kind: str) -> list[str]:
    """Return the records of an answer that is this resolver's own, each as a zone file has it, without the TTL."""
    answer = rig.answer(name, kind)
    assert answer.rcode == "NOERROR"
    assert answer.has(dns.flags.AA)
    return [record.partition(" ")[2] for record in answer.records]


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> Rig:
    return Rig(tmp_path, upstream.upstream, local=zones_of(**config()))


@pytest.mark.parametrize("name", ["_dns.resolver.arpa", f"_dns.{NAME}", f"_DNS.{NAME.upper()}"])
def test_both_ways_of_discovery_lead_to_the_same_transports(rig: Rig, upstream: UpstreamSimulator, name: str) -> None:
    assert records(rig, name, "SVCB") == [DOT, DOH]
    assert [int(record.partition(" ")[0]) for record in rig.answer(name, "SVCB").records] == [300, 300]
    for kind in ("A", "HTTPS", "TXT"):
        answer = rig.answer(name, kind)
        assert (answer.rcode, answer.records) == ("NOERROR", [])
    assert not upstream.seen


def test_parameters_are_in_ascending_order(rig: Rig) -> None:
    """RFC 9460 section 2.2: a client must ignore the record otherwise."""
    wire = rig.answer("_dns.resolver.arpa", "SVCB").message.answer[0][1].to_wire()
    place, keys = 2 + len(NAME) + 2, []
    while place < len(wire):
        keys.append(int.from_bytes(wire[place : place + 2]))
        place += 4 + int.from_bytes(wire[place + 2 : place + 4])
    assert keys == [types.SVCB_ALPN, types.SVCB_IPV4HINT, types.SVCB_DOHPATH]


def test_the_name_has_the_addresses_that_are_listened_on(rig: Rig, upstream: UpstreamSimulator) -> None:
    assert records(rig, NAME, "A") == ["192.0.2.53"]
    assert records(rig, NAME, "AAAA") == ["2001:db8::53"]
    rig.answer(f"www.{NAME}", "A")
    assert [seen.name for seen in upstream.seen] == [f"www.{NAME}"], "names below are resolved like every other"


@pytest.mark.parametrize("name", ["resolver.arpa", NAME])
def test_the_resolver_says_what_is_true_of_it(rig: Rig, name: str) -> None:
    """RFC 9606; clients ask without RD and take no answer without AA."""
    answer = rig.answer(name, "RESINFO", flags=0)
    (rrset,) = answer.message.answer
    assert answer.has(dns.flags.AA)
    assert strings(rrset[0]) == [EXTERR]


def strings(data: dns.rdata.Rdata) -> list[str]:
    """Return the character-strings of a record."""
    wire, found = data.to_wire() or b"", []
    while wire:
        found.append(wire[1 : 1 + wire[0]].decode())
        wire = wire[1 + wire[0] :]
    return found


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://blocked.isp.example/", ["infourl=https://blocked.isp.example/"]),
        ("http://blocked.isp.example/", []),  # RFC 9606 section 5: clients ignore it
        (f"https://blocked.isp.example/{'a' * 240}", []),  # is no character-string
    ],
)
def test_the_page_about_orders_is_told_if_it_can_be(url: str, said: list[str]) -> None:
    found = designation(**config(public={"url": url}))
    assert list(found.information) == [EXTERR, *said]


def designation(**given: Any) -> Designation:
    """Return that of a config."""
    found = Designation.of(Settings.model_validate(given, context={"folder": Path("/")}))
    assert found is not None
    return found


def test_every_error_that_is_given_is_told() -> None:
    paths = [path for suffix in ("py", "pyx", "pxd") for path in (ROOT / "blockd").rglob(f"*.{suffix}")]
    text = "".join(path.read_text() for path in paths if path.name != "discovery.py")
    given = set(re.findall(r"types\.(EDE_\w+)", text)) - {"EDE_OPTION", "EDE_CODE_ONLY"}
    assert {getattr(types, name) for name in given} == set(OWN_ERRORS)


@pytest.mark.parametrize(
    ("codes", "text"),
    [((), ""), ((7,), "7"), ((0, 1), "0-1"), ((0, 3, 4, 5, 9), "0,3-5,9"), ((14, 15, 17), "14-15,17")],
)
def test_codes_are_written_as_ranges(codes: tuple[int, ...], text: str) -> None:
    assert error_codes(codes) == text


def test_unusual_ports_are_told(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> None:
    listen = {"dns": ["127.0.0.1:53"], "dot": ["127.0.0.1:8853"], "doh": ["127.0.0.1:8443"]}
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**config(listen=listen, doh={"path": "/q"})))
    assert records(rig, "_dns.resolver.arpa", "SVCB") == [
        '1 dns.isp.example. alpn="dot" port="8853" ipv4hint="127.0.0.1"',
        '2 dns.isp.example. alpn="h2" port="8443" ipv4hint="127.0.0.1" dohpath="/q{?dns}"',
    ]


def test_each_port_that_is_listened_on_is_told_with_its_addresses(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    listen = {"dot": ["192.0.2.53:853", "192.0.2.54:8853", "192.0.2.55:853"]}
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**config(listen=listen)))
    assert records(rig, "_dns.resolver.arpa", "SVCB") == [
        '1 dns.isp.example. alpn="dot" ipv4hint="192.0.2.53,192.0.2.55"',
        '1 dns.isp.example. alpn="dot" port="8853" ipv4hint="192.0.2.54"',
    ]


def test_the_largest_announcement_fits_in_an_answer(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    name = ".".join(("a" * 60, "b" * 60, "c" * 60, "d" * 59, "example"))
    ports = [f"[::]:{port}" for port in range(1024, 1024 + MAX_LISTENED)]
    addresses = [f"2001:db8::{number:x}" for number in range(MAX_DISCOVERED)]
    said = {
        "listen": {"dot": ports, "doh": [port.replace("]:1", "]:2") for port in ports]},
        "discovery": {"name": name, "addresses": addresses},
        "doh": {"path": "/" + "p" * (MAX_DOH_PATH - 1)},
    }
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**config(**said)))
    answer = rig.answer("_dns.resolver.arpa", "SVCB", Transport.TCP)
    assert not answer.has(dns.flags.TC)
    assert len(answer.records) == 2 * MAX_PORTS
    cut = rig.answer("_dns.resolver.arpa", "SVCB")
    assert cut.has(dns.flags.TC)


def test_a_front_end_has_ports_and_addresses_of_its_own(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    said = {"name": NAME, "addresses": ["198.51.100.53"], "doh_port": 443}
    listen = {"dns": ["10.0.0.53:53"], "dot": ["10.0.0.53:853"], "doh": ["10.0.0.53:8080"]}
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(listen=listen, discovery=said))
    assert records(rig, "_dns.resolver.arpa", "SVCB") == [
        '1 dns.isp.example. alpn="dot" ipv4hint="198.51.100.53"',
        '2 dns.isp.example. alpn="h2" ipv4hint="198.51.100.53" dohpath="/dns-query{?dns}"',
    ]
    assert records(rig, NAME, "A") == ["198.51.100.53"]
    assert records(rig, NAME, "AAAA") == []
    assert not upstream.seen


def test_what_only_front_ends_reach_is_not_told(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> None:
    doh = {"plain_from": ["10.0.0.0/8"]}
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**config(doh=doh, certificates=[])))
    assert records(rig, "_dns.resolver.arpa", "SVCB") == [DOT]


def test_without_addresses_the_name_is_resolved_like_every_other(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    listen = {"dns": ["0.0.0.0:53"], "dot": ["0.0.0.0:853", "[::]:853"]}
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**config(listen=listen)))
    assert records(rig, "_dns.resolver.arpa", "SVCB") == ['1 dns.isp.example. alpn="dot"']
    rig.answer(NAME, "A")
    rig.answer(NAME, "RESINFO")
    assert [(seen.name, seen.type) for seen in upstream.seen] == [(NAME, "A"), (NAME, "RESINFO")]


def test_nothing_is_announced_without_a_name(tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make) -> None:
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(listen=LISTEN))
    for name, kind in (("_dns.resolver.arpa", "SVCB"), ("resolver.arpa", "RESINFO")):
        answer = rig.answer(name, kind)
        assert (answer.rcode, answer.records, answer.negative_ttl) == ("NOERROR", [], 10_800)
    assert not upstream.seen


def test_records_that_the_config_has_for_the_name_stand(
    tmp_path: Path, upstream: UpstreamSimulator, zones_of: Make
) -> None:
    zone = {"zone": "isp.example", "records": ["dns A 192.0.2.7", "dns TXT own", "www A 192.0.2.8"]}
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**config(local={"zones": [zone]})))
    assert records(rig, NAME, "A") == ["192.0.2.7"]
    assert records(rig, NAME, "TXT") == ['"own"']
    assert records(rig, NAME, "AAAA") == []
    assert len(records(rig, NAME, "RESINFO")) == 1
    assert records(rig, f"_dns.{NAME}", "SVCB") == [DOT, DOH]
    assert rig.answer("none.isp.example", "A").rcode == "NXDOMAIN"
    alias = {"zone": "isp.example", "records": ["dns CNAME www", "www A 192.0.2.8"]}
    rig = Rig(tmp_path, upstream.upstream, local=zones_of(**config(local={"zones": [alias]})))
    assert rig.answer(NAME, "A").records[-1] == "3600 192.0.2.8"
    assert not upstream.seen


def test_a_list_may_block_what_is_announced(rig: Rig, upstream: UpstreamSimulator) -> None:
    """Policy comes first for these names too."""
    rig.enforce([(order(action=Action.NXDOMAIN), [NAME])])
    assert rig.answer(f"_dns.{NAME}", "SVCB").rcode == "NXDOMAIN"
    assert records(rig, "_dns.resolver.arpa", "SVCB") == [DOT, DOH], "only its name is listed"
    assert not upstream.seen


def test_discovery_has_a_count_of_its_own(rig: Rig) -> None:
    for name, kind in (("_dns.resolver.arpa", "SVCB"), (f"_dns.{NAME}", "A"), (NAME, "A"), ("x.resolver.arpa", "A")):
        rig.answer(name, kind)
    assert rig.counters.local() == [0, 0, 0, 4]


def test_it_is_told_as_json() -> None:
    assert designation(**config()).to_json() == {
        "name": NAME,
        "addresses": ["192.0.2.53", "2001:db8::53"],
        "transports": [
            {"alpn": "dot", "port": 853, "path": None},
            {"alpn": "h2", "port": 443, "path": "/dns-query"},
        ],
    }
    assert designation(**config()).name_key == key_from_text(f"_dns.{NAME}")
