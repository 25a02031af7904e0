"""Waiting for what happens: servers and listeners tell, and tests wait until something is so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import uvloop

from blockd.resolver.streams import FailureKind, Stream

PATIENCE = 60.0  # seconds before a test fails
LOOK = 0.01  # seconds after which a condition is looked at again, though nothing was noted
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


class Happenings:
    """Notes that something happened, for those who wait."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def note(self) -> None:
        """Let those who wait look again."""
        self._event.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Return once a condition is so; raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                self._event.clear()
                with contextlib.suppress(TimeoutError):  # what a stream does within is not noted
                    await asyncio.wait_for(self._event.wait(), LOOK)


class Heard:
    """A listener that keeps what it is told."""

    def __init__(self, happenings: Happenings) -> None:
        self._happenings = happenings
        self.answers: list[bytes] = []
        self.failures: list[tuple[int, FailureKind, str]] = []

    def answered(self, _stream: Stream, message: bytes) -> None:
        self.answers.append(message)
        self._happenings.note()

    def failed(self, _stream: Stream, ids: Sequence[int], kind: FailureKind, why: str) -> None:
        self.failures += [(identifier, kind, why) for identifier in ids]
        self._happenings.note()

    @property
    def ids(self) -> list[int]:
        """The IDs of the answers."""
        return [int.from_bytes(answer[:2]) for answer in self.answers]

    async def count(self, number: int) -> None:
        """Wait for a number of answers and failures together."""
        await self._happenings.until(lambda: len(self.answers) + len(self.failures) >= number)


def run(loop: str, body: Callable[[], Coroutine[Any, Any, None]] | Callable[[], Awaitable[None]]) -> None:
    """Run a test within an event loop of a kind."""

    async def whole() -> None:
        failures: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(str(context)))
        await body()
        assert failures == []

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(whole())
