"""What a self-test asks, what it takes for right, and what it makes of what it hears."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from blockd.metrics import Transport
from blockd.names import DomainName, key_from_text
from blockd.orders import Action, Order
from blockd.resolver import SelfTestIdentity, SelfTestKey
from blockd.resolver.local.local_zones import LocalZones
from blockd.ruleset import Enforced
from blockd.selftest import client as asking
from blockd.selftest.client import ClientOutcome, ask_workers
from blockd.selftest.expectations import questions
from blockd.selftest.sampling import Chosen, choose
from blockd.settings import Settings, SocketAddress
from blockd.transports import TcpServer, UdpServer
from tests.resolver.rig import CLIENT, SINKHOLE, STRANGER, Rig, order
from tests.ruleset.lists import NOW, compiled, enforce, feed, listing, some_names
from tests.ruleset.lists import order as listed_order
from tests.upstream import bound, closed_port

SELFTEST_KEY = SelfTestKey.make(os.urandom)
Listed = Sequence[tuple[Order, Sequence[str]]]

UNTOUCHED = (Action.MONITOR, Action.ALLOW, Action.PASSTHRU, Action.LOCAL)
ALL_ACTIONS: Listed = [
    (order(action.value, action, cname="landing.example" if action is Action.CNAME else ""), [f"{action}.example"])
    for action in Action
    if action is not Action.LOCAL
]


def keys(*names: str) -> list[bytes]:
    return [key_from_text(name) for name in names]


def outcome_of(tmp_path: Path, expected: Listed, worker: Listed, chosen: Chosen) -> tuple[ClientOutcome, Rig]:
    """Let a worker enforce one ruleset, and test whether it enforces another; return the result and the worker."""
    (tmp_path / "expected").mkdir()
    (tmp_path / "worker").mkdir()
    ours = Rig(tmp_path / "expected")
    ours.enforce(expected)
    rig = Rig(tmp_path / "worker", selftest=SelfTestIdentity(SELFTEST_KEY, 3))
    rig.enforce(worker)
    rig.wall_clock.now = now = time.time()
    policy = ours.resolver.pipeline._policy
    assert policy is not None
    asked = {
        transport: questions(chosen, policy.enforced, SINKHOLE, transport, SELFTEST_KEY, now)
        for transport in (Transport.UDP, Transport.TCP)
    }

    async def run() -> ClientOutcome:
        listening, datagrams = bound("127.0.0.1")
        with listening, datagrams:
            port = listening.getsockname()[1]
            udp, tcp = UdpServer([datagrams], rig.resolver), TcpServer(rig.resolver)
            tcp.start(listening)
            outcome = await asyncio.to_thread(ask_workers, asked, [SocketAddress("127.0.0.1", port)], {3}, SELFTEST_KEY)
            tcp.close()
            await udp.close()
            return outcome

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asking, "SECONDS", 20.0)
        patched.setattr(asking, "PATIENCE", 0.3)
        return asyncio.run(run()), rig


def test_right_answers_to_every_action_pass_and_are_not_counted(tmp_path: Path) -> None:
    touched = keys(*(f"{action}.example" for action in Action if action not in UNTOUCHED))
    chosen = Chosen(touched, keys("monitor.example", "allow.example"), keys("open.example"))
    outcome, rig = outcome_of(tmp_path, ALL_ACTIONS, ALL_ACTIONS, chosen)
    assert (outcome.failure, outcome.workers, outcome.skipped) == ("", {3}, [])
    assert outcome.answers > 30
    assert not any(rig.row.numbers)


@pytest.mark.parametrize(
    ("name", "expected", "heard"),
    [
        ("sinkhole", "sinkhole by order sinkhole of feed feed in version 1", "REFUSED, 0 records"),
        ("nodata", "nodata by order nodata", "REFUSED, 0 records"),
        ("drop", "drop by order drop", "REFUSED, 0 records"),
    ],
)
def test_listed_name_that_is_not_blocked_is_a_failure(tmp_path: Path, name: str, expected: str, heard: str) -> None:
    worker = [(made, names) for made, names in ALL_ACTIONS if made.id != name]
    outcome, _ = outcome_of(tmp_path, ALL_ACTIONS, worker, Chosen(keys(f"{name}.example")))
    assert f"was asked for {name}.example (type 1): expected {expected}" in outcome.failure
    assert outcome.failure.startswith("worker 3, asked at 127.0.0.1:")
    assert outcome.failure.endswith(f"got {heard}")


def test_name_that_is_blocked_and_not_listed_is_a_failure(tmp_path: Path) -> None:
    expected = [(made, names) for made, names in ALL_ACTIONS if made.id != "sinkhole"]
    outcome, _ = outcome_of(tmp_path, expected, ALL_ACTIONS, Chosen(spared=keys("sinkhole.example")))
    assert outcome.failure.endswith("expected no block, since no order covers the name, got NOERROR, 1 records")


@pytest.mark.parametrize("left", [2, 30])
def test_ttls_that_run_out_are_right(tmp_path: Path, left: int) -> None:
    end = int(time.time()) + left
    listed = [(order("one", expires=end), ["a.example"]), (order("two", Action.NXDOMAIN, expires=end), ["b.example"])]
    outcome, _ = outcome_of(tmp_path, listed, listed, Chosen(keys("a.example", "b.example")))
    assert (outcome.failure, outcome.workers) == ("", {3})


def test_silence_where_an_answer_is_due_is_a_failure(tmp_path: Path) -> None:
    expected = [(order("drop"), ["drop.example"])]
    outcome, _ = outcome_of(tmp_path, expected, ALL_ACTIONS, Chosen(keys("drop.example")))
    assert outcome.failure.endswith("got no answer")


def test_answer_with_another_orders_text_is_a_failure(tmp_path: Path) -> None:
    listed = [(order("one"), ["a.example"])]
    worker = [(replace(order("one"), contact="elsewhere@example.net"), ["a.example"])]
    outcome, _ = outcome_of(tmp_path, listed, worker, Chosen(keys("a.example")))
    assert "a.example" in outcome.failure


def test_nobody_there_is_no_failure_of_the_ruleset() -> None:
    address = SocketAddress("127.0.0.1", closed_port().port)
    outcome = ask_workers({Transport.UDP: [], Transport.TCP: []}, [address], {0}, SELFTEST_KEY)
    assert outcome.failure == ""
    assert [sentence.partition(" over ")[2] for sentence in outcome.skipped] == [
        "UDP: workers [0] were not reached",
        "TCP: workers [0] were not reached",
    ]


def test_test_ends_when_its_time_is_over() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        ticks = iter(range(1_000_000))  # a clock that moves on by itself
        outcome = ask_workers(
            {Transport.UDP: []},
            [SocketAddress(*mute.getsockname())],
            set(range(100)),
            SELFTEST_KEY,
            clock=lambda: next(ticks) / 100,
        )
    assert next(ticks) < 200
    assert (outcome.failure, outcome.workers) == ("", set())


def chance(count: int) -> bytes:
    return random.Random(1).randbytes(count)  # noqa: S311 - a test repeats itself


def chosen_of(enforced: Enforced, before: Enforced | None = None, news: Sequence[bytes] = ()) -> Chosen:
    examples = {"small": keys("small-0.example", "small-1.example")}
    return choose(enforced, before, news, lambda name: examples.get(name, []), chance)


def test_every_feed_is_asked_for_however_small(tmp_path: Path) -> None:
    large = listing(listed_order("large"), *some_names(20_000))
    small = listing(listed_order("small"), "small-0.example", "small-1.example")
    with_both = enforce(compiled(tmp_path / "r.ruleset", feed("large", large), feed("small", small)))
    chosen = chosen_of(with_both)
    feeds = [with_both.verdict(key).feed for key in chosen.touched]
    assert {name: feeds.count(name) for name in set(feeds)} == {"large": 4, "small": 2}
    assert len(chosen.controls) == 4
    assert all(with_both.verdict(key).order is None for key in chosen.controls)


def test_what_has_come_and_gone_is_asked_for_first(tmp_path: Path) -> None:
    names = list(some_names(500))
    before = enforce(compiled(tmp_path / "1.ruleset", feed("f", listing(listed_order("o"), *names[:400]))))
    after = enforce(compiled(tmp_path / "2.ruleset", feed("f", listing(listed_order("o"), *names[200:]))))
    chosen = chosen_of(after, before)
    assert set(chosen.touched) <= set(keys(*names[400:]))
    assert set(chosen.spared) <= set(keys(*names[:200]))
    assert len(chosen.touched) == 4
    assert len(chosen.spared) == 24
    news = keys(names[300], names[7])
    chosen = chosen_of(after, before, news)
    assert chosen.touched[0] == news[0]
    assert chosen.spared[0] == news[1]


def test_lifted_and_allowed_names_are_asked_for_as_spared(tmp_path: Path) -> None:
    lifted = listing(listed_order("lifted", lifted_on=NOW - 1), "lifted.example")
    allowed = listing(listed_order("allowed", Action.ALLOW), "allowed.example")
    listed = listing(listed_order("listed"), "listed.example")
    subject = enforce(compiled(tmp_path / "r.ruleset", feed("a", lifted), feed("b", allowed), feed("c", listed)))
    chosen = chosen_of(subject)
    assert chosen.touched == keys("listed.example")
    assert set(chosen.spared) == set(keys("lifted.example", "allowed.example"))


def test_names_that_are_answered_here_without_a_list_tell_nothing_of_one(tmp_path: Path) -> None:
    """Of `onion` and the like every name is answered, listed or not: no list with such names must fail the test."""
    local = LocalZones.of(Settings(), ())
    names = "hidden.onion", "other.test", "shop.example"
    lifted = "lifted.onion", "lifted.example"
    before = enforce(compiled(tmp_path / "1.ruleset", feed("f", listing(listed_order("o"), *names, *lifted))))
    after = enforce(compiled(tmp_path / "2.ruleset", feed("f", listing(listed_order("o"), *names))))
    found = choose(after, before, (), lambda _: (), chance, lambda key: local.zone_of(key) is not None)
    assert set(found.touched) == set(keys(*names)), "what is listed is blocked all the same"
    assert found.spared == keys("lifted.example")
    assert found.controls
    assert all(local.zone_of(key) is None for key in found.controls)


@pytest.mark.parametrize("worker", [0, 7, 63])
def test_identity_is_told_to_who_shows_the_secret_alone(tmp_path: Path, worker: int) -> None:
    rig = Rig(tmp_path, selftest=SelfTestIdentity(SELFTEST_KEY, worker))
    question = SELFTEST_KEY.identity_question
    answer = asyncio.run(rig.resolve(question, "203.0.113.9"))
    assert answer is not None
    assert SELFTEST_KEY.worker(answer) == worker
    assert not any(rig.row.numbers)
    other = SelfTestKey.make(os.urandom)
    refused = asyncio.run(rig.resolve(other.identity_question))
    assert refused is not None
    assert other.worker(refused) is None
    assert refused[3] & 0xF == 5


def test_who_shows_the_secret_is_served_from_anywhere_and_not_counted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, selftest=SelfTestIdentity(SELFTEST_KEY, 0))
    rig.enforce([(order(), ["listed.example"])])
    name = DomainName.from_text("www.listed.example")
    for transport in (Transport.UDP, Transport.TCP):
        for host in (CLIENT, STRANGER):
            answer = asyncio.run(rig.resolve(SELFTEST_KEY.question(name, 1), host, transport))
            assert answer is not None
            assert (answer[3] & 0xF, answer[7]) == (0, 1)
    assert not any(rig.row.numbers)
    refused = asyncio.run(rig.resolve(SelfTestKey.make(os.urandom).question(name, 1), STRANGER))
    assert refused is not None
    assert refused[3] & 0xF == 5
    assert any(rig.row.numbers)
