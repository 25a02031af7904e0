"""The totals of all processes that rates are made of, and those of the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from blockd.metrics import Counters, StreamEvent, Transport

DNS = ("udp", "tcp", "dot", "doh")
STREAMS = (Transport.TCP, Transport.DOT, Transport.DOH)
KEPT = ("udp", "tcp", "dot", "doh", "http", "tls", "blocked", "cached", "missed", "failed")  # in the history
_EVENTS = (StreamEvent.CONNECTION, StreamEvent.HANDSHAKE, StreamEvent.HANDSHAKE_FAILED)
FIELDS = (
    *KEPT, "stale", "local", "upstream", "upstream_microseconds",
    *(f"{transport.name.lower()}_{event.name.lower()}" for transport in STREAMS for event in _EVENTS),
    *(f"{transport.name.lower()}_closed" for transport in STREAMS),
)  # fmt: skip
SERVFAIL = 2  # RFC 1035 section 4.1.1
MAX_GROWTH = 1 << 40  # at once; what is over it was written by a process that was broken into
WINDOW = 60.0  # seconds that rates of now are the mean of

Totals = tuple[int, ...]
"""A number for each of FIELDS, which only grows while one blockd runs."""


def totals_of(counters: Counters) -> Totals:
    """Return what all processes have counted since the start."""
    buckets, seconds = counters.upstream()
    return (
        *counters.queries()[: len(DNS) + 2],
        counters.blocked(),
        counters.cache_hits(),
        counters.cache_misses(),
        counters.answers()[SERVFAIL],
        counters.cache_stale(),
        sum(counters.local()),
        sum(buckets),
        int(seconds * 1_000_000),
        *(counters.stream_events(transport)[event] for transport in STREAMS for event in _EVENTS),
        *(sum(counters.connections_closed(transport)) for transport in STREAMS),
    )


def grown(before: Totals, now: Totals) -> Totals:
    """Return by how much each number has grown; one that is smaller than before has begun anew."""
    pairs = zip(before, now, strict=True)
    return tuple(min(new - old if new >= old else new, MAX_GROWTH) for old, new in pairs)


@dataclass(frozen=True, slots=True)
class Growth:
    """By how much each of FIELDS has grown in so many seconds."""

    seconds: float
    counts: Totals

    def count(self, name: str) -> int:
        """Return by how much a field has grown."""
        return self.counts[FIELDS.index(name)]

    def rate(self, *names: str) -> float:
        """Return the growth of some fields together, per second."""
        return sum(map(self.count, names)) / self.seconds if self.seconds > 0 else 0.0


class LastMinute:
    """The totals of the last minute, as `note` was given them."""

    def __init__(self) -> None:
        self._noted: deque[tuple[float, Totals]] = deque()

    def note(self, now: float, totals: Totals) -> None:
        """Add the totals at a moment of the monotonic clock; those that are too old are forgotten."""
        self._noted.append((now, totals))
        while len(self._noted) > 2 and self._noted[1][0] <= now - WINDOW:
            self._noted.popleft()

    def growth(self) -> Growth:
        """Return the growth over the last minute, or since the start if that is later."""
        return self._between(self._noted[0], self._noted[-1]) if self._noted else _NOTHING

    def newest(self) -> Growth:
        """Return the growth since the totals were noted before the last time."""
        return self._between(self._noted[-2], self._noted[-1]) if len(self._noted) > 1 else _NOTHING

    @staticmethod
    def _between(first: tuple[float, Totals], last: tuple[float, Totals]) -> Growth:
        return Growth(last[0] - first[0], grown(first[1], last[1]))


_NOTHING = Growth(0.0, (0,) * len(FIELDS))


def kept(counts: Totals) -> Iterator[int]:
    """Yield those of the counts that the history keeps, in the order of KEPT."""
    yield from counts[: len(KEPT)]
