"""What clients may send, and what they get for what they may not."""

from __future__ import annotations

import struct

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.metrics import Transport
from blockd.resolver.query import Query, is_notify
from tests.resolver.rig import CLIENT, STRANGER, Answer, Rig, order, question

OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"
QUESTION = b"\x03web\x08telegram\x03org\0\0\1\0\1"
SILENCE = "silence"


def message(
    flags: int = 0x0100,
    counts: tuple[int, int, int, int] = (1, 0, 0, 0),
    body: bytes = QUESTION,
    identifier: int = 0x1234,
) -> bytes:
    return struct.pack(">6H", identifier, flags, *counts) + body


LONG_NAME = (b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0"  # 256 octets
LONGEST_NAME = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"  # 255 octets

MALFORMED = {
    "empty": (b"", SILENCE),
    "short": (message()[:11], SILENCE),
    "an answer": (message(0x8180), SILENCE),
    "a malformed answer": (message(0x8180, body=b"\xff"), SILENCE),
    "header only": (message(body=b""), "FORMERR"),
    "no question": (message(counts=(0, 0, 0, 0), body=b""), "FORMERR"),
    "two questions": (message(counts=(2, 0, 0, 0), body=QUESTION * 2), "FORMERR"),
    "an answer record": (message(counts=(1, 1, 0, 0), body=QUESTION + OPT), "FORMERR"),
    "an authority record": (message(counts=(1, 0, 1, 0), body=QUESTION + OPT), "FORMERR"),
    "additional records without end": (message(counts=(1, 0, 0, 65535), body=QUESTION + OPT), "FORMERR"),
    "a missing record": (message(counts=(1, 0, 0, 1)), "FORMERR"),
    "two OPT": (message(counts=(1, 0, 0, 2), body=QUESTION + OPT * 2), "FORMERR"),
    "OPT with an owner": (message(counts=(1, 0, 0, 1), body=QUESTION + b"\x01a" + OPT), "FORMERR"),
    "OPT with a pointer as owner": (message(counts=(1, 0, 0, 1), body=QUESTION + b"\xc0\x0c" + OPT[1:]), "FORMERR"),
    "OPT that is cut": (message(counts=(1, 0, 0, 1), body=QUESTION + OPT[:-1]), "FORMERR"),
    "OPT longer than the message": (message(counts=(1, 0, 0, 1), body=QUESTION + OPT[:-1] + b"\1"), "FORMERR"),
    "a signature that is cut": (message(counts=(1, 0, 0, 2), body=QUESTION + OPT + b"\x01k\0\0\xfa\0\xff"), "FORMERR"),
    "a pointer in the question": (message(body=b"\xc0\x0c\0\1\0\1"), "FORMERR"),
    "a pointer behind a label": (message(body=b"\x01a\xc0\x0c\0\1\0\1"), "FORMERR"),
    "a label of 64 octets": (message(body=b"\x40" + b"a" * 64 + b"\0\0\1\0\1"), "FORMERR"),
    "a name of 256 octets": (message(body=LONG_NAME + b"\0\1\0\1"), "FORMERR"),
    "a cut name": (message(body=b"\x03we"), "FORMERR"),
    "a cut question": (message(body=QUESTION[:-1]), "FORMERR"),
    "QTYPE OPT": (message(body=QUESTION[:-4] + b"\0\x29\0\1"), "FORMERR"),
    "opcode STATUS": (message(0x1100), "NOTIMP"),
    "opcode NOTIFY": (message(0x2100), "NOTIMP"),
    "opcode UPDATE": (message(0x2800), "NOTIMP"),
    "opcode 15": (message(0x7900), "NOTIMP"),
    "class CHAOS": (message(body=b"\x07version\x04bind\0\0\x10\0\3"), "REFUSED"),
    "class ANY": (message(body=QUESTION[:-2] + b"\0\xff"), "REFUSED"),
    "AXFR": (message(body=QUESTION[:-4] + b"\0\xfc\0\1"), "REFUSED"),
    "IXFR": (message(body=QUESTION[:-4] + b"\0\xfb\0\1"), "REFUSED"),
    "EDNS version 1": (message(counts=(1, 0, 0, 1), body=QUESTION + OPT[:6] + b"\1" + OPT[7:]), "BADVERS"),
    "EDNS version 1 and octets behind": (
        message(counts=(1, 0, 0, 1), body=QUESTION + OPT[:6] + b"\1" + OPT[7:] + b"\0"),
        "BADVERS",
    ),
}


@pytest.fixture
def rig(rig: Rig) -> Rig:
    rig.enforce([(order(), ["telegram.org"])])
    return rig


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("case", MALFORMED)
def test_what_cannot_be_answered_gets_its_rcode_or_silence(rig: Rig, case: str, transport: Transport) -> None:
    packet, expected = MALFORMED[case]
    wire = rig.begin(packet, transport)
    if wire is None:
        assert expected == SILENCE
        return
    answer = dns.message.from_wire(wire)
    assert dns.rcode.to_text(answer.rcode()) == expected
    assert answer.id == 0x1234
    assert answer.flags & dns.flags.QR
    assert answer.opcode() == dns.opcode.from_flags(int.from_bytes(packet[2:4]))
    assert len(wire) <= len(packet) + len(OPT), "an error is never worth amplifying"


RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\xc0\0\2\1"
DO_OPT = OPT[:7] + b"\x80" + OPT[8:]
WITH_OPT = {  # messages that cannot be answered as a question, and whether their OPT record can be read
    "a cookie of 7 octets": (
        message(counts=(1, 0, 0, 1), body=QUESTION + OPT[:-2] + b"\0\x0b\0\x0a\0\x07" + b"c" * 7),
        True,
    ),
    "a cut option": (message(counts=(1, 0, 0, 1), body=QUESTION + OPT[:-1] + b"\1\0"), True),
    "no question and no cookie": (message(counts=(0, 0, 0, 1), body=OPT), True),
    "an answer record": (message(counts=(1, 1, 0, 1), body=QUESTION + RECORD + DO_OPT), True),
    "a record too many": (message(counts=(1, 0, 0, 3), body=QUESTION + RECORD * 2 + OPT), True),
    "many records": (message(counts=(1, 0, 0, 1000), body=QUESTION + RECORD * 999 + OPT), False),
    "two OPT": (message(counts=(1, 0, 0, 2), body=QUESTION + DO_OPT * 2), True),
    "a signature that is cut": (message(counts=(1, 0, 0, 2), body=QUESTION + OPT + b"\1k\0\0\xfa\0\xff"), True),
    "OPT that is cut": (message(counts=(1, 0, 0, 1), body=QUESTION + OPT[:-1]), False),
    "OPT longer than the message": (message(counts=(1, 0, 0, 1), body=QUESTION + OPT[:-1] + b"\1"), False),
    "OPT with an owner": (message(counts=(1, 0, 0, 1), body=QUESTION + b"\1a" + OPT), False),
    "OPT among the answers": (message(counts=(1, 1, 0, 0), body=QUESTION + OPT), False),
    "two questions": (message(counts=(2, 0, 0, 1), body=QUESTION * 2 + OPT), False),
    "a pointer in the question": (message(counts=(1, 0, 0, 1), body=b"\xc0\x0c\0\1\0\1" + OPT), False),
    "opcode UPDATE": (message(0x2800, counts=(1, 0, 1, 1), body=QUESTION + RECORD + OPT), True),
    "QTYPE OPT": (message(counts=(1, 0, 0, 1), body=QUESTION[:-4] + b"\0\x29\0\1" + OPT), True),
    "class CHAOS": (message(counts=(1, 0, 0, 1), body=QUESTION[:-2] + b"\0\3" + OPT), True),
    "AXFR": (message(counts=(1, 0, 0, 1), body=QUESTION[:-4] + b"\0\xfc\0\1" + OPT), True),
}


@pytest.mark.parametrize("case", WITH_OPT)
def test_an_error_has_an_opt_record_if_its_question_had_one(rig: Rig, case: str) -> None:
    """RFC 6891 section 6.1.1."""
    packet, is_read = WITH_OPT[case]
    wire = rig.begin(packet)
    assert wire is not None
    answer = dns.message.from_wire(wire)
    assert answer.edns == (0 if is_read else -1)
    if is_read:
        assert bool(answer.ednsflags & dns.flags.DO) == (DO_OPT in packet)
        assert answer.payload == 1232
    assert answer.question == [] or answer.question[0].to_text().startswith("web.telegram.org.")
    assert len(wire) <= len(packet) + types.EDE_CODE_ONLY


@pytest.mark.parametrize("case", MALFORMED)
def test_a_stranger_learns_nothing_from_malformed_messages(rig: Rig, case: str) -> None:
    wire = rig.begin(MALFORMED[case][0], host=STRANGER)
    assert wire is None or dns.message.from_wire(wire).rcode() == dns.rcode.REFUSED


def test_badvers_tells_the_version_that_is_spoken(rig: Rig) -> None:
    wire = rig.begin(MALFORMED["EDNS version 1"][0])
    assert wire is not None
    answer = dns.message.from_wire(wire)
    assert (answer.edns, answer.rcode()) == (0, dns.rcode.BADVERS)
    assert rig.counters.answers()[16] == 1


@pytest.mark.parametrize(
    ("host", "served"),
    [
        (CLIENT, True),
        ("127.255.255.255", True),
        ("128.0.0.1", False),
        ("2001:db8:1::7", True),
        ("2001:db8:2::7", False),
        ("fe80::1%eth0", False),
    ],
)
def test_only_listed_networks_are_served(rig: Rig, host: str, served: bool) -> None:
    answer = rig.ask("web.telegram.org", host=host, use_edns=0)
    assert answer is not None
    told = Answer(answer)
    assert told.rcode == ("NOERROR" if served else "REFUSED")
    assert (told.error is None) == (not served)
    assert told.error is None or told.error[0] == 16


def test_the_longest_name_is_a_name() -> None:
    assert len(Query(message(body=LONGEST_NAME + b"\0\1\0\1"), Transport.UDP).key) == 254


def test_a_signature_beside_opt_is_passed_over(rig: Rig) -> None:
    tsig = b"\x01k\0\0\xfa\0\xff\0\0\0\0\0\0"
    wire = rig.begin(message(counts=(1, 0, 0, 2), body=QUESTION + OPT + tsig))
    assert wire is not None
    assert dns.message.from_wire(wire).rcode() == dns.rcode.NOERROR


TSIG = b"\x01k\0\0\xfa\0\xff\0\0\0\0\0\0"
WHOLE = {  # a question, and the octets that it is as good as
    "plain": (message(), 0),
    "with OPT": (message(counts=(1, 0, 0, 1), body=QUESTION + OPT), 1),
    "with OPT and a signature": (message(counts=(1, 0, 0, 2), body=QUESTION + OPT + TSIG), 1),
}


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("behind", [b"\0", OPT, b"\xff" * 400], ids=["an octet", "an OPT that is not counted", "many"])
@pytest.mark.parametrize("case", WHOLE)
def test_octets_behind_a_whole_question_are_ignored(rig: Rig, case: str, behind: bytes, transport: Transport) -> None:
    packet, edns = WHOLE[case]
    answer = rig.begin(packet + behind, transport)
    assert answer == rig.begin(packet, transport)
    assert answer is not None
    read = dns.message.from_wire(answer)
    assert (read.rcode(), len(read.answer), read.edns + 1) == (dns.rcode.NOERROR, 1, edns)


def test_unknown_options_and_flags_are_passed_over_and_not_echoed(rig: Rig) -> None:
    opt = b"\0\0\x29\x04\xd0\0\0\x7f\xff\0\x0c\xfd\xe9\0\x08abcdefgh"
    wire = rig.begin(message(0x0170, counts=(1, 0, 0, 1), body=QUESTION + opt))
    assert wire is not None
    answer = dns.message.from_wire(wire)
    assert answer.ednsflags == 0
    assert b"abcdefgh" not in wire
    assert not answer.flags & 0x0040, "the Z bit must be zero, RFC 1035 section 4.1.1"


LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=8).filter(lambda found: sum(map(len, found)) < 240)


@given(
    labels=LABELS,
    kind=st.integers(0, 65535),
    klass=st.integers(0, 65535),
    flags=st.sampled_from((0, dns.flags.RD, dns.flags.CD, dns.flags.RD | dns.flags.AD)),
    payload=st.one_of(st.none(), st.integers(0, 65535)),
    secure=st.booleans(),
    identifier=st.integers(0, 65535),
)
def test_a_question_is_read_as_dnspython_reads_it(
    labels: list[bytes], kind: int, klass: int, flags: int, payload: int | None, secure: bool, identifier: int
) -> None:
    name = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    body = name + struct.pack(">HH", kind, klass)
    if payload is not None:
        body += struct.pack(">BHHIH", 0, 41, payload, 0x8000 if secure else 0, 0)
    packet = message(flags, (1, 0, 0, int(payload is not None)), body, identifier)
    read = dns.message.from_wire(packet)
    query = Query(packet, Transport.UDP)
    assert query.id == read.id == identifier
    assert query.question == body[: len(name) + 4]
    assert (query.qtype, query.qclass) == (kind, klass)
    if read.question:
        assert query.qtype == read.question[0].rdtype
        canonical = read.question[0].name.canonicalize().labels[:-1]
        assert query.key == b"".join(bytes((len(label),)) + label for label in reversed(canonical))
    assert query.edns == (read.edns == 0)
    assert query.do == (payload is not None and secure)
    assert query.limit == min(max(read.payload if payload is not None else 512, 512), 1232)


@given(packet=st.binary(max_size=600))
def test_any_bytes_are_a_question_or_a_bad_message(packet: bytes) -> None:
    try:
        query = Query(packet, Transport.UDP)
    except BadMessage:
        return
    assert packet[12 : 12 + len(query.question)] == query.question


def test_questions_carry_what_dnspython_writes(rig: Rig) -> None:
    wire = rig.begin(question("web.telegram.org", want_dnssec=True, payload=4096, pad=128).to_wire())
    assert wire is not None
    assert dns.message.from_wire(wire).answer


def test_only_a_notify_that_is_no_answer_is_one() -> None:
    assert is_notify(message(0x2000))
    assert is_notify(message(0x2400))
    assert not is_notify(message(0xA000))
    assert not is_notify(message(0x0100))
    assert not is_notify(message(0x2000)[:11])
