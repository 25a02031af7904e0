"""Server-sent events: bounded, in order, and resumed where that is possible."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from blockd.web.admin import admin_app
from blockd.web.admin_serving import serve_admin
from blockd.web.api import events as bounds
from blockd.web.api.events import Events, TooManyListeners
from blockd.web.api.routes import live
from blockd.web.callers.recognition import Callers
from tests.web.known import SECRET, Tokens, known
from tests.web.test_admin import Daemon

PATIENCE = 30.0  # seconds after which a test that waits has failed
Open = Callable[..., Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def kinds(events: Events, last: str) -> list[str]:
    listener = events.listen(b"", last)
    events.leave(listener)
    return [event.kind for event in listener.take()]


def test_who_comes_back_gets_what_it_missed() -> None:
    events = Events()
    listener = events.listen(b"")
    events.publish("series", {"time": 1})
    events.publish("blocks", {"text": "two\nlines"})
    first, second = listener.take()
    assert (first.kind, first.data, "\n" in second.data) == ("series", '{"time": 1}', False)
    assert kinds(events, events.id_of(first)) == ["blocks"]
    assert kinds(events, events.id_of(second)) == []
    assert kinds(events, "") == [], "who is new asks for all in any case"


@pytest.mark.parametrize(
    "last", ["other-1", "1", "{run}-3", "{run}--1", "{run}-", "{run}-" + "9" * 5000, "{run}-\u0661"]
)
def test_who_had_an_event_that_is_not_known_is_told_to_ask_for_all(last: str) -> None:
    events = Events()
    events.publish("series", {})
    events.publish("series", {})
    assert kinds(events, last.replace("{run}", events.run)) == ["reset"]


def test_what_was_forgotten_is_not_resumed() -> None:
    events = Events()
    for _ in range(bounds.REMEMBERED + 2):
        events.publish("series", {})
    assert kinds(events, f"{events.run}-1") == ["reset"]
    assert len(kinds(events, f"{events.run}-2")) == bounds.REMEMBERED


def test_a_new_page_takes_the_place_of_the_oldest_one_of_its_caller() -> None:
    events = Events()
    other = events.listen(b"other")
    pages = [events.listen(b"one") for _ in range(bounds.MAX_OF_CALLER)]
    newest = events.listen(b"one")
    assert [page.is_lost for page in (*pages, newest, other)] == [True, *[False] * (bounds.MAX_OF_CALLER + 1)]
    assert events.listening == bounds.MAX_OF_CALLER + 1


def test_a_page_that_was_let_go_for_a_newer_one_does_not_end_another_of_its_caller() -> None:
    events = Events()
    pages = [events.listen(b"one") for _ in range(bounds.MAX_OF_CALLER + 1)]
    events.publish("series", {})
    with pytest.raises(TooManyListeners):
        events.listen(b"one", f"{events.run}-1")
    assert [page.is_lost for page in pages] == [True, *[False] * bounds.MAX_OF_CALLER]
    events.leave(pages[1])
    events.listen(b"one", f"{events.run}-1")


def test_two_callers_that_have_all_places_leave_one_to_every_other() -> None:
    events = Events()
    for number in range(bounds.MAX_LISTENERS):
        events.listen(b"one" if number % 2 else b"two")
    others = [events.listen(bytes([number])) for number in range(bounds.MAX_LISTENERS - 2)]
    assert events.listening == bounds.MAX_LISTENERS
    kept = [events.listen(b"one"), events.listen(b"two")]  # each in place of its own one
    assert not any(one.is_lost for one in (*others, *kept))
    with pytest.raises(TooManyListeners):  # all have one
        events.listen(b"new")
    events.leave(others[0])
    assert not events.listen(b"new").is_lost


def test_who_comes_back_finds_a_place_where_another_caller_has_more() -> None:
    events = Events()
    several = [events.listen(b"one" if number % 2 else b"two") for number in range(bounds.MAX_LISTENERS)]
    events.publish("series", {})
    events.listen(b"new", f"{events.run}-1")
    assert sum(one.is_lost for one in several) == 1


@pytest.mark.parametrize("size", [1, 1000, bounds.MAX_EVENT - 16])
def test_what_waits_for_those_who_do_not_read_is_bounded_in_octets(size: int) -> None:
    events = Events()
    listener = events.listen(b"")
    last = None
    for _ in range(2 * bounds.MAX_WAITING_OCTETS // size if size > 1000 else 2 * bounds.MAX_WAITING):
        events.publish("blocks", {"text": "a" * size})
        if not listener.is_lost:
            last = f"{events.run}-{events._number}"
    assert listener.is_lost
    again = events.listen(b"", last or "")
    assert sum(len(event.data) for event in again.take()) <= bounds.MAX_WAITING_OCTETS


def test_a_listener_for_whom_too_much_waits_is_let_go() -> None:
    events = Events()
    listener = events.listen(b"")
    for _ in range(bounds.MAX_WAITING):
        events.publish("series", {})
    assert not listener.is_lost
    events.publish("series", {})
    assert (listener.is_lost, listener.take()) == (True, [])


def test_an_event_that_is_too_large_says_only_that_it_happened() -> None:
    events = Events()
    listener = events.listen(b"")
    events.publish("blocks", {"text": "a" * bounds.MAX_EVENT})
    assert [(event.kind, event.data) for event in listener.take()] == [("blocks", "{}")]


def served(daemon: Daemon, use: Callable[[Open], Awaitable[None]], callers: Callers | None = None) -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as bound:
            port = bound.getsockname()[1]
            serving = await serve_admin(admin_app(daemon, callers or known()), [bound])
            opened = []

            async def connect(*headers: str, method: str = "GET") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
                opened.append(writer)
                head = [
                    f"{method} /api/v1/events HTTP/1.1",
                    "Host: localhost",
                    f"Authorization: Bearer {SECRET}",
                    *headers,
                ]
                writer.write("\r\n".join([*head, "", ""]).encode())
                return reader, writer

            try:
                await asyncio.wait_for(use(connect), PATIENCE)
            finally:
                daemon.events.close()
                for writer in opened:
                    writer.close()
                await serving.close()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing sets an event
        await asyncio.sleep(0.001)


def test_events_come_as_they_happen() -> None:
    daemon = Daemon()

    async def use(connect: Open) -> None:
        reader, _ = await connect()
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"Content-Type: text/event-stream\r\n" in head
        await reader.readuntil(b"retry: 2000\n\n")
        daemon.events.publish("series", {"time": 7})
        told = await reader.readuntil(b"\n\n")
        assert told.endswith(b'id: %b-1\nevent: series\ndata: {"time": 7}\n\n' % daemon.events.run.encode())
        again, _ = await connect(f"Last-Event-ID: {daemon.events.run}-0")
        assert b"event: series" in await again.readuntil(b"data:")

    served(daemon, use)


def test_who_has_gone_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.02)
    daemon = Daemon()

    async def use(connect: Open) -> None:
        reader, writer = await connect()
        await reader.readuntil(b"\n:\n\n")
        assert daemon.events.listening == 1
        writer.transport.abort()
        await until(lambda: daemon.events.listening == 0)

    served(daemon, use)


def test_who_reads_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.1)
    daemon = Daemon()

    async def use(connect: Open) -> None:
        _, writer = await connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await until(lambda: daemon.events.listening == 1)
        while daemon.events.listening:
            daemon.events.publish("blocks", {"text": "a" * (bounds.MAX_EVENT - 100)})
            await asyncio.sleep(0.001)

    served(daemon, use)


def test_a_stream_ends_with_the_token_that_it_was_asked_for_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK", 0.01)
    daemon, callers = Daemon(), known()

    async def use(connect: Open) -> None:
        reader, _ = await connect("Connection: close")
        await reader.readuntil(b"retry: 2000\n\n")
        daemon.events.publish("series", {"time": 1})
        await reader.readuntil(b"\n\n")
        assert isinstance(callers.tokens, Tokens)
        callers.tokens.kept = ()
        assert (await reader.read()).endswith(b"0\r\n\r\n")

    served(daemon, use, callers)


def test_a_stream_ends_in_order_before_its_connection_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LONGEST", 0.05)
    daemon = Daemon()

    async def use(connect: Open) -> None:
        reader, _ = await connect("Connection: close")
        assert (await reader.read()).endswith(b"0\r\n\r\n")
        assert daemon.events.listening == 0

    served(daemon, use)


def test_who_finds_no_place_is_told_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_LISTENERS", 0)

    async def use(connect: Open) -> None:
        reader, _ = await connect("Connection: close")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 30\r\n" in answer
        reader, _ = await connect("Connection: close", method="HEAD")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")

    served(Daemon(), use)
