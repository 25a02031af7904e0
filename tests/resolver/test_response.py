"""What upstreams say is as hostile as what clients send."""

from __future__ import annotations

import ipaddress

import dns.exception
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blockd.errors import BadMessage
from blockd.names import key_from_wire
from blockd.resolver.response import Response, matches, parse

QUERY = dns.message.make_query("www.example.", "A", id=7)
ASKED = QUERY.to_wire()
QUESTION_SIZE = len(ASKED) - 12


def wire(
    *answer: str, authority: tuple[str, ...] = (), additional: tuple[str, ...] = (), edns: int | bool = 0
) -> bytes:
    message = dns.message.make_response(QUERY, recursion_available=True)
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
    wire("www.example. 300 IN A 192.0.2.1", "www.example. 300 IN A 192.0.2.2"),
    wire("www.example. 300 IN CNAME web.telegram.org.", "web.telegram.org. 20 IN AAAA 2001:db8::1"),
    wire("example. 300 IN DNAME telegram.org.", "www.example. 300 IN CNAME www.telegram.org."),
    wire("www.example. 60 IN HTTPS 1 svc.example. alpn=h3,h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::2"),
    wire("www.example. 60 IN SVCB 0 alias.example."),
    wire("www.example. 60 IN HTTPS 1 . port=8443", "www.example. 60 IN HTTPS 2 b.example. alpn=h2"),
    wire(authority=("example. 3600 IN SOA ns.example. host.example. 1 2 3 4 60",)),
    wire("www.example. 9 IN MX 1 mx.example.", additional=("mx.example. 9 IN A 192.0.2.3",), edns=False),
)


def with_answer(kind: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    record = owner + kind.to_bytes(2) + b"\0\1\0\0\0\x3c" + len(data).to_bytes(2) + data
    return b"\0\7\x81\x80\0\1\0\1\0\0\0\0" + ASKED[12:] + record


MALFORMED = {
    "CNAME that ends before its record": with_answer(5, b"\1a\0\0"),
    "CNAME longer than its record": with_answer(5, b"\5abc"),
    "empty CNAME": with_answer(5, b""),
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
    "more records than there are": b"\0\7\x81\x80\0\1\xff\xff\xff\xff\xff\xff" + ASKED[12:],
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_response_is_refused(case: str) -> None:
    message = MALFORMED[case]
    assert matches(message, ASKED, QUESTION_SIZE)
    with pytest.raises(BadMessage):
        parse(message, QUESTION_SIZE)


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


@given(octets=st.binary(max_size=80), query=st.sampled_from([ASKED]))
def test_any_bytes_can_be_compared_with_a_question(octets: bytes, query: bytes) -> None:
    assert not matches(octets, query, QUESTION_SIZE) or octets[:2] == query[:2]


def check(message: bytes) -> None:
    if not matches(message, ASKED, QUESTION_SIZE):
        return
    try:
        response = parse(message, QUESTION_SIZE)
    except BadMessage:
        return
    assert len(response.records) <= len(message)
    assert 0 <= response.lifetime <= 0x7FFFFFFF
    for place, _ in response.ttls:
        assert 0 <= place <= len(response.records) - 4
    try:
        dns.message.from_wire(message)
    except (dns.exception.DNSException, ValueError):
        return  # dnspython knows more types than blockd looks into
    assert_agrees(response, message)


def assert_agrees(response: Response, message: bytes) -> None:
    read = dns.message.from_wire(message)
    names: set[bytes] = set()
    addresses: set[bytes] = set()
    service = any(rrset.rdclass == 1 and rrset.rdtype in (64, 65) for rrset in read.answer)
    for rrset in [*read.answer, *(read.additional if service else [])]:
        if rrset.rdclass != 1:
            continue
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


def key_of(name: dns.name.Name) -> bytes:
    octets = name.to_wire()
    assert octets is not None
    return key_from_wire(octets)
