"""The worker's side: what the control process asks about this worker's caches, one request after the other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import dns.rcode
import dns.rdatatype

from blockd.daemon.cache.record_text import record_texts
from blockd.daemon.channel import MAX_MESSAGE, Message
from blockd.names import DomainName
from blockd.resolver.cache import Cached, CacheKey, aged, question_of
from blockd.resolver.caching.inspection import CacheInspector, RememberedFailure
from blockd.resolver.caching.stale import stale_records
from blockd.times import time_text

ROOM = MAX_MESSAGE - 1024  # octets of an answer for what is found; the rest is for what stands around it
MAX_FAILURES = 16  # remembered failures of one name that are shown
MAX_FAILING = 100  # failures of all names that are shown: as many as people look through


class CacheDesk:
    """Answers the messages `{"cache": {…}}` of the control process by `send`.

    `clock` is monotonic and `wall_clock` counts from the epoch. No TTL that is shown is over `client_ttl` seconds.
    """

    def __init__(
        self,
        inspector: CacheInspector,
        send: Callable[[Message], None],
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
    ) -> None:
        self._inspector = inspector
        self._send = send
        self._clock = clock
        self._wall_clock = wall_clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()

    def take(self, asked: Message) -> None:
        """Begin to answer a request: `id`, `do` (`flush`, `show` or `failing`), `name` (its key in hex), `below`."""
        task = asyncio.create_task(self._answer(asked))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, asked: Message) -> None:
        name, below = bytes.fromhex(asked["name"]), bool(asked["below"])
        async with self._turn:
            if asked["do"] == "flush":
                flushed = await self._inspector.flush(name, below=below)
                told: Message = {"entries": flushed.entries, "failures": flushed.failures}
            elif asked["do"] == "failing":
                told = await self._failing()
            else:
                told = await self._shown(name)
        self._send({"cache": {"id": asked["id"], **told}})

    async def _shown(self, name: bytes) -> Message:
        """Return what is cached of a name, as much of it as one message has room for."""
        found = await self._inspector.cached(name)
        failures = [self._failure(failure) for failure in found.failures[:MAX_FAILURES]]
        shown: list[Message] = []
        room = ROOM - len(json.dumps(failures))
        for key, entry in found.entries:
            told = self._entry(key, entry)
            room -= len(json.dumps(told)) + 2
            if room < 0:
                break
            shown.append(told)
            await asyncio.sleep(0)
        return {"entries": shown, "failures": failures, "more": len(found.entries) - len(shown)}

    async def _failing(self) -> Message:
        """Return the questions of all names that failed and are not asked again yet, as many as there is room for."""
        found, more = await self._inspector.failing(MAX_FAILING)
        shown: list[Message] = []
        room = ROOM
        for failure in found:
            told = {"key": failure.key[0].hex(), **self._failure(failure)}
            room -= len(json.dumps(told)) + 2
            if room < 0:
                break
            shown.append(told)
        return {"failures": shown, "more": more + len(found) - len(shown)}

    def _entry(self, key: CacheKey, entry: Cached) -> Message:
        now, response = self._clock(), entry.response
        is_stale = now >= entry.expires
        most = max(int(entry.expires - now), 0)
        records = stale_records(entry, most) if is_stale else aged(entry, now, most)
        texts, more = record_texts(question_of(key), response.counts, records)
        return {
            **_question(key),
            "rcode": dns.rcode.to_text(dns.rcode.Rcode(response.rcode)),
            "state": "stale" if is_stale else "fresh",
            "negative": response.negative,
            "stored": self._time(entry.stored),
            "expires": self._time(entry.expires),
            "ttl": most,
            "uses": entry.uses,
            "upstream": response.source or None,
            "octets": entry.size,
            "records": texts,
            "more_records": more,
        }

    def _failure(self, failure: RememberedFailure) -> Message:
        return {**_question(failure.key), "why": failure.why[:200], "until": self._time(failure.until)}

    def _time(self, moment: float) -> str:
        """Return the time of a moment of the monotonic clock."""
        return time_text(self._wall_clock() + moment - self._clock())


def _question(key: CacheKey) -> Message:
    name, qtype, do, cd = key
    return {
        "name": DomainName(name).text,
        "type": dns.rdatatype.to_text(dns.rdatatype.RdataType.make(qtype)),
        "dnssec": do,
        "checking_disabled": cd,
    }
