"""Records that are moved behind a CNAME say what they said before."""

from __future__ import annotations

from dataclasses import replace

import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.dns import types
from blockd.errors import BadMessage
from blockd.names import DomainName, key_from_text
from blockd.resolver.composing.moving import MAX_POINTER, moving
from blockd.resolver.records import alias_record
from blockd.resolver.response import Response
from tests.effort import tries
from tests.resolver import corpus
from tests.resolver.rig import question
from tests.resolver.twins import question_size

OWNERS = ("target.example.", "www.target.example.", "example.", "other.test.", "a.other.test.")
DATA = (
    "A 192.0.2.1",
    "AAAA 2001:db8::1",
    "CNAME a.target.example.",
    "DNAME b.other.test.",
    "NS ns.example.",
    "PTR ptr.other.test.",
    "MX 10 mail.target.example.",
    "SRV 1 2 3 srv.example.",
    "NAPTR 1 2 \"U\" \"E2U+sip\" \"!^.*$!sip:x@y!\" n.example.",
    "SOA ns.example. hostmaster.other.test. 1 2 3 4 5",
    "RP one.example. two.other.test.",
    "AFSDB 1 afs.example.",
    "TXT \"\300\014 not a pointer\"",
    "HTTPS 1 svc.target.example. alpn=h2",
    "NSEC z.example. A RRSIG",
    "RRSIG A 8 2 60 20300101000000 20200101000000 1 example. AAAA",
    "TYPE65280 \\# 4 c00cc00c",
)  # fmt: skip
sets = st.lists(st.tuples(st.sampled_from(OWNERS), st.sampled_from(DATA)), max_size=8, unique=True)


def message_for(name: str, answer: list[tuple[str, str]], authority: list[tuple[str, str]]) -> bytes:
    made = dns.message.make_response(question(name))
    for section, records in ((made.answer, answer), (made.authority, authority)):
        for owner, data in records:
            kind, _, text = data.partition(" ")
            section.append(dns.rrset.from_text(owner, 60, "IN", kind, text))
    return made.to_wire(max_size=65535)


def whole_response(message: bytes) -> Response:
    """Return a response that has all records of a message, whether they answer its question or not."""
    size = question_size(message)
    assert size is not None
    answers, authorities = (int.from_bytes(message[at : at + 2]) for at in (6, 8))
    records = message[12 + size :]
    return Response(0, False, False, (answers, authorities, 0), records, (), 60, False, (), (), (), b"")


@settings(max_examples=tries(300, 3_000))
@given(answer=sets, authority=sets, asked=st.sampled_from(("x.", "www.listed.test.", "example.", "y." * 100 + "long.")))
def test_moved_records_say_what_they_said(
    answer: list[tuple[str, str]], authority: list[tuple[str, str]], asked: str
) -> None:
    wire = message_for("target.example", answer, authority)
    response = whole_response(wire)
    key = key_from_text("target.example")
    how = moving(key, response, do=True)
    section = question(asked).to_wire()[12:]
    counts, records = how.behind(section, alias_record(DomainName(key).wire, 7), response.records)
    header = b"\0\0\x81\x80\0\1" + b"".join(count.to_bytes(2) for count in counts)
    read = dns.message.from_wire(header + section + records, one_rr_per_rrset=True)
    whole = dns.message.from_wire(wire, one_rr_per_rrset=True)
    alias = dns.rrset.from_text(asked, 7, "IN", "CNAME", "target.example.")
    assert read.answer == [alias, *whole.answer]
    assert [rrset.ttl for rrset in read.answer] == [7, *[60] * len(whole.answer)]
    needed = [n for n, rrset in enumerate(whole.authority, 1) if rrset.rdtype in (types.SOA, types.NSEC)]
    assert read.authority == whole.authority[: max(needed, default=0)]


@settings(max_examples=tries(300, 3_000))
@given(
    answer=sets,
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4),
    counts=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
def test_damaged_records_are_moved_or_refused(
    answer: list[tuple[str, str]], changes: list[tuple[int, int]], counts: tuple[int, int]
) -> None:
    response = whole_response(message_for("target.example", answer, []))
    octets = bytearray(response.records)
    for place, octet in changes:
        if octets:
            octets[place % len(octets)] = octet
    response = replace(response, records=bytes(octets), counts=(*counts, 0))
    try:
        moving(key_from_text("target.example"), response, do=True)
    except BadMessage:
        return


def test_a_name_out_of_a_pointers_reach_is_refused() -> None:
    filler = [corpus.record(16, bytes(16_200))]
    name = b"\1a\xc0\x0c"
    far = [corpus.record(1, b"\1\2\3\4", owner=name), corpus.record(1, b"\1\2\3\4", owner=b"\xff\x00")]
    wire = corpus.raw_response("target.example", "A", filler + far)
    place = wire.index(name)
    wire = wire.replace(b"\xff\x00", (0xC000 | place).to_bytes(2))
    assert place < MAX_POINTER
    response = whole_response(wire)
    how = moving(key_from_text("target.example"), response, do=False)
    section = b"\1x\0\0\1\0\1"
    alias = alias_record(DomainName(key_from_text("target.example")).wire, 7)
    assert how.behind(section, alias, response.records)
    with pytest.raises(BadMessage, match="too long"):
        how.behind(
            b"\x3f" + b"x" * 63 + b"\x3f" + b"y" * 63 + b"\x3f" + b"z" * 63 + b"\0\0\1\0\1", alias, response.records
        )
