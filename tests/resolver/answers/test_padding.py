"""Answers to clients that pad have the length of whole blocks (RFC 8467), and are padded for nobody else."""

from __future__ import annotations

from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from blockd.dns import types
from blockd.metrics import Transport
from blockd.orders import Action
from blockd.resolver.composing.padding import ANSWER_BLOCK, OPTION_HEAD, padding
from tests.resolver.rig import STRANGER, Rig, order, question
from tests.upstream import UpstreamSimulator

ENCRYPTED = (Transport.DOT, Transport.DOH)
PADDED: dict[str, Any] = {"use_edns": 0, "options": [dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(7))]}
NAMES = ("listed.example", "refused.example", "www.example", "absent.example", "big.example")


@pytest.fixture
def listing(rig: Rig, upstream: UpstreamSimulator) -> Rig:
    rig.enforce([(order(), ["listed.example"]), (order("order-2", Action.REFUSED), ["refused.example"])])
    upstream.plan("www.example", "A", "www.example. 60 IN A 192.0.2.1")
    upstream.plan("big.example", "A", "\n".join(f"big.example. 60 IN A 192.0.2.{n}" for n in range(200)))
    return rig


def size_of(message: dns.message.Message) -> int:
    assert message.wire is not None
    return len(message.wire)


def asked(rig: Rig, name: str, transport: Transport, **edns: Any) -> dns.message.Message:
    return rig.answer(name, transport=transport, **edns).message


@pytest.mark.parametrize("transport", ENCRYPTED)
@pytest.mark.parametrize("name", NAMES)
def test_an_answer_has_the_length_of_whole_blocks(listing: Rig, name: str, transport: Transport) -> None:
    for _ in range(2):  # the second answer is from the cache, if it may be
        answer = asked(listing, name, transport, **PADDED)
        assert size_of(answer) % ANSWER_BLOCK == 0
        last = answer.options[-1]
        assert last.otype == types.PADDING_OPTION
        assert not any(last.to_wire())
        plain = asked(listing, name, transport, use_edns=0)
        assert size_of(answer) - size_of(plain) < ANSWER_BLOCK + OPTION_HEAD
        assert (answer.rcode(), answer.answer) == (plain.rcode(), plain.answer)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_padded_for_who_does_not_pad_or_is_not_encrypted(listing: Rig, name: str) -> None:
    cases: tuple[tuple[Transport, dict[str, Any]], ...] = (
        *((transport, PADDED) for transport in (Transport.UDP, Transport.TCP)),
        *((transport, {"use_edns": 0}) for transport in ENCRYPTED),
        *((transport, {}) for transport in ENCRYPTED),
    )
    for transport, edns in cases:
        answer = asked(listing, name, transport, **edns)
        assert types.PADDING_OPTION not in [option.otype for option in answer.options]


def test_a_client_that_is_not_served_gets_no_more_octets_than_it_sent(listing: Rig) -> None:
    packet = question("listed.example", **PADDED).to_wire()
    answer = listing.begin(packet, Transport.DOT, STRANGER)
    assert answer is not None
    assert len(answer) <= len(packet)


@pytest.mark.parametrize(
    ("size", "limit", "content"),
    [
        (40, 65_535, 424),
        (464, 65_535, 0),
        (465, 65_535, 467),
        (65_500, 65_535, 16),
        (65_516, 65_535, 0),
        (65_517, 65_535, 14),  # no room up to a whole block: as far as an answer may go
        (65_531, 65_535, 0),
    ],
)
def test_padding_goes_up_to_whole_blocks_or_the_longest_answer(size: int, limit: int, content: int) -> None:
    made = padding(size, limit)
    assert made == b"\0\x0c" + content.to_bytes(2) + bytes(content)
    assert (size + len(made)) % ANSWER_BLOCK == 0 or size + len(made) == limit


@pytest.mark.parametrize("size", [65_532, 65_535])
def test_where_no_option_fits_nothing_is_padded(size: int) -> None:
    assert padding(size, 65_535) == b""
