from __future__ import annotations

import asyncio
import itertools

import pytest

from blockd.resolver import waiting
from blockd.resolver.clients import keys_of
from blockd.resolver.waiting import Key, Waiting


def test_a_client_and_its_network_may_have_as_many_as_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITING", 12)

    async def main() -> None:
        room, ended = Waiting(), asyncio.Event()
        delivered: list[bytes | None] = []
        tasks: list[asyncio.Task[None]] = []

        async def answering() -> bytes:
            await ended.wait()
            return b"answer"

        def fill(host: str) -> int:
            keys = keys_of(host)
            for count in itertools.count():
                if not room.has_room(keys):
                    return count
                tasks.append(room.add(answering(), delivered.append, keys))
            raise AssertionError

        assert fill("192.0.2.1") == 6, "half of all"
        assert fill("192.0.2.2") == 0, "its network has as many as are free"
        assert fill("198.51.100.1") == 3
        assert fill("2001:db8::1") == 2, "there is room for newcomers"
        assert fill("2001:db8::2") == 0, "the same host, by its /64"
        assert fill("203.0.113.1") == 1
        assert not room.has_room(), "it is full"
        ended.set()
        await asyncio.gather(*tasks)
        assert len(room) == 0
        assert delivered == [b"answer"] * 12
        assert room._counts == {}, "nothing is kept of a client"
        assert fill("192.0.2.2") == 6

    asyncio.run(main())


def test_a_domain_may_have_as_many_as_are_free_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MAX_WAITING", 12)

    async def main() -> None:
        room, ended = Waiting(), asyncio.Event()

        async def answering() -> None:
            await ended.wait()

        def enter(number: int, domain: bytes) -> bool:
            keys: list[Key] = [("domain", domain), *keys_of(f"192.0.{number}.1")]
            if has_room := room.has_room(keys):
                tasks.append(room.add(answering(), lambda _: None, keys))
            return has_room

        tasks: list[asyncio.Task[None]] = []
        assert [enter(number, b"silent") for number in range(20)].count(True) == 6, "half, of any number of networks"
        assert enter(20, b"other")
        assert not enter(21, b"silent")
        ended.set()
        await asyncio.gather(*tasks)
        assert room._counts == {}

    asyncio.run(main())
