"""The supervisor passes certificates on to those that serve by the config for which they were read, and no others."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from blockd.daemon.certificates.handed import HandedCertificates
from blockd.daemon.certificates.relay import pass_on
from blockd.daemon.channel import DESCRIPTOR, Channel, Message, discard
from blockd.daemon.processes.children import CONTROL, Child, Role
from blockd.daemon.processes.family import Family
from blockd.daemon.processes.jobs import Jobs
from blockd.daemon.processes.pulse import Pulse
from blockd.daemon.reload.generation import Generation
from tests.tls.certificates import pair

PAIR = pair("dns.example")
OTHER = pair("other.example")


def generation(certificates: HandedCertificates) -> Generation:
    nothing = cast("Any", None)
    return Generation(Path("blockd.yaml"), nothing, nothing, nothing, nothing, certificates)


class Children:
    """Makes children that serve by a generation, and the other ends of their channels."""

    def __init__(self, closing: contextlib.ExitStack) -> None:
        self._closing = closing

    def __call__(self, role: Role, by: Generation) -> tuple[Child, Channel]:
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mine, its = (Channel(self._closing.enter_context(end)) for end in ends)
        return Child(role, 1, -1, mine, 0.0, Pulse(), generation=by), its


@pytest.fixture
def child() -> Iterator[Children]:
    with contextlib.ExitStack() as closing:
        yield Children(closing)


def news() -> tuple[Message, int]:
    descriptor = HandedCertificates.of([OTHER]).descriptor
    assert descriptor is not None
    return {"certificates": 1, DESCRIPTOR: descriptor}, descriptor


def test_those_of_the_config_in_force_are_passed_on_and_kept(child: Children) -> None:
    before, now = generation(HandedCertificates.of([PAIR])), generation(HandedCertificates.of([PAIR]))
    (serving, its), (leaving, old) = child(Role("worker", 0), now), child(Role("worker", 0), before)
    control, _ = child(CONTROL, now)
    pass_on(news()[0], control, Jobs(now, "native"), cast("Family", [serving, leaving, control]))
    assert now.certificates.pairs() == (OTHER,)
    received = its.receive()
    assert received is not None
    assert [sorted(message) for message in received] == [["certificates", DESCRIPTOR]]
    for message in received:
        discard(message)
    assert old.receive() == []


def test_those_that_a_replaced_control_process_has_read_are_nobodys(child: Children) -> None:
    before, now = generation(HandedCertificates.of([PAIR])), generation(HandedCertificates())
    serving, its = child(Role("worker", 0), now)
    control, _ = child(CONTROL, before)
    message, descriptor = news()
    pass_on(message, control, Jobs(now, "native"), cast("Family", [serving, control]))
    assert now.certificates.descriptor is None
    assert its.receive() == []
    assert not Path(f"/proc/self/fd/{descriptor}").exists(), "it is closed"
