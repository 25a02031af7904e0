"""`id.server` and `hostname.bind`: which of several servers has answered (RFC 4892)."""

from __future__ import annotations

from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import pytest

from tests.resolver.rig import Rig
from tests.resolver.twins import SERVED, STRANGERS, Twins

NAMES = ("id.server", "hostname.bind", "ID.Server")
SERVER = "jkt-2.dns.isp.example"


def question(name: str, kind: str = "TXT", flags: int = 0x100) -> bytes:
    """Return a question in class CHAOS."""
    return dns.message.make_query(name, kind, dns.rdataclass.CH, flags=flags, id=7).to_wire()


def answered(rig: Rig, packet: bytes) -> dns.message.Message:
    """Return the answer, which needs no upstream."""
    return dns.message.from_wire(rig.begin(packet) or b"")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("flags", [0, 0x100])
def test_the_server_says_which_it_is(tmp_path: Path, name: str, flags: int) -> None:
    answer = answered(Rig(tmp_path, serving={"server_id": SERVER.encode()}), question(name, flags=flags))
    (rrset,) = answer.answer
    assert rrset.to_text() == f'{name}. 0 CH TXT "{SERVER}"'
    assert answer.flags & dns.flags.AA
    assert answer.rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize("name", NAMES)
def test_it_is_refused_where_nobody_gave_it_a_name(tmp_path: Path, name: str) -> None:
    assert answered(Rig(tmp_path), question(name)).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("version.bind", "TXT"),
        ("version.server", "TXT"),
        ("authors.bind", "TXT"),
        ("id.server", "A"),
        ("server", "TXT"),
    ],
)
def test_nothing_else_in_that_class_is_told(tmp_path: Path, name: str, kind: str) -> None:
    rig = Rig(tmp_path, serving={"server_id": SERVER.encode()})
    assert answered(rig, question(name, kind)).rcode() == dns.rcode.REFUSED


def test_both_engines_say_the_same(tmp_path: Path) -> None:
    pytest.importorskip("blockd.resolver.engine._engine", reason="the native engine was not built")
    twins = Twins(tmp_path, serving=lambda: {"server_id": SERVER.encode()})
    for name in (*NAMES, "version.bind"):
        for host in (SERVED[0], STRANGERS[0]):
            twins.ask(question(name), host)
