"""Counters in memory that is shared by the supervisor's children: one row of 64-bit numbers per process.

Only the process that has a row writes it, so that no lock is needed; the collector adds the rows up. A row survives its
process, and another one continues it. No row ever holds anything about a client.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import IntEnum
from sys import byteorder

from blockd.metrics.recent import CELL, RECENT_CELLS, note_block
from blockd.metrics.shared_rows import SharedRows

RCODES = 25  # 0 to 23, which DNS uses (RFC 6895 section 2.3), and one for all others
# Seconds: from a cache on the same machine to a resolver that has given up.
UPSTREAM_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
MAX_HIT_SLOTS = 16_384  # slot 0 is shared by the orders that have none of their own
HIT_KINDS = ("dns", "http", "tls")
OTHERS = ("page", "decide")  # the processes beside the workers that have a row
LOCAL_KINDS = ("own", "default", "canary", "discovery")  # where an answer came from that no upstream was asked for
LIMITED_KINDS = ("response", "error", "stranger")  # what the rate limit counts
LIMITED_DONE = ("dropped", "truncated", "badcookie")  # what it does with an answer


class Transport(IntEnum):
    """Where a question came in; the value is its place among the counters."""

    UDP = 0
    TCP = 1
    DOT = 2
    DOH = 3
    HTTP = 4  # a request at the sinkhole, or of an HTTP proxy for a decision
    TLS = 5  # a handshake at the sinkhole
    PUBLIC = 6  # a request at the page about orders


class Closing(IntEnum):
    """Why a connection was closed for the sake of others; the value is its place among the counters."""

    ADDRESS = 0  # it was the longest idle one of an address that has all that it may have
    PREFIX = 1  # the same of a prefix
    # The same of all. Or the first of whoever has the most, if too many wait in line to be served, or have not
    # completed their TLS handshake.
    ALL = 2
    STRANGER = 3  # at once, as it came from outside of `clients.allow`
    DESCRIPTORS = 4  # at once, for want of a descriptor
    PACE = 5  # at once, as its address or prefix has opened as many within the second as it may


class StreamEvent(IntEnum):
    """What happened on a connection, by transport; the value is its place among the counters."""

    CONNECTION = 0  # it was accepted, and admitted
    HANDSHAKE = 1  # of TLS, completed
    HANDSHAKE_FAILED = 2  # of TLS: given up by either side, or not completed in time
    RESUMED = 3  # a completed handshake that resumed a session
    STREAM = 4  # a request of HTTP
    RESET = 5  # a stream of HTTP/2 that the client has reset
    FLOOD = 6  # it was closed for what no client that means well sends
    PROXY_REFUSED = 7  # a PROXY protocol header that was missing, wrong, or from one who must not send it


_ANSWERS = len(Transport)
_CACHE_HITS = _ANSWERS + RCODES
_CACHE_MISSES = _CACHE_HITS + 1
_CACHE_STALE = _CACHE_MISSES + 1
_CACHE_REFRESHES = _CACHE_STALE + 1
_CACHE_FLUSHED = _CACHE_REFRESHES + 1
_BLOCKED = _CACHE_FLUSHED + 1
_UPSTREAM = _BLOCKED + 1
_UPSTREAM_MICROSECONDS = _UPSTREAM + len(UPSTREAM_BUCKETS) + 1
_HITS = _UPSTREAM_MICROSECONDS + 1
_LOCAL = _HITS + MAX_HIT_SLOTS * len(HIT_KINDS)
_LIMITED = _LOCAL + len(LOCAL_KINDS)
_CACHE_ENTRIES = _LIMITED + len(LIMITED_KINDS) * len(LIMITED_DONE)  # these two are not counters: they also fall
_CACHE_OCTETS = _CACHE_ENTRIES + 1
_CLOSED = _CACHE_OCTETS + 1
_EVENTS = _CLOSED + len(Transport) * len(Closing)
_RECENT = _EVENTS + len(Transport) * len(StreamEvent)
_ROW = _RECENT + RECENT_CELLS * CELL


class Row:
    """One process's counters."""

    def __init__(self, numbers: memoryview) -> None:
        self._numbers = numbers

    @property
    def numbers(self) -> memoryview:
        """The counters themselves, for the engine in C, which counts as the methods here do."""
        return self._numbers

    def query(self, transport: Transport) -> None:
        """Count a question or request that came in."""
        self._numbers[transport] += 1

    def answer(self, rcode: int) -> None:
        """Count an answer that went out."""
        self._numbers[_ANSWERS + min(rcode, RCODES - 1)] += 1

    def cache_hit(self) -> None:
        """Count an answer that came from the cache."""
        self._numbers[_CACHE_HITS] += 1

    def cache_miss(self) -> None:
        """Count a question that the cache had no answer to."""
        self._numbers[_CACHE_MISSES] += 1

    def cache_stale(self) -> None:
        """Count an answer from an entry of the cache that had expired."""
        self._numbers[_CACHE_STALE] += 1

    def cache_refresh(self) -> None:
        """Count a question to upstreams for an entry that has not expired yet."""
        self._numbers[_CACHE_REFRESHES] += 1

    def cache_flushed(self, entries: int) -> None:
        """Count entries that were removed on request."""
        self._numbers[_CACHE_FLUSHED] += entries

    def blocked(
        self, second: int, version: int, order: int, action: int, transport: Transport, key: bytes | None
    ) -> None:
        """Count a question that an order stops, and note it among the recent blocks as `note_block` does."""
        self._numbers[_BLOCKED] += 1
        self.note_block(second, version, order, action, transport, key)

    def note_block(
        self, second: int, version: int, order: int, action: int, transport: Transport, key: bytes | None
    ) -> None:
        """Note a hit among the recent blocks, see `blockd.metrics.recent`; `key` is the entry's, None if untold."""
        note_block(self._numbers[_RECENT:], second, version, order, action, transport, key)

    def local(self, kind: int) -> None:
        """Count an answer from a local zone; `kind` is a place in LOCAL_KINDS."""
        self._numbers[_LOCAL + kind] += 1

    def limited(self, kind: int, done: int) -> None:
        """Count an answer that the rate limit withheld; the numbers are places in LIMITED_KINDS and LIMITED_DONE."""
        self._numbers[_LIMITED + kind * len(LIMITED_DONE) + done] += 1

    def cache_grown(self, entries: int, octets: int) -> None:
        """Note by how much a cache has grown; both are below 0 if it has shrunk."""
        self._numbers[_CACHE_ENTRIES] += entries
        self._numbers[_CACHE_OCTETS] += octets

    def cache_emptied(self) -> None:
        """Note that the process has no cache yet: the row may be that of one that had."""
        self._numbers[_CACHE_ENTRIES] = self._numbers[_CACHE_OCTETS] = 0

    def connection_closed(self, transport: Transport, why: Closing) -> None:
        """Count a connection that was closed for the sake of others."""
        self._numbers[_CLOSED + transport * len(Closing) + why] += 1

    def happened(self, transport: Transport, event: StreamEvent, times: int = 1) -> None:
        """Count what happened on a connection, or to a datagram for PROXY_REFUSED."""
        self._numbers[_EVENTS + transport * len(StreamEvent) + event] += times

    def upstream(self, seconds: float) -> None:
        """Count an exchange with an upstream and how long it took."""
        self._numbers[_UPSTREAM + bisect_left(UPSTREAM_BUCKETS, seconds)] += 1
        self._numbers[_UPSTREAM_MICROSECONDS] += int(seconds * 1_000_000)

    def hit(self, slot: int, kind: int = 0) -> None:
        """Count a hit of the order that has `slot`; `kind` is a place in HIT_KINDS."""
        self._numbers[_HITS + (slot if slot < MAX_HIT_SLOTS else 0) * len(HIT_KINDS) + kind] += 1


class Counters:
    """All rows: at first one for each of so many workers, and one for each of OTHERS."""

    def __init__(self, workers: int) -> None:
        self._rows = SharedRows(_ROW, "Q", workers + len(OTHERS))

    def grow(self, rows: int) -> None:
        """Have at least so many rows; only processes that are forked later see the new ones."""
        self._rows.grow(rows)

    def row(self, number: int) -> Row:
        """Return a row, which one process writes at a time."""
        return Row(self._rows[number])

    def queries(self) -> list[int]:
        """Return the questions by transport."""
        return self._sums(0, len(Transport))

    def answers(self) -> list[int]:
        """Return the answers by rcode, the last for all rcodes over 23."""
        return self._sums(_ANSWERS, RCODES)

    def cache_hits(self) -> int:
        """Return the number of answers from the cache."""
        return self._sums(_CACHE_HITS, 1)[0]

    def cache_misses(self) -> int:
        """Return the number of questions that the cache had no answer to."""
        return self._sums(_CACHE_MISSES, 1)[0]

    def cache_stale(self) -> int:
        """Return the number of answers from entries that had expired."""
        return self._sums(_CACHE_STALE, 1)[0]

    def cache_refreshes(self) -> int:
        """Return the number of questions to upstreams for entries that had not expired yet."""
        return self._sums(_CACHE_REFRESHES, 1)[0]

    def cache_flushed(self) -> int:
        """Return the number of entries that were removed on request."""
        return self._sums(_CACHE_FLUSHED, 1)[0]

    def blocked(self) -> int:
        """Return the number of questions that an order has stopped."""
        return self._sums(_BLOCKED, 1)[0]

    def recent(self) -> list[memoryview]:
        """Return the table of recent blocks of every process, see `blockd.metrics.recent`."""
        return [row[_RECENT:] for row in self._rows]

    def local(self) -> list[int]:
        """Return the answers from local zones by LOCAL_KINDS."""
        return self._sums(_LOCAL, len(LOCAL_KINDS))

    def limited(self) -> list[list[int]]:
        """Return the answers that the rate limit withheld, by LIMITED_KINDS and for each of them by LIMITED_DONE."""
        width = len(LIMITED_DONE)
        return [self._sums(_LIMITED + place * width, width) for place in range(len(LIMITED_KINDS))]

    def cache_size(self) -> tuple[int, int]:
        """Return the responses in all caches, and the octets that they take."""
        entries, octets = self._sums(_CACHE_ENTRIES, 2)
        return entries, octets

    def upstream(self) -> tuple[list[int], float]:
        """Return the exchanges by bucket of UPSTREAM_BUCKETS, the last for all longer ones; and their total seconds."""
        return self._sums(_UPSTREAM, len(UPSTREAM_BUCKETS) + 1), self._sums(_UPSTREAM_MICROSECONDS, 1)[0] / 1_000_000

    def connections_closed(self, transport: Transport) -> list[int]:
        """Return the connections of a transport that were closed for the sake of others, by `Closing`."""
        return self._sums(_CLOSED + transport * len(Closing), len(Closing))

    def stream_events(self, transport: Transport) -> list[int]:
        """Return what happened on connections of a transport, by `StreamEvent`."""
        return self._sums(_EVENTS + transport * len(StreamEvent), len(StreamEvent))

    def hits(self, slot: int) -> list[int]:
        """Return the hits of one order's slot by kind."""
        return self._sums(_HITS + (slot if slot < MAX_HIT_SLOTS else 0) * len(HIT_KINDS), len(HIT_KINDS))

    def all_hits(self) -> list[int]:
        """Return the hits of every slot, of all kinds together.

        The rows are added up as large numbers: that takes far less time than number by number.
        """
        size = (_LOCAL - _HITS) * 8
        added = sum(int.from_bytes(row[_HITS:_LOCAL], byteorder) for row in self._rows)
        numbers = memoryview((added & ((1 << size * 8) - 1)).to_bytes(size, byteorder)).cast("Q")
        kinds = (numbers[kind :: len(HIT_KINDS)].tolist() for kind in range(len(HIT_KINDS)))
        return list(map(sum, zip(*kinds, strict=True)))

    def clear_hits(self, slot: int) -> None:
        """Set a slot's hits to zero in every row; no process may be counting there."""
        for row in self._rows:
            for kind in range(len(HIT_KINDS)):
                row[_HITS + slot * len(HIT_KINDS) + kind] = 0

    def _sums(self, start: int, count: int) -> list[int]:
        return [sum(row[start + i] for row in self._rows) for i in range(count)]
