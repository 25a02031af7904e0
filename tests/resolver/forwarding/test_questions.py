from __future__ import annotations

import random

import dns.message
import pytest

from blockd.errors import BadMessage
from blockd.names import key_from_text
from blockd.resolver.cache import question_of
from blockd.resolver.forwarding.cookies import Cookies
from blockd.resolver.forwarding.edns import read_opt
from blockd.resolver.forwarding.questions import Fit, fit, is_error_alone, message_of, mixed

KEY = key_from_text("www.example.org"), 1, False, False
QUESTION = question_of(KEY)
QUERY = message_of(KEY, 0x1234, QUESTION, with_opt=True)
ANSWER = b"\x12\x34\x81\x80\0\1\0\0\0\0\0\0" + QUESTION
CHANCE = random.Random(4).randrange  # noqa: S311 - a test repeats itself


def test_a_question_says_what_the_client_may_have_of_dnssec() -> None:
    name, kind, _, _ = KEY
    plain = dns.message.from_wire(QUERY)
    assert (plain.edns, plain.payload, plain.options, plain.ednsflags) == (0, 1232, (), 0)
    assert dns.message.from_wire(message_of((name, kind, True, True), 1, QUESTION, with_opt=True)).ednsflags == 0x8000
    assert message_of((name, kind, False, True), 1, QUESTION, with_opt=True)[3] & 0x10
    assert dns.message.from_wire(message_of(KEY, 1, QUESTION, with_opt=False, cookie=b"12345678")).edns == -1


def test_only_letters_are_mixed() -> None:
    odd = question_of((b"\7example" + b"\x08xn--e1az" + b"\x05@[`{\0" + b"\3a-1", 28, False, False))
    for _ in range(50):
        drawn = mixed(odd, CHANCE)
        assert drawn.lower() == odd
        assert drawn[-4:] == odd[-4:]
        changed = [place for place in range(len(odd)) if drawn[place] != odd[place]]
        assert all(odd[place : place + 1].isalpha() for place in changed)
    digits = question_of((b"\0013\0012\0011", 1, False, False))
    assert mixed(digits, CHANCE) == digits
    assert len({mixed(QUESTION, CHANCE) for _ in range(50)}) > 40


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (ANSWER, Fit.WHOLE),
        (ANSWER + b"whatever follows", Fit.WHOLE),
        (ANSWER.replace(b"www", b"wWw"), Fit.OTHER_CASE),
        (ANSWER.replace(b"www", b"wvw"), Fit.NOT),
        (b"\x12\x35" + ANSWER[2:], Fit.NOT),
        (ANSWER[:2] + b"\1" + ANSWER[3:], Fit.NOT),
        (ANSWER[:2] + b"\xa1" + ANSWER[3:], Fit.NOT),
        (ANSWER[:5] + b"\2" + ANSWER[6:], Fit.NOT),
        (ANSWER[:-1] + b"\3", Fit.NOT),
        (ANSWER[:-3] + b"\x1c\0\1", Fit.NOT),
        (ANSWER[:-1], Fit.NOT),
        (ANSWER[:11], Fit.NOT),
        (b"", Fit.NOT),
    ],
)
def test_an_answer_fits_by_id_kind_and_question(answer: bytes, found: Fit) -> None:
    assert fit(answer, QUERY, len(QUESTION)) is found


@pytest.mark.parametrize(
    ("message", "is_one"),
    [
        (b"\x12\x34\x81\x85" + bytes(8), True),
        (b"\x12\x34\x80\x02" + bytes(8), True),
        (b"\x12\x34\x81\x80" + bytes(8), False),
        (b"\x12\x34\x81\x83" + bytes(8), False),
        (b"\x12\x34\x01\x85" + bytes(8), False),
        (b"\x12\x34\xa1\x85" + bytes(8), False),
        (b"\x12\x35\x81\x85" + bytes(8), False),
        (b"\x12\x34\x81\x85" + bytes(9), False),
        (b"\x12\x34\x81\x85\0\0\0\1\0\0\0\0", False),
    ],
)
def test_an_error_may_come_as_a_header_alone(message: bytes, is_one: bool) -> None:
    assert is_error_alone(message, QUERY) is is_one


def test_a_cookie_is_found_and_what_is_cut_is_malformed() -> None:
    answer = (
        ANSWER[:11] + b"\1" + QUESTION + b"\0\0\x29\x04\xd0\1\0\0\0\0\x10" + b"\0\x0f\0\2\0\6" + b"\0\x0a\0\6cookie"
    )
    found = read_opt(answer, len(QUESTION))
    assert found
    assert (found.extended, found.cookie) == (1, b"cookie")
    assert read_opt(ANSWER, len(QUESTION)) is None
    for end in range(len(ANSWER), len(answer)):
        with pytest.raises(BadMessage):
            read_opt(answer[:end], len(QUESTION))
    with pytest.raises(BadMessage):
        read_opt(answer[:-7] + b"\7cookie", len(QUESTION))


def test_cookies_of_a_wrong_size_are_not_learned() -> None:
    cookies = Cookies(CHANCE)
    client = cookies.shown
    assert len(client) == 8
    for size, is_learned in ((0, False), (7, False), (8, True), (32, True), (33, False)):
        assert cookies.learn(client + bytes(size)) is is_learned
    assert cookies.shown == client + bytes(32)
    assert cookies.is_expected
    cookies.forget()
    assert (cookies.shown, cookies.is_expected) == (client, False)
    assert cookies.is_ours(client + b"whatever")
    assert not cookies.is_ours(client[:7])
