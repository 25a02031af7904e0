"""The page process without a process: it follows the workers, and what goes wrong is told and tried again."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from blockd.daemon.channel import Message
from blockd.daemon.contexts import PageContext, SharedContext
from blockd.daemon.followers import process as following
from blockd.daemon.page.process import PageProcess
from blockd.daemon.state_dir import StateDir
from blockd.metrics import Counters, Traffic, Transport
from blockd.metrics.upstreams import UpstreamTable
from blockd.names import key_from_text
from blockd.orders import Reason, Verdict
from blockd.resolver import SelfTestKey
from blockd.resolver.machine.loop_token import LoopToken
from blockd.ruleset import StatesMemory
from blockd.settings import Settings
from blockd.transports.binding import Sockets
from tests.ruleset.lists import NOW, compiled, feed, listing, order

PATIENCE = 10.0  # seconds after which a test that waits for a condition has failed


class Supervisor:
    """The other end of the channel."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def fileno(self) -> int:
        raise AssertionError("nobody waits for messages here")

    def receive(self) -> list[Message] | None:
        raise AssertionError("messages are handed over")

    def send(self, message: Message, descriptor: int | None = None, /) -> None:
        self.heard.append(message)


class Page:
    """A page process in `folder`, and versions that list one name each."""

    def __init__(self, folder: Path, version: int | None = None) -> None:
        self.state = StateDir(folder)
        self.counters = Counters(2)
        settings = Settings.model_validate({"workers": 2, "feeds": [], "upstreams": ["127.0.0.1:1"]})
        shared = SharedContext(
            settings, Sockets(), self.state, self.counters, Traffic(2, bytes(16)), UpstreamTable(2),
            SelfTestKey(bytes(16)), LoopToken.make(os.urandom),
        )  # fmt: skip
        self.supervisor = Supervisor()
        self.process = PageProcess(PageContext(shared, 2, version), self.supervisor)

    def make(self, version: int, name: str) -> None:
        """Have a version that lists `name`."""
        path = self.state.versions.ruleset(version)
        ruleset = compiled(path, feed("f", listing(order("o"), name)))
        self.state.take_states(version, StatesMemory.make([order("o")], [3], NOW))
        ruleset.close()

    def reason(self, name: str) -> Reason:
        """Return why the block page says of a name what it says."""
        return self.process.sinkhole.site().verdict_of(key_from_text(name), b"").reason


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what a thread opens sets no event
            await asyncio.sleep(0)


def followed(page: Page, check: Callable[[], Awaitable[None]]) -> None:
    """Run a check while the page follows."""

    async def run() -> None:
        following = asyncio.create_task(page.process.follow())
        try:
            await check()
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following

    asyncio.run(run())


def test_it_follows_the_workers_from_the_version_that_it_started_with(tmp_path: Path) -> None:
    page = Page(tmp_path)
    assert page.reason("a.example") is Reason.NOT_READY
    page.make(1, "a.example")
    page.make(2, "b.example")

    async def check() -> None:
        page.process.want(1)
        await until(lambda: page.process.enforces(1))
        assert (page.reason("a.example"), page.reason("b.example")) == (Reason.LISTED, Reason.NOT_LISTED)
        page.process.want(2)
        await until(lambda: page.process.enforces(2))
        assert (page.reason("a.example"), page.reason("b.example")) == (Reason.NOT_LISTED, Reason.LISTED)

    followed(page, check)
    assert page.supervisor.heard == [{"enforcing": 1}, {"enforcing": 2}]


def test_a_version_that_is_asked_for_again_is_opened_again(tmp_path: Path) -> None:
    page = Page(tmp_path)
    page.make(1, "a.example")

    async def check() -> None:
        page.process.want(1)
        await until(lambda: page.process.enforces(1))
        before = page.process.enforced
        page.process.want(1)
        await until(lambda: page.process.enforced is not before)
        assert page.reason("a.example") is Reason.LISTED

    followed(page, check)
    assert page.supervisor.heard == [{"enforcing": 1}, {"enforcing": 1}]


def test_of_several_versions_that_are_asked_for_at_once_the_newest_is_enforced(tmp_path: Path) -> None:
    page = Page(tmp_path)
    page.make(4, "d.example")

    async def check() -> None:
        for version in (2, 3, 4):  # the first two were taken back, and are gone
            page.process.want(version)
        await until(lambda: page.process.enforces(4))

    followed(page, check)
    assert page.supervisor.heard == [{"enforcing": 4}]


def test_what_cannot_be_opened_leaves_the_page_as_it_is_is_told_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following, "RETRY", 0.0)
    page = Page(tmp_path)
    page.make(1, "a.example")
    tries: list[int] = []
    opening = page.state.open

    def counted(version: int, *more: object) -> object:
        tries.append(version)
        return opening(version, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(page.state, "open", counted)

    async def check() -> None:
        page.process.want(1)
        await until(lambda: page.process.enforces(1))
        page.process.want(2)
        await until(lambda: tries.count(2) > 3)
        assert page.reason("a.example") is Reason.LISTED
        page.make(2, "b.example")
        await until(lambda: page.process.enforces(2))

    followed(page, check)
    told = [message for message in page.supervisor.heard if "failed" in message]
    assert [message["failed"] for message in told] == [2]
    assert [message.get("enforcing") for message in page.supervisor.heard] == [1, None, 2]
    assert caplog.text.count("goes on without version 2") == 1


def test_visits_are_counted_in_a_row_of_its_own(tmp_path: Path) -> None:
    page = Page(tmp_path)
    page.make(1, "a.example")
    page.process.swap(page.state.open(1))
    site = page.process.sinkhole.site()
    verdict = site.verdict_of(key_from_text("a.example"), b"")
    for protocol in ("http", "tls", "tls"):
        site.arrived(protocol)
        site.count(verdict, protocol)
    queries = page.counters.queries()
    assert (queries[Transport.HTTP], queries[Transport.TLS], page.counters.hits(3)) == (1, 2, [0, 1, 2])
    assert page.counters.row(2).numbers[Transport.TLS] == 2


def test_workers_are_asked_for_clients_only(tmp_path: Path) -> None:
    page = Page(tmp_path)
    key = key_from_text("a.example")
    asked: list[bytes] = []

    async def where_it_leads(key: bytes, _client: bytes) -> Verdict | None:
        asked.append(key)
        return None

    async def check() -> None:
        page.process.sinkhole._leads = where_it_leads
        site = page.process.sinkhole.site()
        assert site.where_it_leads is not None
        for stranger in (bytes((192, 0, 2, 1)), b""):
            assert await site.where_it_leads(key, stranger) is None
        assert not asked
        await site.where_it_leads(key, bytes((127, 0, 0, 1)))

    asyncio.run(check())
    assert asked == [key]
