"""Clients outside of the networks that are served: one REFUSED at most, never longer than what it answers."""

from __future__ import annotations

from pathlib import Path

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.dns import types
from blockd.metrics import Transport
from blockd.resolver.edge.strangers import stranger_refusal
from tests.resolver import corpus
from tests.resolver.rig import STRANGER, Rig, order, question

QUESTIONS = corpus.questions()
LONGEST = ".".join(["x" * 63] * 3 + ["y" * 61])  # 255 octets in wire format


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.enforce([(order(), ["telegram.org"])])
    return made


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("name", ["telegram.org", "web.telegram.org", ".", LONGEST])
@pytest.mark.parametrize("flags", [0, dns.flags.RD, dns.flags.CD | dns.flags.AD | dns.flags.TC])
def test_question_is_refused_with_its_header_and_question_alone(
    rig: Rig, name: str, flags: int, transport: Transport
) -> None:
    query = question(name)
    query.flags = flags
    wire = rig.begin(query.to_wire(), transport, STRANGER)
    assert wire is not None
    answer = dns.message.from_wire(wire)
    assert (answer.rcode(), answer.id, answer.question) == (dns.rcode.REFUSED, query.id, query.question)
    assert answer.flags == flags & (dns.flags.RD | dns.flags.CD) | dns.flags.QR | dns.rcode.REFUSED
    assert (answer.edns, len(wire)) == (-1, len(query.to_wire()))
    assert (rig.counters.queries()[transport], rig.counters.answers()[types.REFUSED]) == (1, 1)


@pytest.mark.parametrize("flags", [0, dns.flags.DO])
@pytest.mark.parametrize("version", [0, 1])
def test_opt_record_is_answered_with_a_bare_one(rig: Rig, flags: int, version: int) -> None:
    query = question("telegram.org", use_edns=version, ednsflags=flags, payload=4096, options=[])
    wire = rig.begin(query.to_wire(), host=STRANGER)
    assert wire is not None
    answer = dns.message.from_wire(wire)
    assert (answer.rcode(), answer.edns, answer.ednsflags, answer.options) == (dns.rcode.REFUSED, 0, flags, ())
    assert answer.payload == types.MAX_UDP
    assert len(wire) == len(query.to_wire())


def header(*counts: int, flags: int = types.RD) -> bytes:
    return b"\x12\x34" + flags.to_bytes(2) + b"".join(count.to_bytes(2) for count in counts)


NAME = b"\3www\7example\0\0\1\0\1"


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        header(1, 0, 0, 0)[:11],
        header(1, 0, 0, 0, flags=types.QR) + NAME,
        header(1, 0, 0, 0, flags=2 << types.OPCODE_SHIFT) + NAME,
        header(1, 0, 0, 0, flags=types.NOTIFY << types.OPCODE_SHIFT) + NAME,
        header(0, 0, 0, 0),
        header(2, 0, 0, 0) + NAME + NAME,
        header(1, 1, 0, 0) + NAME,
        header(1, 0, 1, 0) + NAME,
        header(1, 0, 0, 3) + NAME,
        header(1, 0, 0, 0) + NAME[:-1],
        header(1, 0, 0, 0) + NAME[:-5],
        header(1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1",
        header(1, 0, 0, 0) + b"\x40" + b"x" * 64 + b"\0\0\1\0\1",
        header(1, 0, 0, 0) + (b"\x3f" + b"x" * 63) * 4 + b"\0\0\1\0\1",
    ],
)
def test_what_is_no_question_gets_no_answer(rig: Rig, packet: bytes) -> None:
    assert rig.begin(packet, host=STRANGER) is None
    assert rig.counters.queries()[Transport.UDP] == 1
    assert sum(rig.counters.answers()) == 0


@given(st.sampled_from(QUESTIONS), st.lists(st.tuples(st.integers(0, 1500), st.integers(0, 255)), max_size=4))
def test_no_refusal_is_longer_than_what_it_answers(packet: bytes, changes: list[tuple[int, int]]) -> None:
    octets = bytearray(packet)
    for place, octet in changes:
        octets[place % len(octets)] = octet
    refused = stranger_refusal(bytes(octets))
    if refused is not None:
        assert len(refused) <= len(packet)
        answer = dns.message.from_wire(refused)
        assert (answer.rcode(), answer.opcode()) == (dns.rcode.REFUSED, dns.opcode.QUERY)
