"""What upstreams say is as hostile as what clients send."""

from __future__ import annotations

import ipaddress
import random

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blockd.errors import BadMessage
from blockd.names import key_from_wire
from blockd.resolver.reading.refusals import refusal_text
from blockd.resolver.response import Response, is_header_only, matches, parse
from tests.resolver import corpus
from tests.resolver.reading_alike import both_read, fault, relayed
from tests.resolver.twins import question_size

reading = pytest.importorskip("blockd.resolver.engine._reading", reason="the native engine was not built")

QUERY = dns.message.make_query("www.example.", "A", id=7)
ASKED = QUERY.to_wire()
QUESTION_SIZE = len(ASKED) - 12
MALFORMED_ANSWERS = 3000


def wire(
    kind: str,
    *answer: str,
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    edns: int | bool = 0,
) -> bytes:
    message = dns.message.make_response(dns.message.make_query("www.example.", kind, id=7), recursion_available=True)
    message.use_edns(edns)
    for section, lines in (
        (message.answer, answer),
        (message.authority, authority),
        (message.additional, additional),
    ):
        for line in lines:
            name, ttl, klass, kind, data = line.split(None, 4)
            section.append(dns.rrset.from_text(name, int(ttl), klass, kind, data))
    return message.to_wire(max_size=65535)


REAL = (
    wire("A", "www.example. 300 IN A 192.0.2.1", "www.example. 300 IN A 192.0.2.2"),
    wire("AAAA", "www.example. 300 IN CNAME web.telegram.org.", "web.telegram.org. 20 IN AAAA 2001:db8::1"),
    wire(
        "A",
        "example. 300 IN DNAME telegram.org.",
        "www.example. 300 IN CNAME www.telegram.org.",
        "www.telegram.org. 5 IN A 192.0.2.9",
    ),
    wire(
        "HTTPS",
        "www.example. 60 IN HTTPS 1 svc.example. alpn=h3,h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::2",
        additional=("svc.example. 60 IN A 192.0.2.1",),
    ),
    wire("SVCB", "www.example. 60 IN SVCB 0 alias.example."),
    wire("HTTPS", "www.example. 60 IN HTTPS 1 . port=8443", "www.example. 60 IN HTTPS 2 b.example. alpn=h2"),
    wire("A", authority=("example. 3600 IN SOA ns.example. host.example. 1 2 3 4 60",)),
    wire("MX", "www.example. 9 IN MX 1 mx.example.", additional=("mx.example. 9 IN A 192.0.2.3",), edns=False),
)


def with_answer(kind: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    record = owner + kind.to_bytes(2) + b"\0\1\0\0\0\x3c" + len(data).to_bytes(2) + data
    return b"\0\7\x81\x80\0\1\0\1\0\0\0\0" + ASKED[12:] + record


MALFORMED = {
    "CNAME that ends before its record": with_answer(5, b"\1a\0\0"),
    "CNAME longer than its record": with_answer(5, b"\5abc"),
    "empty CNAME": with_answer(5, b""),
    "NS that points at itself": with_answer(2, b"\xc0\x29"),
    "a pointer into the labels that it ends": with_answer(2, b"\1a\xc0\x29"),
    "a pointer to labels that run into it": with_answer(2, b"\xc0\x28"),
    "A of three octets": with_answer(1, b"abc"),
    "AAAA of four octets": with_answer(28, b"abcd"),
    "SOA without its last number": with_answer(6, b"\0\0" + bytes(16)),
    "SOA with an octet more": with_answer(6, b"\0\0" + bytes(21)),
    "MX without a name": with_answer(15, b"\0\1"),
    "SRV cut in its port": with_answer(33, b"\0\1\0\2\0"),
    "NAPTR without its last string": with_answer(35, b"\0\1\0\1\1s\0"),
    "TXT of nothing": with_answer(16, b""),
    "TXT with a string that runs over its end": with_answer(16, b"\3ab"),
    "HINFO of one string": with_answer(13, b"\1a"),
    "DNAME with a pointer": with_answer(39, b"\xc0\x0c"),
    "RRSIG with a pointer": with_answer(46, bytes(18) + b"\xc0\x0c" + bytes(64)),
    "RRSIG without a signer": with_answer(46, bytes(18)),
    "NSEC whose bitmap ends in zeros": with_answer(47, b"\0" + b"\0\2\x40\0"),
    "NSEC whose windows are in the wrong order": with_answer(47, b"\0" + b"\1\1\x40" + b"\0\1\x40"),
    "NSEC3 without the next name's hash": with_answer(50, b"\1\0\0\0\0\0"),
    "DNSKEY of three octets": with_answer(48, b"\1\0\3"),
    "DS whose digest is cut": with_answer(43, b"\0\1\x08\2" + bytes(31)),
    "TLSA whose hash is cut": with_answer(52, b"\3\1\1" + bytes(31)),
    "SSHFP whose hash is cut": with_answer(44, b"\1\2" + bytes(31)),
    "CAA without a tag": with_answer(257, b"\0\0value"),
    "CAA with a tag of other characters": with_answer(257, b"\0\5is-ue"),
    "URI without a target": with_answer(256, b"\0\1\0\1"),
    "LOC of another version": with_answer(29, b"\1" + bytes(15)),
    "LOC of a size of nothing times a billion": with_answer(29, b"\0\x09\x16\x13\x80\0\0\0\x80" + bytes(7)),
    "LOC north of the pole": with_answer(29, b"\0\x12\x16\x13\xff" + bytes(11)),
    "SVCB with the same parameter twice": with_answer(64, b"\0\1\0\0\3\0\2\0\x50\0\3\0\2\0\x50"),
    "SVCB with an empty hint": with_answer(64, b"\0\1\0\0\4\0\0"),
    "SVCB with half a hint": with_answer(64, b"\0\1\0\0\4\0\6\1\2\3\4\5\6"),
    "SVCB with a pointer": with_answer(64, b"\0\1\xc0\x0c"),
    "SVCB without what is mandatory": with_answer(64, b"\0\1\0\0\0\0\2\0\3"),
    "HTTPS with an empty protocol": with_answer(65, b"\0\1\0\0\1\0\1\0"),
    "CNAME that points at itself": with_answer(5, b"\xc0\x29"),
    "CNAME that points forward": with_answer(5, b"\xc0\xff"),
    "CNAME that points into the header": with_answer(5, b"\xc0\x04"),
    "CNAME with a label of unknown kind": with_answer(5, b"\x40a\0"),
    "CNAME over 255 octets": with_answer(5, (b"\x3f" + b"a" * 63) * 4 + b"\0"),
    "empty SVCB": with_answer(64, b""),
    "SVCB cut in its target": with_answer(64, b"\0\1\5ab"),
    "SVCB cut in a parameter": with_answer(64, b"\0\1\0\0\4\0\x09\xc0\0\2\1"),
    "SVCB with octets behind": with_answer(65, b"\0\1\0\0\4\0\4\xc0\0\2\1\0"),
    "octets behind": with_answer(1, b"abcd") + b"\0",
    "a cut record": with_answer(1, b"abcd")[:-1],
    "a cut owner": with_answer(1, b"", b"\x05ab")[:-8],
    "OPT in the answer section": with_answer(41, b"", b"\0"),
    "an EDE option that is cut": ASKED[:2]
    + b"\x81\x80\0\1\0\0\0\0\0\1"
    + ASKED[12:]
    + b"\0\0\x29\4\xd0\0\0\0\0\0\6\0\x0f\0\x09\0\1",
    "more records than there are": b"\0\7\x81\x80\0\1\0\7\0\0\0\0" + ASKED[12:],
}
# What blockd refuses of messages that are not malformed, and what is told of each behind the upstream's name.
REFUSED = {
    "over 400 records": (
        b"\0\7\x81\x80\0\1" + (401).to_bytes(2) + bytes(4) + ASKED[12:],
        "sent an answer with over 400 records",
    ),
    "records of all sections are counted": (
        b"\0\7\x81\x80\0\1" + (200).to_bytes(2) * 2 + b"\0\1" + ASKED[12:],
        "sent an answer with over 400 records",
    ),
    "a name that is its own alias": (
        with_answer(5, b"\xc0\x0c"),
        "sent an answer whose CNAME records are a loop",
    ),
    "a DNAME alone": (
        with_answer(39, b"\3org\0", b"\0"),
        "sent an answer whose CNAME record is not the one that its DNAME record makes",
    ),
    "AAAA of class CH": (
        with_answer(28, bytes(16)).replace(b"\0\x1c\0\1\0\0\0\x3c", b"\0\x1c\0\3\0\0\0\x3c"),
        "sent an answer with a record that is not of class IN",
    ),
    "octets behind": (with_answer(1, b"abcd") + b"\0", "sent a malformed answer"),
    "a cut record": (with_answer(1, b"abcd")[:-1], "sent a malformed answer"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_told_of_a_refused_response_is_what_it_was_refused_for(case: str) -> None:
    message, sentence = REFUSED[case]
    with pytest.raises(BadMessage) as caught:
        parse(message, QUESTION_SIZE)
    assert refusal_text(caught.value) == sentence
    both_read(message, QUESTION_SIZE)


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_response_is_refused(case: str) -> None:
    message = MALFORMED[case]
    assert matches(message, ASKED, QUESTION_SIZE)
    with pytest.raises(BadMessage):
        parse(message, QUESTION_SIZE)
    assert both_read(message, QUESTION_SIZE)[0] == reading.MALFORMED


@pytest.mark.parametrize("message", REAL)
def test_real_answers_are_read_as_dnspython_reads_them(message: bytes) -> None:
    assert_agrees(parse(message, QUESTION_SIZE), message)


@given(octets=st.binary(max_size=300))
def test_any_bytes_behind_the_question_are_a_response_or_a_bad_message(octets: bytes) -> None:
    check(b"\0\7\x81\x80\0\1" + octets[:6].ljust(6, b"\0") + ASKED[12:] + octets[6:])


@given(
    counts=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
    records=st.lists(
        st.tuples(
            st.sampled_from((b"\xc0\x0c", b"\0", b"\1a\xc0\x10", b"\xc0\x0b")),
            st.sampled_from((1, 5, 6, 28, 39, 41, 64, 65)),
            st.binary(max_size=40),
        ),
        max_size=6,
    ),
)
def test_records_of_any_content_are_a_response_or_a_bad_message(
    counts: tuple[int, int, int], records: list[tuple[bytes, int, bytes]]
) -> None:
    body = b"".join(
        owner + kind.to_bytes(2) + b"\0\1\0\0\0\x3c" + len(data).to_bytes(2) + data for owner, kind, data in records
    )
    check(b"\0\7\x81\x80\0\1" + b"".join(count.to_bytes(2) for count in counts) + ASKED[12:] + body)


@given(
    message=st.sampled_from(REAL),
    changes=st.lists(st.tuples(st.integers(6, 2000), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 40),
)
@example(message=REAL[0], changes=[], cut=1)
def test_a_damaged_answer_is_read_or_refused(message: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    octets = bytearray(message)
    for place, octet in changes:
        octets[place % len(octets)] = octet
    octets[:6] = message[:6]
    octets[12 : 12 + QUESTION_SIZE] = ASKED[12:]
    check(bytes(octets[: len(octets) - cut]))


def test_of_thousands_of_malformed_answers_none_is_relayed() -> None:
    chance = random.Random(1)  # noqa: S311 - a test repeats itself
    messages = [message for message in corpus.responses() if not fault(message)]
    malformed = relays = 0
    while malformed < MALFORMED_ANSWERS:
        message = bytearray(chance.choice(messages))
        size = question_size(bytes(message))
        assert size is not None
        _damage(message, 12 + size, chance)
        read = both_read(bytes(message), size, do=chance.random() < 0.5)
        wrong = fault(bytes(message))
        malformed += wrong != ""
        if read[0] == reading.ANSWER:
            relays += 1
            assert "codec" in wrong or not wrong, message.hex()  # the text of an EDE is made valid
            assert fault(relayed(bytes(message), size, read)) == "", message.hex()
    assert relays > MALFORMED_ANSWERS // 10, "many are still whole"


def _damage(message: bytearray, start: int, chance: random.Random) -> None:
    """Change some octets behind the question, or the numbers of records."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(start, len(message)) if len(message) > start else 7
        match chance.randrange(10):
            case 0:
                message[chance.choice((7, 9, 11))] = chance.randrange(4)
            case 1:
                del message[max(at, start) :]
            case 2:
                message.insert(at, chance.randrange(256))
            case 3 if at >= start:
                del message[at]
            case _:
                message[at] = chance.choice((0, 1, 2, 5, 6, 12, 28, 41, 47, 63, 64, 192, 255, chance.randrange(256)))


@given(octets=st.binary(max_size=80), query=st.sampled_from([ASKED]))
def test_any_bytes_can_be_compared_with_a_question(octets: bytes, query: bytes) -> None:
    assert not matches(octets, query, QUESTION_SIZE) or octets[:2] == query[:2]


def check(message: bytes) -> None:
    if not matches(message, ASKED, QUESTION_SIZE):
        return
    read = both_read(message, QUESTION_SIZE)
    if read[0] != reading.ANSWER:
        return
    response = parse(message, QUESTION_SIZE)
    assert 0 <= response.lifetime <= 0x7FFFFFFF
    for place, _ in response.ttls:
        assert 0 <= place <= len(response.records) - 4
    answer = relayed(message, QUESTION_SIZE, read)
    assert fault(answer) == "", message.hex()
    if fault(message) == "":
        assert_agrees(response, answer)


def assert_agrees(response: Response, message: bytes) -> None:
    read = dns.message.from_wire(message)
    names: set[bytes] = set()
    addresses: set[bytes] = set()
    service = any(rrset.rdtype in (64, 65) for rrset in read.answer)
    for rrset in [*read.answer, *(read.additional if service else [])]:
        for data in rrset:
            if rrset.rdtype in (dns.rdatatype.CNAME, dns.rdatatype.DNAME):
                names.add(key_of(data.target))
            elif rrset.rdtype in (dns.rdatatype.SVCB, dns.rdatatype.HTTPS):
                names.add(key_of(rrset.name if data.target == dns.name.root else data.target))
                for number in (4, 6):
                    hint = data.params.get(number)
                    if hint is not None:
                        addresses |= {ipaddress.ip_address(address).packed for address in hint.addresses}
            elif rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                addresses.add(data.to_wire())
    assert set(response.names) == names
    assert set(response.addresses) == addresses
    assert response.rcode == read.rcode()


def test_a_bare_header_with_an_error_says_nothing_of_the_name() -> None:
    refused = b"\0\7\x81\5" + bytes(8)
    assert is_header_only(refused)
    assert reading.header_only(refused)
    for other in (
        refused + b"\0",
        refused[:-1],
        b"\0\7\x81\0" + bytes(8),  # NOERROR
        b"\0\7\x81\3" + bytes(8),  # NXDOMAIN
        b"\0\7\x01\5" + bytes(8),  # a question
        b"\0\7\x83\5" + bytes(8),  # truncated
        b"\0\7\xa9\5" + bytes(8),  # another opcode
        b"\0\7\x81\5\0\1" + bytes(6),
        b"\0\7\x81\5" + bytes(7) + b"\1",
    ):
        assert not is_header_only(other), other
        assert not reading.header_only(other), other


def key_of(name: dns.name.Name) -> bytes:
    octets = name.to_wire()
    assert octets is not None
    return key_from_wire(octets)
