"""What `status`, `check` and `lookup` say of how names are resolved is what workers do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blockd.daemon.report.resolution_lines import MAX_SHOWN, resolution_lines
from blockd.names import key_from_text
from blockd.resolver.local.defaults import key_of
from blockd.resolver.resolution import Resolution, Route
from blockd.settings import Settings

CONFIG: dict[str, Any] = {
    "upstreams": ["198.51.100.53"],
    "local": {"zones": [{"zone": "corp.example", "records": ["www A 192.0.2.1"]}], "names": {"nas.lan": "10.0.0.9"}},
    "forward": [{"zone": "in.corp.example", "upstreams": ["192.0.2.53", "tls://192.0.2.54#dns.example"]}],
    "canaries": True,
}

ROUTERS = "33 reverse zones of RFC 6303, 64 reverse zones of RFC 7793, home.arpa, local, service.arpa"
PRIVATE = "all upstreams are at private addresses, and may know the names of their network"


def made(**config: Any) -> Resolution:
    return Resolution.of(Settings.model_validate({**CONFIG, **config}, context={"folder": None}), Path("/nonexistent"))


def lines(**config: Any) -> list[str]:
    return list(resolution_lines(made(**config).to_json()))


@pytest.mark.parametrize(
    ("name", "route"),
    [
        ("www.corp.example", Route("local", "corp.example", "local.zones")),
        ("other.corp.example", Route("local", "corp.example", "local.zones")),
        ("nas.lan", Route("local", "nas.lan", "local.names")),
        ("9.0.0.10.in-addr.arpa", Route("local", "10.in-addr.arpa", "RFC 6303")),
        ("_dns.resolver.arpa", Route("local", "resolver.arpa", "RFC 9462")),
        ("mask.icloud.com", Route("local", "mask.icloud.com", "canaries")),
        (
            "a.in.corp.example",
            Route("upstreams", "in.corp.example", "forward", ("192.0.2.53:53", "tls://192.0.2.54:853#dns.example")),
        ),
        ("x.nas.lan", Route("upstreams", "", "upstreams", ("198.51.100.53:53",))),
        ("example.com", Route("upstreams", "", "upstreams", ("198.51.100.53:53",))),
    ],
)
def test_who_answers_for_a_name(name: str, route: Route) -> None:
    key = key_of(name) if name.endswith("arpa") else key_from_text(name)
    resolution = made()
    assert resolution.route(key) == route
    assert (resolution.local.find(key, 1) is not None) == (route.by == "local")


def test_what_is_answered_here_is_told() -> None:
    assert lines() == [
        "forwarded: in.corp.example to 192.0.2.53:53, tls://192.0.2.54:853#dns.example",
        "local zone: corp.example, 1 record",
        "local names: 1, with those of their addresses",
        f"answered here by default: {ROUTERS}, localhost, test, invalid, onion, alt, resolver.arpa",
        "canaries: browsers and devices that ask are told that names are filtered here",
    ]


def test_what_clients_are_told_of_encrypted_transports_is_told() -> None:
    listen = {"dot": ["192.0.2.53:853"], "doh": ["192.0.2.53:8443", "0.0.0.0:443"]}
    ways, addresses = lines(
        listen=listen, discovery={"name": "dns.isp.example"}, certificates=[{"chain": "/c", "key": "/k"}]
    )[-2:]
    assert ways == (
        "discovery: clients that ask are told of dns.isp.example: DNS over TLS at port 853, "
        "DNS over HTTPS at port 8443 (/dns-query), DNS over HTTPS at port 443 (/dns-query)"
    )
    assert addresses == "  its addresses: 192.0.2.53"
    found = made(discovery={"name": "dns.isp.example", "dot_port": 853}, listen={"dns": ["0.0.0.0:53"]})
    assert list(resolution_lines(found.to_json()))[-1] == (
        "  its addresses: none; dns.isp.example is resolved like every other name"
    )
    assert found.route(key_of("_dns.resolver.arpa")) == Route("local", "resolver.arpa", "discovery")
    assert made().to_json()["discovery"] is None


def test_what_is_off_is_told_with_the_reason() -> None:
    found = lines(
        upstreams=["192.168.1.1"], forward=[{"zone": "x.test", "upstreams": ["192.0.2.1"]}], local={}, canaries=False
    )
    assert found == [
        "forwarded: x.test to 192.0.2.1:53",
        "answered here by default: localhost, invalid, onion, alt, resolver.arpa",
        f"  not answered here: {ROUTERS} ({PRIVATE})",
        "  not answered here: test (x.test is forwarded)",
        "canaries: off; browsers and devices that ask are not told that names are filtered here",
    ]
    assert lines(local={"defaults": False})[1] == "answered here by default: resolver.arpa"


def test_many_zones_are_counted() -> None:
    zones = [{"zone": f"z{number}.example"} for number in range(MAX_SHOWN + 3)]
    assert "  and 3 more local zones (--json)" in lines(local={"zones": zones})


def test_no_upstream_of_a_zone_is_known() -> None:
    found = lines(forward=[{"zone": "a.example", "upstreams": ["system"]}])
    assert found[0] == "system: no resolver (/etc/resolv.conf cannot be read: No such file or directory)"
    assert found[1] == "forwarded: a.example to no upstream: its names get SERVFAIL"


def test_what_system_stands_for_is_told(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\nnameserver 127.0.0.1\n")
    config = {"upstreams": ["system"], "listen": {"dns": ["0.0.0.0:53"]}}
    settings = Settings.model_validate(config, context={"folder": None})
    found = Resolution.of(settings, tmp_path / "resolv.conf")
    assert list(resolution_lines(found.to_json()))[:2] == [
        "system: 192.0.2.1, 127.0.0.1, by /etc/resolv.conf",
        "  LEFT OUT: the upstream 127.0.0.1:53 is blockd itself",
    ]
    assert found.to_json()["upstreams"] == ["192.0.2.1:53"]
    none = Resolution.of(Settings.model_validate({}, context={"folder": None}), tmp_path / "absent")
    assert any(line.startswith("NO UPSTREAM") for line in resolution_lines(none.to_json()))


def test_one_zone_of_a_group_is_told_in_the_singular() -> None:
    told = lines(forward=[{"zone": "10.in-addr.arpa", "upstreams": ["192.0.2.53"]}], local={})
    assert "  not answered here: 1 reverse zone of RFC 6303 (10.in-addr.arpa is forwarded)" in told
