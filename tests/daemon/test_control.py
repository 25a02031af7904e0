"""The control process as the admin port and the supervisor see it, without a process, a socket or a pause."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import stat
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from blockd.audit.log import AuditLog
from blockd.audit.statement import kept_statements
from blockd.daemon import control
from blockd.daemon.channel import Message
from blockd.daemon.config_watch import ConfigWatch
from blockd.daemon.contexts import ControlContext, ProcessState, SharedContext
from blockd.daemon.control import ControlProcess
from blockd.daemon.environment import Environment
from blockd.daemon.processes import pulse
from blockd.daemon.report.statements import LOOK
from blockd.daemon.results import FeedOutcome, RefreshResult
from blockd.daemon.state_dir import StateDir
from blockd.errors import CommandError, FeedRefused
from blockd.feeds.fetched import Validators
from blockd.feeds.kinds import open_source
from blockd.feeds.source import FeedSource
from blockd.metrics import Counters, Traffic
from blockd.metrics.upstreams import UpstreamTable
from blockd.names import Network
from blockd.resolver import SelfTestKey
from blockd.resolver.machine.loop_token import LoopToken
from blockd.resolver.resolution import Resolution
from blockd.ruleset import Gate, Ruleset
from blockd.ruleset.explain import explain
from blockd.ruleset.versions.diff import Changes, Comparison
from blockd.settings import Feed, OverridesFeed, Settings
from blockd.settings.groups import ClientGroups
from blockd.times import time_text
from blockd.transports.binding import Sockets
from blockd.web.admin import Condition
from tests.daemon.parts import NOW, LocalCompiler, ManualTime, SimulatedTests, Sources

STATUS = [
    "version", "engine", "since", "config", "reload", "listen", "bound", "resolution", "upstreams", "certificates",
    "ruleset", "pinned", "feeds",
    "groups", "workers", "page", "decide", "self_test", "overrides",
    "contradictions",
    "audit", "compiling", "disk", "open_files", "confinement", "alarms", "notes",
]  # fmt: skip
RULESET = ["version", "digest", "compiled", "names", "networks", "orders", "verified_age_seconds"]
FEED = [
    "name", "type", "priority", "phase", "names", "rejected", "held", "digest", "version", "age_seconds", "next_poll",
    "expires", "ended",
    "at_expiry", "refusal", "acceptable", "refused", "stale", "authorities", "mirrors", "refused_orders", "notes",
    "limits", "phase_words",
]  # fmt: skip


class OpenGate:
    """A gate that nobody had to read."""

    def gate(self) -> Gate:
        return Gate()

    def close(self) -> None:
        """Nothing was opened."""


async def counted(old: Path, new: Path) -> Changes:
    """Count in this process what changes from one ruleset to another."""
    return Comparison(Ruleset.open(old), Ruleset.open(new)).count()


class Channel:
    """The supervisor and its two workers: what they say comes in as the control process hears it."""

    def __init__(self) -> None:
        self.control: ControlProcess | None = None
        self.sent: list[Message] = []

    def fileno(self) -> int:
        raise AssertionError("nobody waits for messages here")

    def receive(self) -> list[Message] | None:
        raise AssertionError("messages are handed over")

    def send(self, message: Message, descriptor: int | None = None, /) -> None:
        self.sent.append(message)
        assert self.control is not None
        if "enforce" not in message:
            return
        for index in range(2):
            self.control.heard({"worker": index, "pid": 10 + index, "enforcing": message["enforce"]})


class Node:
    """A control process with two workers; the feeds are `national` and blockd's own."""

    def __init__(self, folder: Path, page: ProcessState | None = None, **more: object) -> None:
        self.time = ManualTime()
        self.sources = Sources(self.time)
        feeds = [{"name": "national", "type": "domains", "path": "/lists/national"}]
        settings = Settings.model_validate({"workers": 2, "feeds": feeds, "upstreams": ["127.0.0.1:1"], **more})
        state = StateDir(folder, groups=ClientGroups(settings.groups))
        sockets = Sockets(block_page_http=[socket.create_server(("127.0.0.1", 0))] if page else [])
        sockets.keep()  # none is served here
        shared = SharedContext(
            settings,
            sockets,
            state,
            Counters(2),
            Traffic(2, bytes(16)),
            UpstreamTable(2),
            SelfTestKey(bytes(16)),
            LoopToken.make(os.urandom),
        )
        workers = {index: ProcessState(10 + index, 0) for index in range(2)}
        config = folder / "blockd.yaml"
        config.write_text("feeds: []\n", encoding="ascii")
        running = ConfigWatch(shared.settings, config, self.time.clock())
        context = ControlContext(
            shared,
            config,
            running,
            OpenGate(),
            None,
            workers,
            announce=False,
            since=self.time.clock(),
            resolution=Resolution.of(settings),
            followers={"page": page} if page else {},
        )
        (folder / "hit-slots.json").write_text("[]")
        environment = Environment(
            self.time.timing, self.source, LocalCompiler(self.time), compare=counted, self_tests=SimulatedTests
        )
        self.channel = channel = Channel()
        self.control = channel.control = ControlProcess(context, channel, environment)

    def source(self, feed: Feed, folder: Path, validators: Validators) -> FeedSource:
        """Open a source; that of blockd's own feed is its file."""
        if isinstance(feed, OverridesFeed):
            return open_source(feed, folder, validators)
        return self.sources(feed, folder, validators)

    async def give(self, *names: str) -> RefreshResult:
        """Have the feed's new content looked at and enforced."""
        self.sources["national"].give(*names)
        return await self.control.refresh(None)


PUBLIC = ("9.9.9.9", "149.112.112.112", "1.1.1.1")  # addresses that no registry has for special purposes


def test_no_list_blocks_the_resolvers_that_the_machine_names_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolv_conf = tmp_path / "resolv.conf"
    monkeypatch.setattr("blockd.resolver.machine.system.RESOLV_CONF", resolv_conf)
    resolv_conf.write_text(f"nameserver {PUBLIC[0]}\n", "ascii")
    feeds = [{"name": "national", "type": "addresses", "path": "/lists/national"}]

    def blocked(node: Node) -> list[str]:
        enforced = node.control.parts.enforced
        assert enforced is not None
        return [text for text in PUBLIC if enforced.ruleset.claims(Network.from_text(text).key)]

    async def check(node: Node) -> None:
        await node.give(*PUBLIC)
        assert blocked(node) == [PUBLIC[1], PUBLIC[2]]
        resolv_conf.write_text(f"nameserver {PUBLIC[1]}\n", "ascii")
        await node.control.parts.upstreams._watch.look()
        await node.control.refresh(None)
        assert blocked(node) == [PUBLIC[0], PUBLIC[2]], "with nothing new of the list"
        assert node.control.parts.updater.maker.gate == node.control.parts.gate.now
        await node.control.held("release", {"name": PUBLIC[1], "reason": "it is theirs"})
        assert blocked(node) == [*PUBLIC]
        resolv_conf.unlink()
        await node.control.parts.upstreams._watch.look()
        await node.give(*PUBLIC, "8.8.8.8")
        assert blocked(node) == [*PUBLIC], "the resolvers named last stay, and so does what was released"
        resolv_conf.write_text(f"nameserver {PUBLIC[2]}\n", "ascii")
        await node.control.parts.upstreams._watch.look()
        await node.give(*PUBLIC)
        assert blocked(node) == [PUBLIC[0], PUBLIC[1]]

    asyncio.run(_checked(Node(tmp_path, feeds=feeds, upstreams=["system"]), check))


Run = Callable[[Callable[[Node], Awaitable[None]]], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return lambda check: asyncio.run(_checked(Node(tmp_path), check))


async def _checked(node: Node, check: Callable[[Node], Awaitable[None]]) -> None:
    node.control.parts.audit.begin()
    try:
        await check(node)
    finally:
        node.control.parts.audit.close()


def verdict(node: Node, name: str) -> str:
    return explain(node.control.parts.enforced, name).verdict


def test_the_first_beat_for_which_there_is_most_time_comes_once_the_audit_log_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    node = Node(tmp_path)
    recorder = node.control.parts.recorder
    begin = recorder.begin

    def begun(**given: Any) -> None:
        begin(**given)
        done.append("the log is read")

    async def served() -> None:
        done.append("served")

    monkeypatch.setattr(recorder, "begin", begun)
    monkeypatch.setattr(pulse, "begin", lambda _loop: done.append("beat"))
    monkeypatch.setattr(control, "listen", lambda *_: None)
    monkeypatch.setattr(node.control, "_serve", served)
    asyncio.run(node.control.run())
    assert done == ["the log is read", "beat", "served"]


def test_a_page_process_that_fails_is_told_and_takes_no_version_back(tmp_path: Path) -> None:
    node = Node(tmp_path, page=ProcessState(30, 0))

    async def check(node: Node) -> None:
        await node.give("a.example")
        node.control.heard({"page": {"failed": 1, "why": "no memory", "pid": 30}})
        assert node.control.readiness() == Condition(True, "version 1 is enforced by every worker")
        assert node.control.parts.enforced is not None
        assert node.control.health().reason.endswith("it cannot enforce version 1: no memory")
        told = node.control.status()
        assert [alarm.name for alarm in told.alarms if "Page" in alarm.name] == ["BlockdPageFailed"]
        assert b"\nblockd_page_ready 0.0" in await node.control.metrics()
        node.control.heard({"page": {"enforcing": 1, "pid": 30}})
        assert node.control.health().is_ok
        assert b"\nblockd_page_ready 1.0" in await node.control.metrics()
        node.control.heard({"page": {"died": True}})
        assert node.control.health() == Condition(
            False, "the block page's process is not running; it is being started again"
        )
        assert node.control.readiness().is_ok

    asyncio.run(_checked(node, check))


def test_it_is_ready_once_every_worker_enforces_the_same_version(run: Run) -> None:
    async def check(node: Node) -> None:
        assert not node.control.readiness().is_ok
        assert "no list is enforced yet: names are resolved without a policy" in node.control.readiness().reason
        await node.give("a.example")
        assert node.control.readiness() == Condition(True, "version 1 is enforced by every worker")
        node.control.heard({"worker": 1, "pid": 21, "enforcing": 0})
        assert node.control.readiness() == Condition(False, "workers [1] do not enforce version 1 yet")
        node.control.heard({"worker": 1, "pid": 21, "enforcing": 1})
        assert node.control.readiness().is_ok

    run(check)


def test_not_ready_says_what_clients_get_meanwhile(tmp_path: Path) -> None:
    node = Node(tmp_path, at_first_start="refuse")
    assert "names are answered with SERVFAIL" in node.control.readiness().reason


def test_worker_that_has_died_is_unhealthy_until_it_is_back(run: Run) -> None:
    async def check(node: Node) -> None:
        assert node.control.health() == Condition(True, "every worker is running")
        node.control.heard({"died": True, "worker": 0})
        assert node.control.health().reason == "workers [0] are not running; they are being started again"
        node.control.heard({"worker": 0, "pid": 30, "enforcing": 0})
        assert node.control.health().is_ok

    run(check)


def test_status_before_and_after_the_first_version(run: Run) -> None:
    async def check(node: Node) -> None:
        before = node.control.status()
        assert (before.ruleset, before.pinned, before.self_test, before.overrides) == (None, None, None, ())
        assert [alarm.name for alarm in before.alarms if alarm.severity == "critical"] == ["BlockdNotReady"]
        assert [(worker.pid, worker.enforcing) for worker in before.workers] == [(10, None), (11, None)]
        assert before.feeds[0].age_seconds is None
        await node.give("a.example", "b.example")
        node.time.now += 5
        after = node.control.status()
        assert after.ruleset is not None
        assert (after.ruleset.version, after.ruleset.names, after.ruleset.networks) == (1, 2, 0)
        assert after.ruleset.orders == {"pending": 0, "in force": 1, "expired": 0, "lifted": 0}
        assert [(worker.pid, worker.enforcing) for worker in after.workers] == [(10, 1), (11, 1)]
        assert [(feed.name, feed.names, feed.age_seconds, feed.refusal) for feed in after.feeds] == [
            ("national", 2, 5.0, None)
        ]
        assert not [alarm for alarm in after.alarms if alarm.severity == "critical"]

    run(check)


def test_status_has_the_keys_that_the_admin_api_names(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example")
        await node.control.rollback(1, "Let it be.")
        told = json.loads(json.dumps(node.control.status().to_json()))
        assert list(told) == STATUS
        assert list(told["feeds"][0]) == FEED
        assert list(told["ruleset"]) == RULESET
        assert told["workers"] == [{"index": n, "pid": 10 + n, "enforcing": 1} for n in range(2)]
        assert told["pinned"] == {
            "version": 1, "since": time_text(NOW), "reason": "Let it be.", "enforced": 1, "base": None
        }  # fmt: skip
        assert (told["config"]["since"], told["config"]["changed"]) == (time_text(NOW), [])
        assert told["audit"].keys() == {"number", "hash", "trouble"}
        assert told["feeds"][0]["held"]["sentence"] == ""

    run(check)


def test_refused_feed_is_in_the_status_with_the_reason(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example")
        node.sources["national"].fail(FeedRefused("unreachable", "Nobody answers."))
        assert (await node.control.refresh(["national"])).feeds == {
            "national": FeedOutcome("refused", "Nobody answers.")
        }
        feed = node.control.status().feeds[0]
        assert (feed.refusal, feed.refused, feed.names) == ("Nobody answers.", {"unreachable": 1}, 1)
        assert "BlockdFeedRefused" in [alarm.name for alarm in node.control.status().alarms]

    run(check)


def test_hangup_tells_which_config_runs_and_that_the_one_on_disk_is_another(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(node: Node) -> None:
        path = Path(node.control.status().config.path)
        with caplog.at_level("INFO"):
            node.control.heard({"refresh": True})
            await asyncio.to_thread(path.write_text, "feeds: []\nworkers: 1\n", encoding="ascii")
            node.control.heard({"refresh": True})
        [changed] = node.control.status().to_json()["config"]["changed"]  # type: ignore[index]
        assert changed["path"] == str(path)
        await node.time.settle()

    run(check)
    before, after = [record.getMessage() for record in caplog.records if "SIGHUP" in record.getMessage()]
    assert ("The config in force is the one of" in before, "another" in before) == (True, False)
    assert ("on disk is another since" in after, "`blockd reload` takes what is there" in after) == (True, True)


def test_hangup_of_the_supervisor_looks_at_every_feed_and_a_notification_wakes_one(run: Run) -> None:
    async def check(node: Node) -> None:
        looks = node.sources["national"].looks
        node.control.heard({"refresh": True})
        await node.time.settle()
        assert len(looks) == 1
        updating = asyncio.create_task(node.control.parts.updater.run())
        await node.time.advance(5.0)
        assert len(looks) == 2, "the one with which it begins"
        node.control.heard({"notified": "nobody"})
        assert node.control.hint(None).to_json() == {"feeds": []}, "there is no signed one"
        await node.time.settle()
        assert len(looks) == 2
        node.control.heard({"notified": "national"})
        await node.time.advance(1.0)
        assert len(looks) == 3
        assert node.control.hint("national").to_json() == {"feeds": ["national"]}
        await node.time.advance(1.0)
        assert len(looks) == 4
        updating.cancel()

    run(check)


def test_rollback_and_release_say_what_is_in_force(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example")
        await node.give("a.example", "b.example")
        assert (await node.control.rollback(1, "why")).to_json() == {"version": 1, "pinned": 1}
        assert (verdict(node, "a.example"), verdict(node, "b.example")) == ("sinkhole", "resolved")
        node.time.now += 1
        assert (await node.give("a.example", "c.example")).feeds["national"].outcome == "waiting"
        assert (await node.control.release("")).to_json() == {"version": 3, "pinned": None}
        assert (verdict(node, "b.example"), verdict(node, "c.example")) == ("resolved", "sinkhole")
        with pytest.raises(CommandError):
            await node.control.release("")

    run(check)


def test_override_is_enforced_at_once_and_ended_by_hand(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example", "b.example")
        asked = {"name": "a.example", "reason": "A hospital.", "until": time_text(NOW + 3600)}
        added = await node.control.override("add", asked)
        assert (added.outcome.outcome, added.version, added.status.is_over) == ("enforced", 2, False)
        assert list(added.to_json()) == [
            "id", "name", "scope", "reason", "officer", "authority", "created", "until", "ended", "ended_reason",
            "over", "in_force", "outcome", "version", "before",
        ]  # fmt: skip
        assert (verdict(node, "a.example"), verdict(node, "b.example")) == ("allow", "sinkhole")
        assert [one.override.name for one in node.control.status().overrides] == ["a.example"]
        assert [feed.name for feed in node.control.status().feeds] == ["national"], "blockd's own is none of them"
        node.time.now += 60
        ended = await node.control.override("end", {"name": "a.example", "reason": "It is over."})
        assert (ended.status.is_over, ended.to_json()["ended"]) == (True, time_text(NOW + 60))
        assert (verdict(node, "a.example"), node.control.status().overrides) == ("sinkhole", ())
        with pytest.raises(CommandError, match="expected a date"):
            await node.control.override("add", {**asked, "until": "soon"})

    run(check)


def test_statement_says_what_is_enforced(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example")
        made = await node.control.statement()
        assert made.file == time.strftime("%Y%m%dT%H%M%SZ.json", time.gmtime(NOW))
        signed = json.loads(made.statement)["signed"]
        assert (signed["version"], signed["names"]) == (1, 1)
        assert [(order["feed"], order["action"]) for order in signed["orders"]] == [("national", "sinkhole")]
        assert signed["workers"] == [{"index": 0, "enforces": 1}, {"index": 1, "enforces": 1}]
        assert signed["self_test"] is None

    run(check)


def test_no_statement_is_made_of_what_the_log_does_not_say_yet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    is_full = [True]
    monkeypatch.setattr(AuditLog, "_append", _unless(is_full, AuditLog._append))

    async def check(node: Node) -> None:
        await node.give("a.example")
        with pytest.raises(CommandError, match=r"No statement was made\. .* cannot be written: no room"):
            await node.control.statement()
        assert kept_statements(node.control.parts.state.folder) == []
        is_full.clear()
        await asyncio.to_thread(node.control.parts.audit.close)
        signed = json.loads((await node.control.statement()).statement)["signed"]
        assert (signed["version"], signed["audit"]) == (1, node.control.parts.audit.head.to_json())

    run(check)


def _unless(is_full: list[bool], append: Callable[..., None]) -> Callable[..., None]:
    def appended(log: AuditLog, entries: Sequence[object]) -> None:
        if is_full and entries:
            raise OSError("no room")
        append(log, entries)

    return appended


def test_series_are_those_of_the_version_in_force(run: Run) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example", "b.example")
        series = (await node.control.metrics()).decode()
        assert "blockd_ruleset_names 2.0" in series
        assert "blockd_ready 1.0" in series

    run(check)


def test_statements_are_made_in_their_interval_once_something_is_enforced(run: Run) -> None:
    interval = 3 * LOOK

    async def check(node: Node) -> None:
        folder = node.control.parts.state.folder
        stating = asyncio.create_task(node.control.parts.statements.state_forever(interval))
        kept = []
        for turn in range(6):
            if turn == 1:
                await node.give("a.example")
            await node.time.has_sleepers()
            kept.append(len(kept_statements(folder)))
            await node.time.advance(LOOK)
        stating.cancel()
        assert kept == [0, 0, 1, 1, 1, 2], "the first as soon as there is a version"

    run(check)


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)  # a file that is being written goes by itself


@pytest.mark.parametrize("lost", [".", "rulesets", "feeds", "feeds/national", "compiling"])
def test_a_folder_of_the_state_that_was_removed_is_made_again_and_all_is_fetched_anew(
    tmp_path: Path, lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(node: Node) -> None:
        await node.give("a.example")
        empty(tmp_path / lost)
        if lost != ".":
            (tmp_path / lost).rmdir()
        await node.control.parts.damage.look()
        for name in ("rulesets", "feeds", "feeds/national", "compiling"):
            assert stat.S_ISDIR((tmp_path / name).lstat().st_mode)
        if lost != ".":
            assert stat.S_IMODE((tmp_path / lost).lstat().st_mode) == 0o750
        assert f"Gone, and made again: {tmp_path / lost}".removesuffix("/.") in caplog.text
        managed = node.control.parts.feeds["national"]
        assert managed.news_hinted.is_set(), "it is polled at once"
        is_lost = lost in (".", "feeds", "feeds/national")
        await node.control.refresh(None)
        assert bool(managed.state.accepted_digest) is not is_lost
        assert verdict(node, "a.example") == "sinkhole", "what was in force stays so meanwhile"
        if lost in (".", "rulesets"):  # what is in force is gone, too: this process begins anew with what there is
            assert any("is gone" in str(message.get("suspect")) for message in node.channel.sent)
            return
        await node.give("a.example", "b.example")
        assert verdict(node, "b.example") == "sinkhole"
        assert (tmp_path / "feeds" / "national" / "accepted").read_text("ascii") == "a.example\nb.example\n"
        caplog.clear()
        await node.control.parts.damage.look()
        assert "made again" not in caplog.text

    asyncio.run(_checked(Node(tmp_path), check))


def test_a_link_where_a_folder_of_the_state_was_is_not_followed(tmp_path: Path) -> None:
    async def check(node: Node) -> None:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        shutil.rmtree(tmp_path / "feeds")
        (tmp_path / "feeds").symlink_to(theirs)
        await node.control.parts.damage.look()
        assert (tmp_path / "feeds" / "national").is_dir()
        assert not (tmp_path / "feeds").is_symlink()
        assert list(theirs.iterdir()) == []

    asyncio.run(_checked(Node(tmp_path), check))
