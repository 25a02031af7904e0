"""Of what an upstream says only what belongs to the question is passed on, by both engines alike."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from blockd.names import key_from_text
from blockd.resolver.reading.fitting import MAX_ADDRESSES, MAX_EXTRA_ADDRESSES, MAX_EXTRAS, MAX_NAMES
from tests.resolver.reading_alike import both_read, fault, relayed

reading = pytest.importorskip("blockd.resolver.engine._reading", reason="the native engine was not built")

SOA = "example. 600 IN SOA ns.example. host.example. 1 2 3 4 60"
WWW = "www.example. 300 IN A 192.0.2.1"


def signed(owner: str, kind: str, signer: str = "example.") -> str:
    return f"{owner} 300 IN RRSIG {kind} 13 2 300 20300101000000 20200101000000 1 {signer} AAAA"


class Said:
    """An upstream's answer to `www.example.`, and what is made of it; records in the order that they are given."""

    def __init__(
        self,
        kind: str,
        answer: Sequence[str] = (),
        authority: Sequence[str] = (),
        additional: Sequence[str] = (),
        *,
        do: bool = False,
        rcode: str = "NOERROR",
        name: str = "www.example.",
    ) -> None:
        message = dns.message.make_response(dns.message.make_query(name, kind, id=7))
        message.set_rcode(dns.rcode.from_text(rcode))
        for section, lines in zip(
            (message.answer, message.authority, message.additional), (answer, authority, additional), strict=True
        ):
            section.extend(dns.rrset.from_text(*_parts(line)) for line in lines)
        self.message = message.to_wire(max_size=65535)
        self.size = len(key(name.removesuffix("."))) + 5
        self.read: tuple[Any, ...] = both_read(self.message, self.size, do=do)

    @property
    def is_answer(self) -> bool:
        return bool(self.read[0] == reading.ANSWER)

    @property
    def kept(self) -> list[list[str]]:
        """The records of each section, as text."""
        octets = relayed(self.message, self.size, self.read)
        assert fault(octets) == ""
        made = dns.message.from_wire(octets, one_rr_per_rrset=True)
        return [[line for rrset in section for line in rrset.to_text().splitlines()] for section in made.sections[1:]]

    @property
    def is_untouched(self) -> bool:
        return self.message[12 + self.size :].startswith(self.read[5])

    negative = property(lambda self: self.read[3])
    lifetime = property(lambda self: self.read[7])
    names = property(lambda self: self.read[8])
    addresses = property(lambda self: self.read[9])
    extras = property(lambda self: self.read[10])
    extra_addresses = property(lambda self: self.read[11])


def _parts(line: str) -> tuple[str, int, str, str, str]:
    owner, ttl, klass, kind, data = line.split(None, 4)
    return owner, int(ttl), klass, kind, data


def key(name: str) -> bytes:
    return key_from_text(name)


def test_a_chain_keeps_its_octets() -> None:
    chain = ["www.example. 300 IN CNAME a.net.", "a.net. 200 IN CNAME b.net.", "b.net. 100 IN A 192.0.2.1"]
    said = Said("A", chain)
    assert said.kept == [chain, [], []]
    assert said.is_untouched
    assert said.names == (key("a.net"), key("b.net"))
    assert said.lifetime == 100
    assert not said.negative


FOREIGN = {
    "another name's address": "other.example. 300 IN A 192.0.2.9",
    "the name's other type": "www.example. 300 IN AAAA 2001:db8::1",
    "a signature that nobody asked for": signed("www.example.", "A"),
    "a proof that nobody asked for": "www.example. 300 IN NSEC x.example. A",
    "an alias of another name": "other.example. 300 IN CNAME www.example.",
    "a DNAME of another zone": "org. 300 IN DNAME net.",
}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("before", [False, True])
def test_what_is_foreign_to_the_answer_is_dropped(what: str, before: bool) -> None:
    said = Said("A", [FOREIGN[what], WWW] if before else [WWW, FOREIGN[what]])
    assert said.kept == [[WWW], [], []]
    assert said.is_untouched is not before
    assert said.addresses == (bytes((192, 0, 2, 1)),)
    assert said.names == ()


def test_a_chain_is_followed_in_any_order_and_told_in_its_own() -> None:
    chain = ["www.example. 300 IN CNAME a.net.", "a.net. 200 IN CNAME b.net.", "b.net. 100 IN A 192.0.2.1"]
    for order in ((2, 1, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1)):
        said = Said("A", [chain[place] for place in order])
        assert said.kept[0] == chain
        assert said.names == (key("a.net"), key("b.net"))


def test_a_chain_that_is_a_loop_is_malformed() -> None:
    assert Said("A", ["www.example. 1 IN CNAME www.example."]).read[0] == reading.LOOP
    assert Said("A", ["www.example. 1 IN CNAME a.", "a. 1 IN CNAME b.", "b. 1 IN CNAME a."]).read[0] == reading.LOOP
    said = Said("CNAME", ["www.example. 1 IN CNAME www.example."])
    assert said.is_answer, "that is what was asked"


def test_of_several_aliases_the_first_counts() -> None:
    said = Said(
        "A", ["www.example. 1 IN CNAME a.", "www.example. 1 IN CNAME b.", "a. 1 IN A 192.0.2.1", "b. 1 IN A 192.0.2.2"]
    )
    assert said.kept[0] == ["www.example. 1 IN CNAME a.", "a. 1 IN A 192.0.2.1"]
    assert said.names == (key("a"),)


def test_of_data_of_the_type_asked_and_an_alias_beside_them_the_first_count() -> None:
    alias, end = "www.example. 1 IN CNAME a.", "a. 1 IN A 192.0.2.2"
    assert Said("A", [alias, WWW, end]).kept[0] == [alias, end]
    assert Said("A", [alias, WWW, end]).names == (key("a"),)
    assert Said("A", [WWW, alias, end]).kept[0] == [WWW]
    assert Said("A", [WWW, alias, end]).names == ()


def test_any_gets_all_of_the_name_and_nothing_else() -> None:
    here = [WWW, 'www.example. 300 IN TXT "t"', signed("www.example.", "A")]
    said = Said("ANY", [*here, 'other.example. 300 IN TXT "t"'])
    assert said.kept[0] == here
    assert not said.negative


def test_a_dname_must_make_the_alias_that_it_stands_beside() -> None:
    dname = "example. 300 IN DNAME net."
    chain = [dname, "www.example. 300 IN CNAME www.net.", "www.net. 300 IN A 192.0.2.1"]
    said = Said("A", chain)
    assert said.kept[0] == chain
    assert said.names == (key("net"), key("www.net"))
    assert Said("A", [dname, "www.example. 300 IN CNAME www.org."]).read[0] == reading.NOT_OF_DNAME
    assert Said("A", [dname]).read[0] == reading.NOT_OF_DNAME
    assert Said("A", [dname, WWW]).kept[0] == [WWW], "data of the type asked count"
    twice = Said(
        "A",
        [
            dname,
            "a.www.example. 300 IN CNAME a.www.net.",
            "a.www.net. 300 IN CNAME b.example.",
            "b.example. 300 IN CNAME b.net.",
            "b.net. 300 IN A 192.0.2.1",
        ],
        name="a.www.example.",
    )
    assert twice.is_untouched
    assert len(twice.kept[0]) == 5


def test_signatures_and_proofs_come_with_do_only() -> None:
    answer = ["www.example. 300 IN CNAME a.example.", "a.example. 300 IN A 192.0.2.1"]
    signatures = [signed("www.example.", "CNAME"), signed("a.example.", "A")]
    proof = ["q.example. 300 IN NSEC z.example. A RRSIG NSEC"]
    both = [answer[0], signatures[0], answer[1], signatures[1]]
    said = Said("A", both, [*proof, signed("q.example.", "NSEC")], do=True)
    assert said.kept == [both, [*proof, signed("q.example.", "NSEC")], []]
    assert said.is_untouched
    assert Said("A", both, [*proof, signed("q.example.", "NSEC")]).kept == [answer, [], []]
    assert Said("A", both, proof, do=True).kept[1] == [], "a proof without a signature proves nothing"
    assert Said("A", both, [*proof, signed("q.example.", "NSEC", "net.")], do=True).kept[1] == []
    assert Said("A", [*both, signed("a.example.", "AAAA")], do=True).kept[0] == both
    assert Said("RRSIG", [signed("www.example.", "A")]).kept[0] == [signed("www.example.", "A")]


def test_the_authority_section_is_of_a_zone_that_the_chain_ends_in() -> None:
    said = Said(
        "A",
        ["www.example. 300 IN CNAME a.net."],
        [SOA, "net. 600 IN SOA ns.net. host.net. 1 2 3 4 60", "org. 600 IN NS ns.org.", 'net. 600 IN TXT "t"'],
    )
    assert said.kept[1] == ["net. 600 IN SOA ns.net. host.net. 1 2 3 4 60"]
    assert Said("A", [WWW], ["example. 600 IN NS ns.example.", ". 600 IN NS a.root."]).kept[1] == [
        "example. 600 IN NS ns.example.",
        ". 600 IN NS a.root.",
    ]


def test_a_negative_answer_lasts_as_its_soa_says_behind_an_alias_too() -> None:
    alias = "www.example. 300 IN CNAME a.example."
    for rcode in ("NOERROR", "NXDOMAIN"):
        said = Said("A", [alias], [SOA], rcode=rcode)
        assert (said.negative, said.lifetime) == (True, 60)
        assert (Said("A", [], [SOA], rcode=rcode).negative, Said("A", [], [SOA], rcode=rcode).lifetime) == (True, 60)
        assert Said("A", ["www.example. 30 IN CNAME a.example."], [SOA], rcode=rcode).lifetime == 30
        assert Said("A", [alias], rcode=rcode).lifetime == 0, "nothing says for how long"
        foreign = "org. 600 IN SOA ns.org. host.org. 1 2 3 4 60"
        assert Said("A", [alias], [foreign], rcode=rcode).lifetime == 0
    positive = Said("A", [WWW], [SOA])
    assert (positive.negative, positive.lifetime) == (False, 300)


def test_the_additional_section_has_addresses_of_names_that_are_mentioned() -> None:
    mx = "www.example. 300 IN MX 1 mx.example."
    ns = "example. 300 IN NS ns.example."
    wanted = ["mx.example. 300 IN A 192.0.2.1", "ns.example. 300 IN AAAA 2001:db8::1"]
    other = ["other.example. 300 IN A 192.0.2.2", 'mx.example. 300 IN TXT "t"', "mx.example. 300 IN CNAME a."]
    said = Said("MX", [mx], [ns], [*other, *wanted, signed("mx.example.", "A")])
    assert said.kept == [[mx], [ns], wanted]
    assert said.extras == (key("mx.example"), key("ns.example"))
    assert said.addresses == said.names == ()
    secure = Said("MX", [mx], [ns], [*wanted, signed("mx.example.", "A"), signed("mx.example.", "AAAA")], do=True)
    assert secure.kept[2] == [*wanted, signed("mx.example.", "A")]


def test_only_so_many_names_of_the_additional_section_are_kept() -> None:
    count = MAX_EXTRAS + 3
    said = Said(
        "MX",
        [f"www.example. 300 IN MX {n} m{n}.example." for n in range(count)],
        (),
        [f"m{n}.example. 300 IN A 192.0.2.{n}" for n in range(count)],
    )
    assert said.read[4] == (count, 0, MAX_EXTRAS)
    assert len(said.extras) == len(said.extra_addresses) == MAX_EXTRAS


def test_only_so_many_of_their_addresses_are_kept() -> None:
    count = MAX_EXTRA_ADDRESSES - 2
    additional = [f"{name}.example. 300 IN A 192.0.2.{n}" for name in ("mx", "ns") for n in range(count)]
    said = Said("MX", ["www.example. 300 IN MX 1 mx.example."], ["example. 300 IN NS ns.example."], additional)
    assert said.kept[2] == additional[:MAX_EXTRA_ADDRESSES]
    assert (said.extras, said.extra_addresses[count:]) == (
        (key("mx.example"), key("ns.example")),
        (bytes((192, 0, 2, 0)), bytes((192, 0, 2, 1))),
    )


def test_a_service_answer_leads_on_in_the_additional_section() -> None:
    https = "www.example. 300 IN HTTPS 0 a.example."
    additional = [
        "a.example. 300 IN CNAME b.example.",
        'b.example. 300 IN HTTPS 1 c.example. alpn="h2"',
        "c.example. 300 IN A 192.0.2.1",
        "ns.example. 300 IN A 192.0.2.2",
    ]
    said = Said("HTTPS", [https], ["example. 300 IN NS ns.example."], [*additional, "d.example. 300 IN A 192.0.2.3"])
    assert said.kept[2] == additional
    assert said.names == (key("a.example"), key("b.example"), key("c.example"))
    assert said.addresses == (bytes((192, 0, 2, 1)),)
    assert said.extras == (key("ns.example"),)
    assert said.extra_addresses == (bytes((192, 0, 2, 2)),)


def test_an_answer_leads_to_so_many_names_and_no_more() -> None:
    def chain(count: int, below: str = "example.") -> Said:
        names = ["www.example.", *(f"a{n}.{below}" for n in range(count))]
        records = [f"{one} 1 IN CNAME {other}" for one, other in itertools.pairwise(names)]
        return Said("A", [*records, f"{names[-1]} 1 IN A 192.0.2.1"])

    assert chain(MAX_NAMES).is_answer
    assert chain(MAX_NAMES + 1).read[0] == reading.TOO_FAR
    assert chain(4, "b." * 31).is_answer, "4 names of 32 labels"
    assert chain(4, "b." * 32).read[0] == reading.TOO_FAR
    services = [f"www.example. 1 IN HTTPS {n + 1} . port={n}" for n in range(40)]
    assert Said("HTTPS", services).names == (key("www.example"),), "one name, however often"


def test_an_answer_leads_to_so_many_addresses_and_no_more() -> None:
    addresses = [f"www.example. 1 IN A 192.0.{n >> 8}.{n & 255}" for n in range(MAX_ADDRESSES + 1)]
    assert Said("A", addresses[:-1]).is_answer
    assert Said("A", addresses).read[0] == reading.TOO_FAR
    hint = ",".join(["192.0.2.1"] * 200)
    assert Said("HTTPS", [f"www.example. 1 IN HTTPS 1 . ipv4hint={hint}"]).is_answer
    two = [f"www.example. 1 IN HTTPS {n} . ipv4hint={hint}" for n in (1, 2)]
    assert Said("HTTPS", two).read[0] == reading.TOO_FAR


def test_an_error_is_passed_on_without_records_and_with_its_reasons() -> None:
    said = Said("A", [WWW], [SOA], rcode="SERVFAIL")
    assert said.read[:6] == (reading.FAILURE, 2, False, False, (0, 0, 0), b"")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"", ""),
        (b"DNSKEY missing", "DNSKEY missing"),
        (b"ends with a null\0", "ends with a null"),
        ("не подписано".encode(), "не подписано"),
        (b"two\nlines \x1b[31m", r"two\nlines \x1b[31m"),
        (b"\xff\xfe", r"\xff\xfe"),
        ("\u202ethe other way round".encode(), r"\u202ethe other way round"),
        (b"e" * 200, "e" * 200),
        (b"e" * 201, "e" * 199),
        ("ж".encode() * 150, "ж" * 100),
    ],
)
@pytest.mark.parametrize("rcode", ["NOERROR", "SERVFAIL"])
def test_an_upstreams_reason_is_made_printable(text: bytes, shown: str, rcode: str) -> None:
    message = dns.message.make_response(dns.message.make_query("www.example.", "A", id=7))
    message.set_rcode(dns.rcode.from_text(rcode))
    message.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.EDE, b"\0\x06" + text)])
    read = both_read(message.to_wire(max_size=65535), 17)
    assert read[-1][:2] + read[-1][4:6] == b"\0\x0f\0\6"
    assert read[-1][6:].decode() == shown
    assert int.from_bytes(read[-1][2:4]) == 2 + len(read[-1][6:])


def test_the_flags_of_a_server_are_not_passed_on_but_for_what_it_says_of_the_data() -> None:
    message = bytearray(Said("A", [WWW]).message)
    plain = both_read(bytes(message), 17)
    for high, low in ((0x04, 0), (0x01, 0), (0, 0x80), (0, 0x40), (0, 0x10)):  # AA, RD, RA, Z, CD
        changed = bytes((*message[:2], message[2] ^ high, message[3] ^ low, *message[4:]))
        assert both_read(changed, 17) == plain
    assert both_read(bytes((*message[:3], message[3] | 0x20, *message[4:])), 17)[2] is True


def test_a_truncated_message_is_not_read_on() -> None:
    message = bytearray(Said("A", [WWW]).message[:-3])
    message[2] |= 2
    assert both_read(bytes(message), 17)[0] == reading.TRUNCATED
