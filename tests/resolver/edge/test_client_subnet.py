"""A client's EDNS client subnet (RFC 7871) is for nobody: it is not used, forwarded, cached by, or echoed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.edns
import dns.message
import pytest

from blockd.metrics import Transport
from tests.resolver.rig import Rig, question
from tests.upstream import Fault, UpstreamSimulator

SUBNET = dns.edns.OptionType.ECS
SHAPES = {
    "IPv4": dns.edns.ECSOption("198.51.100.0", 24),
    "IPv6": dns.edns.ECSOption("2001:db8:7::", 48),
    "no address": dns.edns.ECSOption("0.0.0.0", 0),  # noqa: S104 - RFC 7871 section 7.1.2
    "a family that is none": dns.edns.GenericOption(SUBNET, b"\0\x09\x18\0\xc6\x33\x64"),
    "bits behind the prefix": dns.edns.GenericOption(SUBNET, b"\0\1\x08\0\xc6\x33\x64"),
    "cut": dns.edns.GenericOption(SUBNET, b"\0\1\x20"),
    "empty": dns.edns.GenericOption(SUBNET, b""),
    "long": dns.edns.GenericOption(SUBNET, bytes(200)),
}


def asked(shape: str, name: str = "www.example") -> bytes:
    return question(name, use_edns=0, options=[SHAPES[shape]]).to_wire()


def options_of(message: dns.message.Message) -> set[int]:
    return {int(option.otype) for option in message.options}


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fault", [None, Fault.TRUNCATED])
def test_it_is_neither_forwarded_nor_echoed_nor_cached_by(
    tmp_path: Path, upstream: UpstreamSimulator, shape: str, transport: Transport, fault: Fault | None
) -> None:
    upstream.plan("www.example", "A", "www.example. 300 IN A 192.0.2.9")
    upstream.faults |= {fault} if fault else set()
    rig = Rig(tmp_path, upstream.upstream, cookies=True, attempts=1)  # an upstream that is slow is not asked again
    for one in (shape, "IPv4", "IPv6"):
        wire = asyncio.run(rig.resolve(asked(one), transport=transport))
        assert wire is not None
        answer = dns.message.from_wire(wire)
        assert [str(rrset[0]) for rrset in answer.answer] == ["192.0.2.9"]
        assert int(SUBNET) not in options_of(answer)
    assert len(upstream.seen) == (2 if fault else 1), "the second and the third answer are from the cache"
    assert all(int(SUBNET) not in options_of(seen.message) for seen in upstream.seen)
