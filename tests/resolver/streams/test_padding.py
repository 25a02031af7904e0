"""Padding of questions: to blocks of 128 octets, and only where an OPT record ends a plain question."""

from __future__ import annotations

import struct

import dns.edns
import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.dns import types
from blockd.resolver.streams import padded
from blockd.resolver.streams.padding import BLOCK
from tests.resolver.streams.servers import question


@pytest.mark.parametrize("length", range(1, 64, 3))
def test_a_question_gets_the_length_of_whole_blocks_and_stays_the_same_question(length: int) -> None:
    message = question(7, f"{'a' * length}.example")
    made = padded(message)
    assert len(made) % BLOCK == 0
    assert len(made) - len(message) < BLOCK + 4
    parsed, before = dns.message.from_wire(made), dns.message.from_wire(message)
    assert parsed.question == before.question
    assert (parsed.id, parsed.flags, parsed.payload) == (before.id, before.flags, before.payload)
    assert [option.otype for option in parsed.options] == [types.PADDING_OPTION]


def test_options_that_are_there_stay() -> None:
    query = dns.message.make_query("example", "A", want_dnssec=True, payload=1232)
    query.use_edns(0, payload=1232, options=[dns.edns.GenericOption(dns.edns.OptionType.COOKIE, b"8 octets")])
    made = dns.message.from_wire(padded(query.to_wire()))
    assert [option.otype for option in made.options] == [dns.edns.OptionType.COOKIE, types.PADDING_OPTION]
    assert len(padded(query.to_wire())) == BLOCK


def test_a_padded_question_is_left_as_it_is() -> None:
    once = padded(question(7))
    assert padded(once) == once


@pytest.mark.parametrize(
    "message",
    [
        b"",
        question(7)[:12],
        question(7, edns=False),
        question(7)[:-1],
        question(7) + b"\0",
        question(7)[:4] + b"\0\2" + question(7)[6:],  # two questions
        question(7)[:-2] + b"\0\4",  # the record says that four octets more follow
        question(7)[:-2] + b"\0\3" + b"\0\x0a\0",  # the head of an option is cut
        question(7)[:-2] + b"\0\4" + b"\0\x0a\0\1",  # an option is cut
        question(7)[:12] + b"\xc0\x0c" + question(7)[25:],  # a pointer in the question
        question(7) + bytes(65535 - len(question(7))),
    ],
)
def test_what_is_not_a_question_with_opt_behind_it_is_left_as_it_is(message: bytes) -> None:
    assert padded(message) == message


def test_a_question_that_would_grow_too_long_is_left_as_it_is() -> None:
    size = 65535 - len(question(7)) - 4
    message = question(7)[:-2] + struct.pack(">HHH", size + 4, 10, size) + bytes(size)
    assert len(message) == 65535
    assert padded(message) == message


@given(st.binary(max_size=600))
def test_any_octets_are_taken(data: bytes) -> None:
    made = padded(data)
    assert made == data or len(made) % BLOCK == 0


@given(st.binary(max_size=300))
def test_any_octets_behind_a_question_are_taken(data: bytes) -> None:
    message = question(7)[:-2] + len(data).to_bytes(2) + data
    made = padded(message)
    assert made == message or (
        len(made) % BLOCK == 0 and made[: len(message) - len(data) - 2] == message[: -len(data) - 2]
    )
