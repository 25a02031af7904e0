"""Recent blocks: what was hit, counted, and told without anything that is confidential or of a client."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blockd.daemon.figures.blocks import FORGOTTEN, BlockWatch
from blockd.metrics import Counters, Transport
from blockd.metrics.counters import _RECENT
from blockd.names import client_key, hashed_key, key_from_text, name_digest
from blockd.orders import Scope
from blockd.resolver.counting import ACTIONS
from blockd.ruleset import Enforced, Listing
from blockd.times import time_text
from blockd.web.figures.blocks import MAX_BLOCKS
from tests.ruleset.lists import enforced, feed, listing, order

NOW = 1_795_521_600
SALT = bytes(range(16))


@pytest.fixture
def subject(tmp_path: Path) -> Enforced:
    secret = replace(order("2026-3"), salt=SALT, platform="Secret Site")
    hashed = Listing(secret, Scope.BOTH, [hashed_key(name_digest(key_from_text("secret.example"), SALT))])
    return enforced(tmp_path, feed("ministry", listing(order("2026-17"), "casino.example", "192.0.2.0/24"), hashed))


def hit(
    counters: Counters, subject: Enforced, key: bytes, at: int = NOW, order: int = 0, version: int = 0, row: int = 0
) -> None:
    action = subject.ruleset.catalogue.orders[order].order.action
    counters.row(row).blocked(at, version or subject.version, order, ACTIONS[action], Transport.UDP, key)


def test_hits_of_all_workers_are_one_block_with_their_count(subject: Enforced) -> None:
    counters = Counters(2)
    watch = BlockWatch(counters, lambda: subject)
    for row in (0, 1, 1):
        hit(counters, subject, key_from_text("casino.example"), row=row)
    (new,) = watch.look(NOW + 1)
    assert (new.name, new.feed, new.order, new.authority, new.platform) == (
        "casino.example", "ministry", "2026-17", "Sample Authority", "Example Messenger",
    )  # fmt: skip
    assert (new.time, new.action, new.via, new.count) == (time_text(NOW), "sinkhole", "udp", 3)
    assert watch.look(NOW + 2) == []
    hit(counters, subject, key_from_text("casino.example"), NOW + 2)
    assert [block.count for block in watch.look(NOW + 2)] == [4]
    assert [block.count for block in watch.recent().blocks] == [4]


def test_the_newest_come_first_and_there_are_no_more_than_are_shown(subject: Enforced) -> None:
    counters = Counters(4)
    watch = BlockWatch(counters, lambda: subject)
    for second in range(8):
        for number in range(150):
            hit(counters, subject, key_from_text(f"{second}-{number}.example"), NOW + second, row=second % 4)
        watch.look(NOW + second)
    shown = watch.recent().blocks
    assert len(shown) == MAX_BLOCKS
    assert [block.time for block in shown] == sorted((block.time for block in shown), reverse=True)
    assert shown[0].time == time_text(NOW + 7)


def test_a_network_that_an_answer_led_to_is_shown_and_a_rule_for_clients_is_not(subject: Enforced) -> None:
    counters = Counters(1)
    watch = BlockWatch(counters, lambda: subject)
    hit(counters, subject, subject.address_verdict(bytes((192, 0, 2, 7))).entry.key)  # type: ignore[union-attr]
    hit(counters, subject, client_key(bytes((198, 51, 100, 7)), 32))
    assert {block.name for block in watch.look(NOW)} == {"192.0.2.0/24", None}


def test_a_confidential_order_shows_no_name_and_no_platform(subject: Enforced) -> None:
    counters = Counters(1)
    watch = BlockWatch(counters, lambda: subject)
    verdict = subject.verdict(key_from_text("secret.example"))
    assert verdict.order_index is not None
    assert verdict.entry is not None
    hit(counters, subject, verdict.entry.key, order=verdict.order_index)
    hit(counters, subject, key_from_text("secret.example"), order=verdict.order_index)  # as no engine does
    assert {(block.name, block.platform, block.order) for block in watch.look(NOW)} == {
        (None, "confidential", "2026-3")
    }


def test_a_version_that_workers_enforce_already_is_read_once_it_is_known(subject: Enforced) -> None:
    counters = Counters(1)
    current = [subject]
    watch = BlockWatch(counters, lambda: current[0])
    hit(counters, subject, key_from_text("casino.example"), version=2)
    assert watch.look(NOW) == []
    later = Enforced(2, subject.ruleset, subject.states)
    current[0] = later
    assert [block.name for block in watch.look(NOW)] == ["casino.example"]
    hit(counters, subject, key_from_text("casino.example"), NOW + 1, version=1)
    assert [block.count for block in watch.look(NOW + 1)] == [2], "the version before is known for a time"


def test_a_block_is_recent_for_an_hour(subject: Enforced) -> None:
    counters = Counters(1)
    watch = BlockWatch(counters, lambda: subject)
    hit(counters, subject, key_from_text("casino.example"))
    watch.look(NOW)
    watch.look(NOW + FORGOTTEN)
    assert watch.recent().blocks == ()
    hit(counters, subject, key_from_text("casino.example"), NOW + int(FORGOTTEN))
    assert [block.count for block in watch.look(NOW + FORGOTTEN)] == [1]


@given(st.integers(0, 2**32))
def test_what_a_process_that_was_broken_into_writes_is_no_error(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    counters = Counters(1)
    chance = random.Random(seed)  # noqa: S311 - a test repeats itself
    subject = SUBJECTS.setdefault(
        "one", enforced(tmp_path_factory.mktemp("r"), feed("f", listing(order("a"), "a.example")))
    )
    row = counters.row(0).numbers
    row[_RECENT:] = memoryview(chance.randbytes(len(row[_RECENT:]) * 8)).cast("Q")
    for place in range(_RECENT, len(row), 38):  # each claims to be of what is enforced
        row[place], row[place + 4], row[place + 2] = 2, 1, NOW
        row[place + 5] = row[place + 5] & ~0xFFFFFFFFFF | chance.choice([0, 1, 1 << 32, 200 << 32])
    watch = BlockWatch(counters, lambda: subject)
    for block in watch.look(NOW):
        assert block.feed == "f"


SUBJECTS: dict[str, Enforced] = {}
