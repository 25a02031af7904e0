"""Zones with upstreams of their own: each question goes to those of the longest zone that its name is in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from blockd.names import key_from_text
from blockd.resolver.forwarding.upstream_groups import Group, Groups, groups_of
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.machine.observation import Observation
from blockd.resolver.machine.system import System
from blockd.resolver.own_networks import own_networks
from blockd.settings import Settings, Upstream
from tests.resolver.rig import Rig
from tests.upstream import Fault, UpstreamSimulator

ZONES = ("corp.example", "sub.corp.example", "10.in-addr.arpa")


@pytest.fixture
def others() -> Iterator[list[UpstreamSimulator]]:
    """One upstream for each of ZONES."""
    with ExitStack() as stack:
        yield [stack.enter_context(UpstreamSimulator()) for _ in ZONES]


def settings_of(others: list[UpstreamSimulator]) -> Settings:
    forward = [{"zone": zone, "upstreams": [other.address]} for zone, other in zip(ZONES, others, strict=True)]
    return Settings.model_validate({"forward": forward, "upstreams": ["192.0.2.1"]}, context={"folder": None})


@pytest.fixture
def rig(tmp_path: Path, upstream: UpstreamSimulator, others: list[UpstreamSimulator]) -> Rig:
    settings = settings_of(others)
    local = LocalZones.of(settings, [Upstream("192.0.2.1", 53)])
    return Rig(tmp_path, upstream.upstream, local=local, forwarded=groups_of(settings)[1:])


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("corp.example", 0),
        ("WWW.Corp.Example", 0),
        ("xsub.corp.example", 0),
        ("sub.corp.example", 1),
        ("a.b.sub.corp.example", 1),
        ("1.0.0.10.in-addr.arpa", 2),
        ("example", None),
        ("xcorp.example", None),
        ("corp.example.net", None),
        ("sub.example", None),
    ],
)
def test_the_longest_zone_decides(
    rig: Rig, upstream: UpstreamSimulator, others: list[UpstreamSimulator], name: str, place: int | None
) -> None:
    asked = upstream if place is None else others[place]
    asked.plan(name, "A", f"{name}. 300 IN A 198.51.100.7")
    assert rig.answer(name).records == ["300 198.51.100.7"]
    assert rig.answer(name).records == ["300 198.51.100.7"]
    assert [len(one.seen) for one in (upstream, *others)] == [int(one is asked) for one in (upstream, *others)]


def test_other_upstreams_are_never_asked_for_it(
    rig: Rig, upstream: UpstreamSimulator, others: list[UpstreamSimulator]
) -> None:
    others[0].faults.add(Fault.SERVFAIL)
    answer = rig.answer("www.corp.example")
    assert answer.rcode == "SERVFAIL"
    assert len(others[0].seen) >= 1
    assert not upstream.seen
    assert rig.answer("www.example").rcode == "NXDOMAIN", "no trouble of one is another's"


def test_a_zone_that_is_forwarded_is_no_local_one(rig: Rig, others: list[UpstreamSimulator]) -> None:
    soa = "10.in-addr.arpa. 60 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60"
    others[2].plan("9.9.9.10.in-addr.arpa", "PTR", authority=[soa], rcode="NXDOMAIN")
    assert rig.answer("9.9.9.10.in-addr.arpa", "PTR").negative_ttl == 60, "the upstream's answer"
    assert len(others[2].seen) == 1


def test_groups_are_those_of_the_config(others: list[UpstreamSimulator]) -> None:
    settings = settings_of(others)
    groups = Groups(groups_of(settings))
    assert groups.groups[0] == Group(b"", (Upstream("192.0.2.1", 53),))
    assert groups.of(key_from_text("a.sub.corp.example")).upstreams == (others[1].upstream,)
    assert groups.of(b"") == groups.groups[0]
    with pytest.raises(ValueError, match="all names"):
        Groups(())


def test_system_stands_for_the_machines_resolvers_in_a_zone_too(tmp_path: Path) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 192.0.2.9\n")
    config = {"forward": [{"zone": "a.example", "upstreams": ["system", "127.0.0.1:8053"]}]}
    settings = Settings.model_validate(config, context={"folder": None})
    observation = Observation.of(settings, System(resolv_conf))
    assert groups_of(settings, observation)[1].upstreams == (Upstream("192.0.2.9", 53),), "and none is blockd itself"


def test_no_list_may_block_the_upstreams_of_a_zone(tmp_path: Path) -> None:
    config = {"forward": [{"zone": "a.example", "upstreams": ["192.0.2.53", "system"]}], "upstreams": ["192.0.2.54"]}
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 192.0.2.9\n")
    settings = Settings.model_validate(config, context={"folder": None})
    found = own_networks(settings, Observation.of(settings, System(resolv_conf)))
    assert {network.text for network in found.upstreams} == {"192.0.2.9", "192.0.2.53", "192.0.2.54"}
