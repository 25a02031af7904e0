from __future__ import annotations

import pytest

from blockd.resolver.forwarding import failures
from blockd.resolver.forwarding.failures import About, Failure, Failures, joined, rcode_text, seconds_text
from blockd.resolver.forwarding.groups import LinkGroup
from blockd.resolver.forwarding.limits import FAILURES_PER_TURN

WHY = Failure(23, "192.0.2.1 answered REFUSED")
KEY = b"\7example", 1, False, False


def key(number: int) -> tuple[bytes, int, bool, bool]:
    return b"\7example\2" + number.to_bytes(2), 1, False, False


def kept(memory: Failures, now: float) -> float:
    """Return for how many seconds the failure is kept that was just noted."""
    seconds = 0.0
    while memory.get(KEY, now + seconds + 0.5):
        seconds += 1.0
    return seconds


def test_it_doubles_while_it_is_asked_and_fails() -> None:
    memory, now, found = Failures(), 0.0, []
    for _ in range(8):
        memory.note(KEY, WHY, now)
        found.append(kept(memory, now))
        now += found[-1] + 1
    assert found == [5, 10, 20, 40, 80, 160, 300, 300]


def test_it_begins_anew_if_it_was_not_asked_for_as_long_again() -> None:
    memory = Failures()
    memory.note(KEY, WHY, 0.0)
    memory.note(KEY, WHY, 10.0)
    assert kept(memory, 10.0) == 10
    memory.note(KEY, WHY, 31.0)
    assert kept(memory, 31.0) == 5


def test_an_answer_ends_it() -> None:
    memory = Failures()
    memory.note(KEY, WHY, 0.0)
    memory.forget(KEY)
    assert memory.get(KEY, 0.0) is None
    memory.note(KEY, WHY, 6.0)
    assert kept(memory, 6.0) == 5


def test_what_is_about_upstreams_does_not_double() -> None:
    memory = Failures()
    for now in (0.0, 6.0, 12.0):
        memory.note(KEY, WHY, now, About(LinkGroup(b"", ()), now, is_silent=True))
        assert kept(memory, now) == 5


def test_the_least_recently_asked_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MAX_FAILURES", 3)
    memory = Failures()
    for number in range(3):
        memory.note(key(number), WHY, 0.0)
    assert memory.get(key(0), 0.0) is WHY
    memory.note(key(3), WHY, 0.0)
    assert [memory.get(key(number), 0.0) for number in range(4)] == [WHY, None, WHY, WHY]
    assert len(memory) == 3


def test_sentences_are_joined_as_many_as_fit() -> None:
    assert joined(["192.0.2.1:53 did not answer in 4 s", "192.0.2.2:53 answered REFUSED"]) == (
        "192.0.2.1:53 did not answer in 4 s; 192.0.2.2:53 answered REFUSED"
    )
    many = joined([f"[2001:db8::{number}]:53 answered REFUSED" for number in range(16)])
    assert len(many) <= 200
    assert many.endswith("; and 11 more")
    assert len(joined(["é" * 300]).encode()) <= 200
    assert joined([]) == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.0, "4 s"), (0.5, "0.5 s"), (3.96, "4 s"), (-1.0, "0 s"), (30.04, "30 s")]
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_an_rcode_without_a_name_has_its_number() -> None:
    assert (rcode_text(5), rcode_text(11)) == ("REFUSED", "rcode 11")


def test_those_of_a_name_and_of_the_names_under_it_are_shown() -> None:
    memory = Failures()
    memory.note(KEY, WHY, 0.0)
    memory.note(key(7), WHY, 3.0)
    (exact,) = memory.of(KEY[0], 4.0, below=False)
    (both,) = memory.of(KEY[0], 4.0, below=True)
    (later,) = memory.of(KEY[0], 6.0, below=True)
    assert [one.key for one in exact] == [KEY]
    assert [(one.until, one.why) for one in both] == [(5.0, WHY.text), (8.0, WHY.text)]
    assert [one.key for one in later] == [key(7)]


def test_a_search_is_done_in_parts_and_bears_changes_meanwhile() -> None:
    memory = Failures()
    for number in range(2 * FAILURES_PER_TURN + 1):
        memory.note(key(number), WHY, 0.0)
    found = memory.of(b"", 1.0, below=True)
    first = next(found)
    for one in first:
        memory.forget(one.key)
    memory.forget(key(FAILURES_PER_TURN))
    assert [len(part) for part in (first, *found)] == [FAILURES_PER_TURN, FAILURES_PER_TURN - 1, 1]
