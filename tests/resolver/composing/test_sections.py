"""What an answer leaves out that is too large for its client, and what it never leaves out."""

from __future__ import annotations

from dataclasses import dataclass

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blockd.dns import types
from blockd.metrics import Transport
from blockd.resolver.answers import answer
from blockd.resolver.composing.sections import MAX_AUTHORITIES
from blockd.resolver.query import Query
from blockd.resolver.response import parse
from tests.effort import tries
from tests.resolver import corpus
from tests.resolver.twins import question_size

NAME = "www.example"
QUESTION = 12 + len(NAME) + 2 + 4  # octets of a header and the question
OPT = 11
CODE = 6  # octets of an EDE without its text
NS, A, TXT = 2, 1, 16


@dataclass(frozen=True)
class Given:
    """A record: its type, the octets of its data, and the type that it covers if it is an RRSIG."""

    kind: int
    size: int
    covered: int = 0

    @property
    def wire(self) -> bytes:
        return corpus.record(self.kind, self.covered.to_bytes(2) + bytes(self.size - 2))

    def is_needed(self, do: bool) -> bool:
        proofs = (types.NSEC, types.NSEC3)
        signed = self.kind == types.RRSIG and self.covered in (types.SOA, *proofs)
        return self.kind == types.SOA or (do and (self.kind in proofs or signed))


def records(*kinds: int, most: int) -> st.SearchStrategy[list[Given]]:
    made = st.builds(Given, st.sampled_from(kinds), st.integers(2, 300), st.sampled_from((NS, 6, 47, 50, A)))
    return st.lists(made, max_size=most)


def size_of(given: list[Given]) -> int:
    return sum(len(record.wire) for record in given)


@settings(max_examples=tries(400, 4_000))
@given(
    answers=records(A, types.CNAME, types.RRSIG, types.SOA, TXT, most=6),
    authorities=records(NS, types.SOA, types.RRSIG, types.NSEC, types.NSEC3, most=6),
    additional=records(A, types.RRSIG, most=6),
    text=st.one_of(st.none(), st.integers(0, 300)),
    payload=st.one_of(st.none(), st.integers(0, 1500)),
    do=st.booleans(),
    rcode=st.sampled_from((types.NOERROR, types.NXDOMAIN)),
)
def test_only_what_an_answer_needs_makes_it_truncated(
    answers: list[Given],
    authorities: list[Given],
    additional: list[Given],
    text: int | None,
    payload: int | None,
    do: bool,
    rcode: int,
) -> None:
    edns = payload is not None
    do = do and edns
    asked = dns.message.make_query(NAME, "A", use_edns=0 if edns else False, payload=payload or 0, want_dnssec=do)
    query = Query(asked.to_wire(), Transport.UDP)
    option = b"" if text is None else b"\0\x0f" + (2 + text).to_bytes(2) + b"\0\x09" + b"t" * text
    wire = b"".join(record.wire for record in (*answers, *authorities, *additional))
    counts = len(answers), len(authorities), len(additional)
    made = answer(query, rcode, counts, wire, errors=option)

    room = query.limit - QUESTION - (OPT if edns else 0)
    option = option if edns else b""
    code = min(len(option), CODE)
    assert len(made) <= query.limit
    kept = tuple(int.from_bytes(made[at : at + 2]) for at in (6, 8, 10))
    kept = (*kept[:2], kept[2] - edns)
    size = sum(size_of(found[:number]) for found, number in zip((answers, authorities, additional), kept, strict=True))
    assert made[QUESTION : QUESTION + size] == wire[: size if kept[2] == 0 else len(wire)]
    told = len(made) - QUESTION - size - (OPT if edns else 0)  # octets of the EDE
    last = max((place for place, record in enumerate(authorities, 1) if record.is_needed(do)), default=0)
    needed = size_of(answers) + size_of(authorities[:last])
    assert bool(made[2] & 2) == (needed > room), "TC says that what is needed does not fit"
    assert made[3] & 15 == rcode
    if needed > room:
        assert (kept, told) == ((0, 0, 0), code)
    elif len(wire) + code <= room:
        assert (kept, told) == (counts, len(option) if len(wire) + len(option) <= room else code)
    else:
        assert kept[0] == counts[0]
        assert kept[2] == 0
        in_full = size_of(answers + authorities)
        if in_full + code <= room:
            assert (kept[1], told) == (counts[1], code)
        elif needed + code <= room:
            assert (kept[1], told) == (last, code)
        else:
            assert (kept[1], told) == (counts[1] if in_full <= room else last, 0)


MAIL = [f"{NAME}. 60 IN MX {n} mail.{'x' * 40}{n}.example." for n in range(5)]
SERVERS = [f"example. 60 IN NS ns.{'y' * 40}{n}.example." for n in range(5)]
GLUE = [f"mail.{'x' * 40}{n}.example. 60 IN AAAA 2001:db8::{n}" for n in range(5)]


@pytest.mark.parametrize("do", [False, True])
def test_names_never_lead_to_what_is_left_out(do: bool) -> None:
    asked = dns.message.make_query(NAME, "MX", use_edns=0, want_dnssec=do)
    whole = dns.message.make_response(asked)
    for section, texts in ((whole.answer, MAIL), (whole.authority, SERVERS), (whole.additional, GLUE)):
        section.extend(dns.rrset.from_text(*text.split(None, 4)) for text in texts)  # type: ignore[arg-type]
    wire = whole.to_wire(max_size=65535)
    size = question_size(wire)
    assert size is not None
    response = parse(wire, size)
    whole = dns.message.from_wire(wire)
    seen = set()
    for limit in range(512, 1233):
        query = Query(asked.to_wire()[:-9] + limit.to_bytes(2) + asked.to_wire()[-7:], Transport.UDP)
        query.limit = limit
        read = dns.message.from_wire(answer(query, 0, response.counts, response.records))
        assert not read.flags & dns.flags.TC
        assert [str(rrset) for rrset in read.answer] == [str(rrset) for rrset in whole.answer]
        assert read.authority in ([], whole.authority)
        assert read.additional in ([], whole.additional)
        seen.add((bool(read.authority), bool(read.additional)))
    assert seen == {(False, False), (True, False), (True, True)}


def test_more_authority_records_than_are_looked_through_count_as_needed() -> None:
    asked = Query(dns.message.make_query(NAME, "A").to_wire(), Transport.UDP)
    servers = corpus.record(NS, b"\xc0\x0c")
    for number, truncated in ((MAX_AUTHORITIES, False), (MAX_AUTHORITIES + 1, True)):
        made = answer(asked, 0, (1, number, 0), corpus.ADDRESS + servers * number)
        assert bool(made[2] & 2) == truncated
