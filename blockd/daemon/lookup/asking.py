"""Asking a worker, as its clients do, what it answers for a name; and what upstreams say before policy."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Collection, Sequence
from typing import Protocol

from blockd.dns import types
from blockd.resolver import SelfTestKey
from blockd.settings import SocketAddress

SECONDS = 6.0  # for the answers to one round of questions: four tries at silent upstreams take about half of it


class NoAnswer(Exception):
    """No worker can be asked; the text says why."""


class Asker(Protocol):
    """Asks a worker; see `WorkerAsker`."""

    async def ask(self, key: bytes, qtypes: Collection[int], *, unjudged: bool) -> dict[int, bytes]:
        """Return a worker's answers for the name with `key`, by their types; raises NoAnswer."""


class WorkerAsker:
    """Asks any of the workers that listen on `addresses`, over TCP, where no answer is cut."""

    def __init__(self, addresses: Sequence[SocketAddress], selftest_key: SelfTestKey, seconds: float = SECONDS) -> None:
        self._addresses = addresses
        self._key = selftest_key
        self._seconds = seconds

    async def ask(self, key: bytes, qtypes: Collection[int], *, unjudged: bool) -> dict[int, bytes]:
        """Return a worker's answers for the name with `key`, by their types; raises NoAnswer.

        With `unjudged` they are the upstreams' answers before policy. What has no answer in time is missing.
        """
        answers: dict[int, bytes] = {}
        deadline = asyncio.get_running_loop().time() + self._seconds
        reader, writer = await self._connect(deadline)
        try:
            async with asyncio.timeout_at(deadline):
                for qtype in qtypes:
                    packet = self._key.lookup_question(key, qtype, unjudged=unjudged)
                    packet = qtype.to_bytes(2) + packet[2:]  # its ID, by which its answer is known
                    writer.write(len(packet).to_bytes(2) + packet)
                await writer.drain()
                while len(answers) < len(qtypes):
                    message = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
                    if len(message) >= types.HEADER_SIZE and (qtype := int.from_bytes(message[:2])) in qtypes:
                        answers[qtype] = message
        except TimeoutError:
            return answers
        except (OSError, asyncio.IncompleteReadError) as error:
            raise NoAnswer("the worker that was asked ended the connection") from error
        finally:
            writer.close()
        return answers

    async def _connect(self, deadline: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for address in self._addresses:
            host = ipaddress.ip_address(address.host)
            loopback = "127.0.0.1" if host.version == 4 else "::1"
            with contextlib.suppress(OSError):  # also the end of the time
                async with asyncio.timeout_at(deadline):
                    place = loopback if host.is_unspecified else address.host
                    return await asyncio.open_connection(place, address.port)
        raise NoAnswer("no worker takes questions over TCP")
