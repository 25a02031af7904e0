"""The switcher with a time, workers and self-tests that are handed in: no process, no socket, no sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from blockd.compile.news import News
from blockd.daemon.channel import Message
from blockd.daemon.hit_slots import HitSlots
from blockd.daemon.pinning import Pin
from blockd.daemon.ruleset_switcher import SWAP_TIME, RulesetSwitcher
from blockd.daemon.state_dir import StateDir
from blockd.daemon.switching import BACK_TIME, Store, WorkerLink
from blockd.daemon.workers import Workers
from blockd.errors import CommandError, RulesetError
from blockd.resolver import SelfTestKey
from blockd.ruleset import compile_ruleset
from blockd.ruleset.versions.diff import Changes
from blockd.ruleset.versions.keeping import Retention
from blockd.settings import Settings
from tests.daemon.parts import ManualTime, SimulatedTests, Sources, WorkerSimulator, blocked, feed_set, recorded
from tests.ruleset.lists import feed, listing, octets, order

KEEP = 3
PROBE = SelfTestKey(bytes(16))


class Node:
    """A switcher on a state folder, with two workers."""

    def __init__(self, folder: Path) -> None:
        self.time = ManualTime()
        self.state = StateDir(folder)
        self.workers = Workers(2, {0: 10, 1: 11})
        self.channel = WorkerSimulator(self.workers)
        self.tests = SimulatedTests(Settings(), PROBE)
        self.recorder, self.log = recorded(folder, [], self.time)
        self.switcher = self.new_switcher()

    def new_switcher(self) -> RulesetSwitcher:
        """Return the switcher of a control process that begins now."""
        store = Store(self.state, HitSlots(self.state.folder / "hit-slots.json"), Retention(KEEP, 1 << 40))
        feeds = feed_set(self.state.folder, [], self.time, Sources(self.time))
        link = WorkerLink(self.workers, self.channel)
        return RulesetSwitcher(store, link, feeds, self.tests, self.recorder, self.time.timing)

    def news(self, *names: str) -> News:
        """Compile a list of these names."""
        path = self.state.folder / "compiled"
        content = " ".join(names)
        inputs = [feed("national", listing(order("o"), *names))]
        compile_ruleset(inputs, path, created=int(self.time.now), randomness=octets, made_from=content)
        return News(path, content, changes=Changes(0, 0, 0))

    async def enforce(self, *names: str) -> bool:
        """Enforce a list of these names."""
        return await self.switcher.enforce(self.news(*names))

    def blocked(self, *names: str) -> list[str]:
        return blocked(self.switcher.enforced, *names)

    def enforcing(self) -> list[int]:
        """Return the versions that the workers enforce."""
        return [self.workers.enforcing[index] for index in sorted(self.workers.enforcing)]


Check = Callable[[Node], Awaitable[None]]
Run = Callable[[Check], None]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    node = Node(tmp_path)

    async def closed(check: Check) -> None:
        try:
            await check(node)
        finally:
            await node.switcher.close()

    yield lambda check: asyncio.run(closed(check))
    if node.switcher.enforced is not None:
        node.switcher.enforced.close()


def test_version_is_enforced_by_every_worker_tested_and_marked(run: Run) -> None:
    async def check(node: Node) -> None:
        assert await node.enforce("a.example")
        assert (node.blocked("a.example", "b.example"), node.enforcing()) == (["a.example"], [1, 1])
        assert node.tests.asked == (1, [0, 1])
        assert node.state.versions.current() == node.switcher.version == 1
        assert node.switcher.flips.is_set()
        assert not node.switcher.is_held
        assert (node.log.kinds[-2:], node.log.bodies["enforced"]["how"]) == (["enforced", "order"], "news")
        record = node.state.versions.record(1)
        assert record is not None
        assert record.since == node.time.now

    run(check)


def test_no_more_versions_are_kept_than_the_config_says(run: Run) -> None:
    async def check(node: Node) -> None:
        for number in range(KEEP + 2):
            await node.enforce(f"host-{number}.example")
        assert node.state.versions.all() == [3, 4, 5]

    run(check)


@pytest.mark.parametrize("failure", ["the answer of worker 1 is wrong", RulesetError("the file is damaged")])
def test_version_whose_self_test_fails_is_taken_back(run: Run, failure: str | Exception) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        node.tests.failure = failure
        with pytest.raises(RulesetError, match=str(failure)):
            await node.enforce("b.example")
        assert (node.blocked("a.example", "b.example"), node.enforcing()) == (["a.example"], [1, 1])
        assert (node.state.versions.all(), node.state.versions.current()) == ([1], 1)
        assert node.log.bodies["taken-back"] == {"version": 2, "why": str(failure)}
        node.tests.failure = ""
        assert await node.enforce("c.example")
        assert node.blocked("c.example") == ["c.example"]

    run(check)


def test_first_version_stays_whatever_the_self_test_says(run: Run) -> None:
    async def check(node: Node) -> None:
        node.tests.failure = "the answer of worker 1 is wrong"
        assert await node.enforce("a.example")
        assert (node.blocked("a.example"), node.state.versions.current()) == (["a.example"], 1)

    run(check)


def test_fault_of_ours_in_a_self_test_takes_nothing_back(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        node.tests.failure = ZeroDivisionError("ours")
        assert await node.enforce("b.example")
        assert node.blocked("b.example") == ["b.example"]

    run(check)
    assert "ZeroDivisionError" in caplog.text


def test_worker_that_cannot_enforce_a_version_has_it_taken_back_everywhere(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        node.channel.broken = {1}
        with pytest.raises(RulesetError, match="worker 1 cannot enforce version 2: its file is gone"):
            await node.enforce("b.example")
        assert (node.blocked("a.example"), node.enforcing()) == (["a.example"], [1, 1])
        assert node.channel.sent[-2:] == [{"enforce": 2}, {"enforce": 1}]
        assert node.state.versions.all() == [1]

    run(check)


def test_worker_that_is_late_is_ended_and_takes_nothing_back(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        node.channel.mute = {1}
        swapping = asyncio.create_task(node.enforce("b.example"))
        await node.time.has_sleepers()
        await node.time.advance(SWAP_TIME - 1)
        assert not swapping.done()
        await node.time.advance(1)
        assert await swapping
        assert (node.blocked("b.example"), node.enforcing()) == (["b.example"], [2, 1])
        assert node.channel.sent[-1] == {"late": [1], "version": 2}

    run(check)


def test_worker_that_is_known_to_hang_is_not_waited_for(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        node.channel.mute = {1}
        swapping = asyncio.create_task(node.enforce("b.example"))
        await node.time.has_sleepers()
        node.workers.heard({"worker": 1, "pid": 11, "silent": True})
        assert await swapping
        assert (node.blocked("b.example"), node.enforcing()) == (["b.example"], [2, 1])
        assert node.workers.trouble() == "worker 1 (process 11) does not answer; it is ended and started again"

    run(check)


def test_version_that_no_worker_takes_is_taken_back(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        node.channel.mute = {0, 1}
        swapping = asyncio.create_task(node.enforce("b.example"))
        await node.time.has_sleepers()
        await node.time.advance(SWAP_TIME)
        with pytest.raises(RulesetError, match=r"workers \[0, 1\] did not take version 2 in 12 seconds"):
            await swapping
        assert node.blocked("a.example") == ["a.example"]

    run(check)


def test_worker_that_does_not_go_back_is_named_and_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        node.channel.broken = {1}
        send = node.channel.send

        def send_once(message: Message, descriptor: int | None = None) -> None:
            send(message, descriptor)
            node.channel.mute = {0}

        monkeypatch.setattr(node.channel, "send", send_once)
        swapping = asyncio.create_task(node.enforce("b.example"))
        await node.time.has_sleepers()
        await node.time.advance(BACK_TIME)
        told = r"is gone; workers \[0\] have not gone back to version 1 yet, and are started again with it"
        with pytest.raises(RulesetError, match=told):
            await swapping
        assert node.channel.sent[-2:] == [{"enforce": 1}, {"late": [0], "version": 1}]

    run(check)


def test_worker_that_is_dead_is_not_waited_for(run: Run) -> None:
    async def check(node: Node) -> None:
        node.workers.heard({"died": True, "worker": 1})
        assert await node.enforce("a.example")
        assert (node.enforcing(), node.tests.asked) == ([1], (1, [0]))

    run(check)


def test_worker_that_dies_in_the_middle_of_a_swap_does_not_stop_it(run: Run) -> None:
    async def check(node: Node) -> None:
        node.channel.mute = {1}
        swapping = asyncio.create_task(node.enforce("a.example"))
        await node.time.has_sleepers()
        node.workers.heard({"died": True, "worker": 1})
        assert await swapping
        assert node.blocked("a.example") == ["a.example"]

    run(check)


def test_first_version_that_a_worker_enforces_is_kept_although_another_does_not(run: Run) -> None:
    async def check(node: Node) -> None:
        node.channel.broken = {1}
        with pytest.raises(RulesetError):
            await node.enforce("a.example")
        assert (node.switcher.enforced, node.state.versions.all()) == (None, [1])

    run(check)


def test_content_that_is_kept_is_enforced_again_as_the_version_that_it_was(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        await node.enforce("b.example")
        content = node.state.versions.record(1)
        assert content is not None
        assert await node.switcher.recall(content.content)
        assert (node.blocked("a.example", "b.example"), node.enforcing()) == (["a.example"], [1, 1])
        assert (node.state.versions.all(), node.state.versions.current()) == ([1, 2], 1)
        assert node.log.bodies["enforced"]["how"] == "recall"
        records = [node.state.versions.record(version) for version in (1, 2)]
        assert [len(record.periods) for record in records if record] == [2, 1]
        assert not await node.switcher.recall(content.content), "it is in force already"
        assert not await node.switcher.recall("what nobody gave")

    run(check)


def test_kept_version_that_is_damaged_is_not_enforced_again(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        await node.enforce("b.example")
        record = node.state.versions.record(1)
        assert record is not None
        path = node.state.versions.ruleset(1)
        path.write_bytes(path.read_bytes()[:-1])
        assert not await node.switcher.recall(record.content)
        with pytest.raises(CommandError, match=r"Version 1 cannot be enforced: .*What is in force stays"):
            await node.switcher.roll_back(1, "")
        assert (node.blocked("b.example"), node.switcher.pin) == (["b.example"], None)

    run(check)
    assert "cannot be used" in caplog.text


def test_version_that_was_gone_back_to_is_held_until_it_is_released(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        await node.enforce("b.example")
        node.time.now += 60
        await node.switcher.roll_back(1, "Too many complaints.")
        assert (node.blocked("a.example", "b.example"), node.enforcing()) == (["a.example"], [1, 1])
        assert node.switcher.pin == Pin(1, int(node.time.now), "Too many complaints.")
        assert node.switcher.is_held
        assert node.log.bodies["rollback"] == {"version": 1, "enforced": 1, "reason": "Too many complaints."}
        assert not await node.enforce("c.example")
        assert not await node.switcher.recall("b.example")
        assert node.blocked("a.example", "c.example") == ["a.example"]
        await node.switcher.release("It was not the list.")
        assert node.new_switcher().pin is None
        assert not node.switcher.is_held
        assert node.log.bodies["release"] == {"version": 1, "reason": "It was not the list."}
        assert await node.enforce("c.example")

    run(check)


def test_version_in_force_can_be_pinned_as_it_is(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        sent = len(node.channel.sent)
        await node.switcher.roll_back(1, "")
        assert (node.switcher.is_held, len(node.channel.sent)) == (True, sent)

    run(check)


def test_what_cannot_be_gone_back_to_or_released_is_refused(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        with pytest.raises(CommandError, match=r"Version 7 is not kept; nothing was changed\. Versions kept: 1"):
            await node.switcher.roll_back(7, "")
        with pytest.raises(CommandError, match="No version is pinned"):
            await node.switcher.release()

    run(check)


def test_rollback_that_fails_leaves_the_pin_and_the_version_as_they_were(run: Run) -> None:
    async def check(node: Node) -> None:
        for name in ("a.example", "b.example", "c.example"):
            await node.enforce(name)
        await node.switcher.roll_back(2, "for a reason")
        node.channel.broken = {0}
        with pytest.raises(CommandError, match="Version 1 cannot be enforced: worker 0"):
            await node.switcher.roll_back(1, "")
        assert (node.blocked("a.example", "b.example"), node.enforcing()) == (["b.example"], [2, 2])
        assert (node.state.versions.pinned(), node.switcher.is_held) == (2, True)

    run(check)


def test_pin_is_read_at_a_start_and_a_swap_that_was_begun_is_finished(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        await node.enforce("b.example")
        node.state.versions.pin(1)  # the control process before has ended between pin and swap
        before, node.switcher = node.switcher, node.new_switcher()
        await node.switcher.begin(before.version)
        assert before.enforced is not None
        before.enforced.close()
        assert (node.blocked("a.example", "b.example"), node.enforcing()) == (["a.example"], [1, 1])
        assert (node.state.versions.current(), node.switcher.is_held) == (1, True)

    run(check)


def test_pinned_version_that_is_lost_leaves_what_is_in_force(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        await node.enforce("b.example")
        node.state.versions.pin(1)
        node.state.versions.drop(1)
        before, node.switcher = node.switcher, node.new_switcher()
        await node.switcher.begin(before.version)
        assert before.enforced is not None
        before.enforced.close()
        assert (node.blocked("b.example"), node.state.versions.current()) == (["b.example"], 2)

    run(check)


def test_version_that_the_workers_enforce_is_marked_where_the_one_before_did_not_come_to_it(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.enforce("a.example")
        await node.enforce("b.example")
        node.state.versions.make_current(1)
        before, node.switcher = node.switcher, node.new_switcher()
        await node.switcher.begin(2)
        assert before.enforced is not None
        before.enforced.close()
        assert (node.state.versions.current(), node.log.bodies["enforced"]["how"]) == (2, "start")

    run(check)
