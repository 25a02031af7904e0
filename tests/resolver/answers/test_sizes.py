from __future__ import annotations

from typing import Any

import dns.flags
import dns.message
import pytest

from blockd.metrics import Transport
from blockd.orders import Action
from tests.resolver.rig import Rig, order
from tests.upstream import UpstreamSimulator

NAME = "www.example"
LONG_NAME = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 48, "telegram.org"])  # 254 octets on the wire


def size_of(message: dns.message.Message) -> int:
    assert message.wire is not None
    return len(message.wire)


@pytest.mark.parametrize(
    ("payload", "limit"), [(None, 512), (0, 512), (511, 512), (513, 513), (1232, 1232), (4096, 1232), (65535, 1232)]
)
def test_no_datagram_is_longer_than_the_client_takes(
    rig: Rig, upstream: UpstreamSimulator, payload: int | None, limit: int
) -> None:
    edns: dict[str, Any] = {} if payload is None else {"use_edns": 0, "payload": payload}
    header = 12 + len(NAME) + 2 + 4 + (0 if payload is None else 11)
    room = limit - header
    for over in (0, 1):
        name = f"{over}{NAME[1:]}"
        text = room - 12 - 1 + over  # one TXT record: owner, fixed part, and one length octet for each 255 of text
        pieces = -(-text // 256)
        chunks = "x" * (text - pieces + 1)
        data = " ".join(chunks[at : at + 255] for at in range(0, len(chunks), 255))
        upstream.plan(name, "TXT", f"{name}. 300 IN TXT {data}")
        answer = rig.answer(name, "TXT", **edns)
        assert size_of(answer.message) <= limit
        assert answer.has(dns.flags.TC) == bool(over), f"{size_of(answer.message)} of {limit}"
        assert bool(answer.records) != bool(over)
        assert answer.message.question
        assert (answer.message.edns == 0) == (payload is not None)
        whole = rig.answer(name, "TXT", transport=Transport.TCP, **edns)
        assert whole.records
        assert not whole.has(dns.flags.TC)


def test_the_text_of_an_error_goes_before_records_do(rig: Rig) -> None:
    rig.enforce([(order(contact="c" * 300), ["telegram.org"])])
    full = rig.answer(LONG_NAME, "TXT", use_edns=0, payload=1232)
    small = rig.answer(LONG_NAME, "TXT", use_edns=0, payload=512)
    assert full.error is not None
    assert full.error[1]
    assert small.error == (16, "")
    assert small.negative_ttl == 60
    assert not small.has(dns.flags.TC)
    assert size_of(small.message) <= 512


@pytest.mark.parametrize("action", [Action.SINKHOLE, Action.NXDOMAIN, Action.REFUSED, Action.TCP_ONLY])
def test_the_longest_name_is_answered_in_512_octets(rig: Rig, action: Action) -> None:
    rig.enforce([(order(action=action, contact="ж" * 300), ["telegram.org"])])
    for kind in ("A", "AAAA", "HTTPS"):
        answer = rig.answer(LONG_NAME, kind, use_edns=0, payload=512)
        assert size_of(answer.message) <= 512
        assert answer.has(dns.flags.TC) == (action is Action.TCP_ONLY)


def test_many_errors_of_an_upstream_do_not_make_an_answer_too_long(rig: Rig, upstream: UpstreamSimulator) -> None:
    option = b"\0\x0f\0\xc2\0\x09" + b"e" * 192
    options = option * 5

    def make(query: bytes) -> bytes:
        question = query[12:-11]
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x33\x64\1"
        opt = b"\0\0\x29\x04\xd0\0\0\0\0" + len(options).to_bytes(2) + options
        return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\1" + question + answer + opt

    upstream.make = make
    answer = rig.answer(NAME, use_edns=0, payload=512)
    assert answer.records == ["60 198.51.100.1"]
    assert answer.error == (9, "")
    assert size_of(answer.message) <= 512
    assert len(rig.answer(NAME, use_edns=0, transport=Transport.TCP).message.options) == 3, "the first few"


SOA = "example. 60 IN SOA ns.example. hostmaster.example. 1 3600 600 86400 60"


@pytest.mark.parametrize(("do", "truncated"), [(False, False), (True, True)])
def test_a_denial_is_whole_for_who_validates_it_and_short_for_others(
    rig: Rig, upstream: UpstreamSimulator, do: bool, truncated: bool
) -> None:
    proofs = [f"h{n}.{NAME}. 60 IN NSEC z{n}.{'x' * 40}.example. A NSEC" for n in range(5)]
    signed = [f"h{n}.{NAME}. 60 IN RRSIG NSEC 8 3 60 20300101000000 20200101000000 1 example. AAAA" for n in range(5)]
    upstream.plan(NAME, "A", authority=[SOA, *proofs, *signed], rcode="NXDOMAIN")
    told = rig.answer(NAME, use_edns=0, payload=512, want_dnssec=do)
    assert told.rcode == "NXDOMAIN"
    assert told.has(dns.flags.TC) == truncated
    assert told.negative_ttl == (None if truncated else 60)
    assert len(rig.answer(NAME, transport=Transport.TCP, want_dnssec=do).message.authority) == (11 if do else 1)
