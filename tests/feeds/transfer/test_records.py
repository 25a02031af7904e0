from __future__ import annotations

import importlib.util
import random
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.txtbase
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blockd.feeds.transfer
from blockd.errors import FeedRefused
from blockd.feeds.transfer import records
from blockd.feeds.transfer.question import AXFR, TransferQuestion
from blockd.feeds.transfer.records import Lines, record_lines
from tests.effort import tries
from tests.feeds.transfer.messages import ZONE, blocked, message, soa, text, wires

Reader = Callable[[bytes, int, int, bytes], Lines]

WIRE_ZONE = b"\x03rpz\x07example\0"
ASKED = TransferQuestion.make(ZONE, AXFR, 7, None)
START = 12 + len(WIRE_ZONE) + 4


def readers() -> Iterator[Reader]:
    """Yield the reader as it is installed, which may be compiled, and as Python interprets it."""
    yield record_lines
    if not str(records.__file__).endswith(".py"):
        source = Path(blockd.feeds.transfer.__file__).with_name("records.py")
        spec = importlib.util.spec_from_file_location("interpreted_records", source)
        assert spec is not None
        assert spec.loader is not None
        interpreted = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(interpreted)
        yield interpreted.record_lines


@pytest.fixture(params=list(readers()), ids=["installed", "interpreted"][: len(list(readers()))])
def read(request: pytest.FixtureRequest) -> Callable[..., bytes]:
    def read(*lines: str) -> bytes:
        [wire] = wires(ASKED, lines)
        made, _, end = request.param(wire, START, len(lines), WIRE_ZONE)
        assert end == len(wire)
        return bytes(made)

    return read


def outcome(read: Reader, wire: bytes, count: int) -> Lines | tuple[str, str]:
    try:
        return read(wire, START, count, WIRE_ZONE)
    except FeedRefused as refused:
        return refused.reason, str(refused)


@pytest.mark.parametrize(
    "record",
    [
        soa(1),
        blocked("bad.example"),
        blocked("*.bad.example"),
        f"a.{ZONE} 0 IN CNAME .",
        f"a.{ZONE} 0 IN CNAME *.",
        f"a.{ZONE} 4000 IN A 192.0.2.1",
        f"a.{ZONE} 4000 IN AAAA 2001:db8::1",
        f"a.{ZONE} 4000 IN AAAA ::ffff:192.0.2.1",
        f"32.1.2.0.192.rpz-ip.{ZONE} 60 IN CNAME rpz-drop.",
        f'a.{ZONE} 60 IN TXT "blocked" "" "by order"',
        f"a.{ZONE} 60 IN TYPE65280 \\# 3 010203",
        f"{ZONE} 60 IN NS ns.example.",
    ],
)
def test_a_record_is_one_line_of_zone_text(read: Callable[..., bytes], record: str) -> None:
    assert read(record) == text(record)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("PTR", "Host.Example."),
        ("DNAME", "Other.Example."),
        ("MX", "10 Mail.Example."),
        ("RP", "Mail.Example. Text.Example."),
        ("AFSDB", "1 Host.Example."),
        ("PX", "10 Map.Example. Other.Example."),
        ("SRV", "1 2 443 Host.Example."),
        ("NAPTR", '1 2 "s" "SIP+D2U" "" _sip.Example.'),
        ("KX", "10 Host.Example."),
        ("HTTPS", '1 . alpn="h2"'),
        ("CAA", '0 issue "ca.example"'),
        ("TYPE65300", "\\# 0"),
    ],
)
def test_data_of_other_types_are_written_generically(read: Callable[..., bytes], kind: str, data: str) -> None:
    line = read(f"a.{ZONE} 60 IN {kind} {data}")
    rtype = dns.rdatatype.from_text(kind)
    plain = dns.rdata.from_text("IN", kind, data.replace("Example", "example")).to_wire() or b""
    if kind not in ("HTTPS", "CAA", "TYPE65300"):
        plain = plain.lower() if kind != "NAPTR" else plain
    hexed = f" {plain.hex()}" if plain else ""
    assert line == text(f"a.{ZONE} 60 IN TYPE{int(rtype)} \\# {len(plain)}{hexed}")


def test_names_in_data_are_written_whole(read: Callable[..., bytes]) -> None:
    """Compressed or not, and whatever its case, one record gives one line."""
    rule = "MX 10 mail.example."
    [wire] = wires(ASKED, [f"a.{ZONE} 60 IN {rule}"])
    assert b"\xc0" in wire[START + 2 :]  # "example." stands in the question
    for reader in readers():
        assert reader(wire, START, 1, WIRE_ZONE)[0] == read(f"a.{ZONE} 60 IN {rule.replace('mail', 'MAIL')}")


def test_names_are_in_lower_case_and_escaped(read: Callable[..., bytes]) -> None:
    line = read(f"A\\.b\\032C.{ZONE} 60 IN CNAME WWW.Example.")
    assert line == text(f"a\\046b\\032c.{ZONE} 60 IN CNAME www.example.")


def test_strings_cannot_break_out_of_their_line(read: Callable[..., bytes]) -> None:
    line = read(f'a.{ZONE} 60 IN TXT "a\\"b\\\\\\010c"')
    assert line == text(f'a.{ZONE} 60 IN TXT "a\\034b\\092\\010c"')


def test_a_ttl_beyond_31_bits_counts_as_zero(read: Callable[..., bytes]) -> None:
    assert read(f"a.{ZONE} 2147483648 IN A 192.0.2.1") == text(f"a.{ZONE} 0 IN A 192.0.2.1")


def test_data_that_are_not_what_their_type_has_are_left_to_the_reader_of_the_text(read: Callable[..., bytes]) -> None:
    assert read(f"a.{ZONE} 60 IN TYPE65280 \\# 2 0102").endswith(b"TYPE65280 \\# 2 0102\n")
    [wire] = wires(ASKED, [f"a.{ZONE} 60 IN TYPE65280 \\# 2 0102"])
    broken = wire.replace(b"\xff\x00\x00\x01", b"\x00\x01\x00\x01")
    for reader in readers():
        assert reader(broken, START, 1, WIRE_ZONE)[0].endswith(b" IN TYPE1 \\# 2 0102\n")


def test_soas_are_found_with_their_places_and_serials() -> None:
    [wire] = wires(ASKED, [soa(5), blocked("a"), soa(4294967295)])
    for read in readers():
        made, soas, _ = read(wire, START, 3, WIRE_ZONE)
        assert [(made[start:end], serial) for start, end, serial in soas] == [
            (text(soa(5)), 5),
            (text(soa(4294967295)), 4294967295),
        ]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("a.other.example. 60 IN CNAME .", "foreign"),
        ("rpz.example.net. 60 IN CNAME .", "foreign"),
        ("xrpz.example. 60 IN CNAME .", "foreign"),
        (f"a.{ZONE} 60 CH TXT x", "foreign"),
        (soa(1, f"a.{ZONE}"), "foreign"),
        (f"{ZONE} 60 IN SOA . . 1 2 3 4 5", "format"),
    ],
)
def test_what_no_transfer_of_the_zone_holds_is_refused(record: str, reason: str) -> None:
    [wire] = wires(ASKED, [record])
    if reason == "format":
        wire = wire[:-1] + b"\0\0"
        size = wire.rindex(b"\0\x16")
        wire = wire[:size] + b"\0\x17" + wire[size + 2 :]
    for read in readers():
        assert outcome(read, wire, 1)[0] == reason


def test_a_pointer_that_leads_nowhere_ends() -> None:
    head = message(ASKED, []).to_wire()
    for pointer in (b"\xc0" + bytes([len(head)]), b"\xff\xff", b"\xc0"):
        wire = head + pointer + b"\0\1\0\1\0\0\0\0\0\0"
        for read in readers():
            assert outcome(read, wire, 1)[0] == "format"


def test_a_message_of_long_names_gives_the_same_text_in_both() -> None:
    name = ".".join(["\\001" * 60] * 3)
    [wire] = wires(ASKED, [f"{name}.{ZONE} 60 IN CNAME {name}.{ZONE}"] * 1200)
    one, *others = (read(wire, START, 1200, WIRE_ZONE) for read in readers())
    assert len(one[0]) > 1200 * 1400
    assert all(other == one for other in others)


NAMES = st.lists(st.binary(min_size=1, max_size=12), max_size=4).map(lambda labels: dns.name.Name([*labels, b""]))
DATA = st.one_of(
    NAMES.map(lambda name: (dns.rdatatype.CNAME, name.to_wire())),
    NAMES.map(lambda name: (dns.rdatatype.NS, name.to_wire())),
    st.binary(min_size=4, max_size=4).map(lambda data: (dns.rdatatype.A, data)),
    st.binary(min_size=16, max_size=16).map(lambda data: (dns.rdatatype.AAAA, data)),
    st.lists(st.binary(max_size=20), min_size=1, max_size=4).map(
        lambda strings: (dns.rdatatype.TXT, b"".join(b"%c%b" % (len(s), s) for s in strings))
    ),
    st.tuples(st.integers(0, 300), st.binary(max_size=40)),
)


@given(
    st.lists(st.tuples(NAMES, DATA, st.integers(0, 2**32 - 1)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3),
)
def test_both_readers_give_the_same_for_any_message(
    made: list[tuple[dns.name.Name, tuple[int, bytes], int]], changes: list[tuple[int, int]]
) -> None:
    body = bytearray(message(ASKED, []).to_wire())
    for owner, (kind, data), ttl in made:
        body += (owner.to_wire() or b"")[:-1] + b"\xc0\x0c"
        body += kind.to_bytes(2) + b"\0\1" + ttl.to_bytes(4) + len(data).to_bytes(2) + data
    for at, octet in changes:
        if START + at < len(body):
            body[START + at] = octet
    one, *others = (outcome(read, bytes(body), len(made)) for read in readers())
    assert all(other == one for other in others)
    if isinstance(one[0], bytes):
        assert one[0].count(b"\n") == len(made)


def test_octets_without_any_sense_are_refused_or_read_alike() -> None:
    chance = random.Random(5)  # noqa: S311 - the same at each run
    head = message(ASKED, []).to_wire()
    for _ in range(tries(300, 20_000)):
        wire = head + chance.randbytes(chance.randrange(80))
        one, *others = (outcome(read, wire, 2) for read in readers())
        assert all(other == one for other in others)


@given(st.lists(st.one_of(st.just(0), st.just(0xFFFF), st.integers(0, 0xFFFF)), min_size=8, max_size=8))
def test_addresses_are_written_as_the_system_writes_them(groups: list[int]) -> None:
    packed = b"".join(group.to_bytes(2) for group in groups)
    wire = message(ASKED, []).to_wire() + b"\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10" + packed
    written = socket.inet_ntop(socket.AF_INET6, packed).encode()
    for read in readers():
        assert read(wire, START, 1, WIRE_ZONE)[0].endswith(b" IN AAAA %b\n" % written)
