"""Whatever a client sends: an answer that can be read, or silence, and never an exception."""

from __future__ import annotations

from pathlib import Path

import dns.message
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from blockd.metrics import Transport
from blockd.orders import Action
from blockd.resolver import Outcome, QueryContext, Resolver
from tests.resolver.rig import CLIENT, STRANGER, Rig, order, question

ACTIONS = (Action.SINKHOLE, Action.NXDOMAIN, Action.TCP_ONLY, Action.DROP, Action.REFUSED, Action.CNAME)


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Resolver:
    """A pipeline whose ruleset has a name for each action: `sinkhole.example` and so on."""
    folder: Path = tmp_path_factory.mktemp("pipeline")
    rig = Rig(folder)
    rig.enforce(
        [
            (
                order(action.value, action, contact="ж" * 90, cname="info.example" if action is Action.CNAME else ""),
                [f"{action.value}.example"],
            )
            for action in ACTIONS
        ]
    )
    return rig.resolver


REAL = tuple(
    question(f"www.{action.value}.example", kind, **edns).to_wire()
    for action in ACTIONS
    for kind in ("A", "HTTPS")
    for edns in ({}, {"want_dnssec": True, "payload": 512})
)


def check(resolver: Resolver, packet: bytes, transport: Transport, host: str) -> None:
    begun = resolver.begin(packet, host, transport)
    if isinstance(begun, QueryContext):
        assert packet[2] & 0xF8 == 0, "only questions are forwarded"
        return
    if isinstance(begun, Outcome):
        assert begun is Outcome.SILENCE
        return
    assert not packet[2] & 0x80, "answers are never answered"
    assert begun[:2] == packet[:2]
    assert begun[2] & 0x80
    limit = 1232 if transport is Transport.UDP else 65535
    assert 12 <= len(begun) <= limit
    dns.message.from_wire(begun)


@settings(max_examples=300)
@given(
    packet=st.binary(max_size=700),
    transport=st.sampled_from((Transport.UDP, Transport.TCP)),
    host=st.sampled_from((CLIENT, STRANGER)),
)
def test_any_bytes(resolver: Resolver, packet: bytes, transport: Transport, host: str) -> None:
    check(resolver, packet, transport, host)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    packet=st.sampled_from(REAL),
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
    tail=st.binary(max_size=20),
    transport=st.sampled_from((Transport.UDP, Transport.TCP)),
)
@example(packet=REAL[0], changes=[], tail=b"", transport=Transport.UDP)
def test_damaged_questions(
    resolver: Resolver, packet: bytes, changes: list[tuple[int, int]], tail: bytes, transport: Transport
) -> None:
    octets = bytearray(packet)
    for place, octet in changes:
        octets[place % len(octets)] = octet
    check(resolver, bytes(octets) + tail, transport, CLIENT)


@pytest.mark.parametrize("packet", REAL, ids=range(len(REAL)))
def test_questions_cut_anywhere(resolver: Resolver, packet: bytes) -> None:
    for end in range(len(packet)):
        check(resolver, packet[:end].ljust(3, b"\0") if end < 3 else packet[:end], Transport.UDP, CLIENT)
