"""Whose answers are limited, what goes out in their place, and how that is counted; by both engines alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from blockd.dns import types
from blockd.metrics import Transport
from blockd.metrics.counters import LIMITED_DONE, LIMITED_KINDS
from blockd.names import Network
from blockd.orders import Action
from blockd.resolver import Outcome, SelfTestIdentity, SelfTestKey
from blockd.resolver.edge.rate_limit import RateLimiter
from blockd.resolver.edge.rates import SEED, RateLimits
from tests.resolver.rig import STRANGER, Rig, order, question

SUBSCRIBER = "192.0.2.200"
FRONT_END = "192.0.2.7"
SERVED = (Network.from_text("127.0.0.0/8"), Network.from_text("192.0.2.0/24"), Network.from_text("::1"))
KEY = SelfTestKey(bytes(range(16)))


class RefusingNotify:
    """A handler that takes no NOTIFY."""

    def answer(self, packet: bytes, host: str) -> bytes:
        """Return REFUSED, unless the host is a primary."""
        return packet[:2] + (b"\xa0\0" if host == "192.0.2.53" else b"\xa0\5") + bytes(8)


def serving(limits: RateLimits, **more: Any) -> Mapping[str, Any]:
    limiter = RateLimiter(limits, bytes(range(SEED)))
    front_ends = (Network.from_text(FRONT_END),)
    return {"networks": SERVED, "front_ends": front_ends, "limiter": limiter, **more}


def rig_with(folder: Path, limits: RateLimits, **more: Any) -> Rig:
    rig = Rig(folder, serving=serving(limits, **more))
    rig.enforce([(order(), ["listed.example"]), (order("order-2", Action.REFUSED), ["refused.example"])])
    return rig


def limited(rig: Rig) -> dict[str, int]:
    """Return what was counted as withheld."""
    counts = rig.counters.limited()
    return {
        f"{kind} {done}": counts[place][number]
        for place, kind in enumerate(LIMITED_KINDS)
        for number, done in enumerate(LIMITED_DONE)
        if counts[place][number]
    }


def ask(rig: Rig, name: str, host: str, count: int, transport: Transport = Transport.UDP, **edns: Any) -> list[str]:
    """Return what so many equal questions are answered with."""
    said = []
    for _ in range(count):
        wire = rig.begin(question(name, **edns).to_wire(), transport, host)
        if wire is None:
            said.append("")
            continue
        message = dns.message.from_wire(wire)
        assert not message.flags & dns.flags.TC or not message.answer
        said.append("TC" if message.flags & dns.flags.TC else dns.rcode.to_text(message.rcode()))
    return said


def test_refusals_to_strangers_are_limited_and_never_truncated(tmp_path: Path) -> None:
    rig = rig_with(tmp_path, RateLimits(strangers=2, slip=1))
    assert ask(rig, "a.example", STRANGER, 5) == ["REFUSED", "REFUSED", "", "", ""]
    assert ask(rig, "b.example", "198.51.100.200", 1) == [""], "another name, another address of the network"
    assert ask(rig, "a.example", "198.51.101.1", 1) == ["REFUSED"]
    assert limited(rig) == {"stranger dropped": 4}
    assert rig.counters.answers()[types.REFUSED] == 3, "what was dropped is no answer"
    assert rig.counters.queries()[Transport.UDP] == 7
    assert ask(rig, "listed.example", SUBSCRIBER, 50) == ["NOERROR"] * 50, "clients have no limit unless it is set"


def test_answers_to_clients_are_limited_and_slip(tmp_path: Path) -> None:
    rig = rig_with(tmp_path, RateLimits(responses=3, slip=2))
    assert ask(rig, "listed.example", SUBSCRIBER, 7) == ["NOERROR"] * 3 + ["", "TC", "", "TC"]
    assert limited(rig) == {"response dropped": 2, "response truncated": 2}
    assert rig.counters.answers()[types.NOERROR] == 5
    assert rig.counters.hits(1)[0] == 7, "the order was hit, whatever became of the answer"
    assert ask(rig, "a.listed.example", SUBSCRIBER, 1) == ["NOERROR"]
    assert ask(rig, "refused.example", SUBSCRIBER, 20) == ["REFUSED"] * 20, "errors have a rate of their own"


def test_errors_to_clients_are_limited_and_slip_as_they_are(tmp_path: Path) -> None:
    rig = rig_with(tmp_path, RateLimits(errors=2, slip=2))
    assert ask(rig, "refused.example", SUBSCRIBER, 5) == ["REFUSED", "REFUSED", "", "REFUSED", ""]
    malformed = question("a.example").to_wire()[:-1]
    assert [rig.begin(malformed, host=SUBSCRIBER) is None for _ in range(4)] == [False, True, False, True]
    assert ask(rig, "listed.example", SUBSCRIBER, 20) == ["NOERROR"] * 20
    badvers = question("a.example", use_edns=1).to_wire()
    assert rig.begin(badvers, host=SUBSCRIBER) is not None
    assert rig.begin(badvers, host=SUBSCRIBER) is None
    assert limited(rig) == {"error dropped": 5}


def test_truncated_answer_has_the_opt_record_of_its_question(tmp_path: Path) -> None:
    rig = rig_with(tmp_path, RateLimits(responses=1, slip=1))
    query = question("listed.example", use_edns=0, ednsflags=dns.flags.DO)
    assert rig.begin(query.to_wire(), host=SUBSCRIBER) is not None
    wire = rig.begin(query.to_wire(), host=SUBSCRIBER)
    assert wire is not None
    told = dns.message.from_wire(wire)
    assert (told.flags & dns.flags.TC, told.edns, told.ednsflags, told.options) == (dns.flags.TC, 0, dns.flags.DO, ())
    assert len(wire) == len(query.to_wire())


@pytest.mark.parametrize("host", [FRONT_END, "127.0.0.1", "127.9.9.9", "::1"])
def test_front_ends_and_this_machine_have_no_limit(tmp_path: Path, host: str) -> None:
    rig = rig_with(tmp_path, RateLimits(1, 1, 1))
    assert ask(rig, "listed.example", host, 20) == ["NOERROR"] * 20
    assert ask(rig, "refused.example", host, 20) == ["REFUSED"] * 20
    assert not limited(rig)


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.DOT, Transport.DOH])
def test_streams_have_no_limit(tmp_path: Path, transport: Transport) -> None:
    rig = rig_with(tmp_path, RateLimits(1, 1, 1))
    assert ask(rig, "listed.example", SUBSCRIBER, 20, transport) == ["NOERROR"] * 20
    assert ask(rig, "a.example", STRANGER, 20, transport) == ["REFUSED"] * 20
    assert not limited(rig)


def test_self_tests_have_no_limit(tmp_path: Path) -> None:
    rig = rig_with(tmp_path, RateLimits(1, 1, 1), selftest=SelfTestIdentity(KEY, 0))
    for _ in range(20):
        assert isinstance(rig.resolver.begin(KEY.identity_question, STRANGER, Transport.UDP), bytes)
    assert not limited(rig)


def test_refusals_of_notify_are_limited_but_primaries_are_answered(tmp_path: Path) -> None:
    rig = rig_with(tmp_path, RateLimits(strangers=2), notify=RefusingNotify())
    notify = b"\x12\x34\x20\0" + bytes(8)
    said = [rig.resolver.begin(notify, STRANGER, Transport.UDP) for _ in range(4)]
    assert [one is Outcome.SILENCE for one in said] == [False, False, True, True]
    assert all(rig.resolver.begin(notify, "192.0.2.53", Transport.UDP) is not Outcome.SILENCE for _ in range(20))
    assert limited(rig) == {"stranger dropped": 2}


def test_a_limited_network_is_answered_again(tmp_path: Path) -> None:
    rig = rig_with(tmp_path, RateLimits(responses=2, slip=0))
    assert ask(rig, "listed.example", SUBSCRIBER, 4) == ["NOERROR", "NOERROR", "", ""]
    rig.clock.now += 3.0
    assert ask(rig, "listed.example", SUBSCRIBER, 2) == ["NOERROR", "NOERROR"]
