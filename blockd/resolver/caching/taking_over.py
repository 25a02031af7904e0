"""Reading what the process before has written of its cache, see `blockd.resolver.caching.image`."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from blockd.dns import types
from blockd.errors import BadMessage, BlockdError
from blockd.names.domain import MAX_KEY, MAX_LABEL
from blockd.resolver.cache import Cached, CacheKey, question_of
from blockd.resolver.caching.image import AD, CD, DO, ENTRY, GATHERED, HEAD, MAGIC, VERSION, Slices
from blockd.resolver.response import Response, parse

TIME = 3.0  # seconds for all of it: a process that takes another's place serves by then, with what it has


class DamagedImageError(BlockdError):
    """What was handed over is not what was written, or not of this version."""


class FillableCache(Protocol):
    """A cache to be filled."""

    def remove(self, key: CacheKey, /) -> bool:
        """Remove an entry."""

    def peek(self, key: CacheKey, /) -> Cached | None:
        """Return an entry."""


@dataclass(frozen=True, slots=True)
class Filling:
    """How a cache is filled: `put` keeps a response that came at a moment, `stale` seconds longer than it lives.

    `parse` reads an upstream's message, given the size of its question and DO; it raises BadMessage. `is_left_out`
    returns whether what is known of a name, given its key, is no longer true.
    """

    cache: FillableCache
    put: Callable[[CacheKey, Response, float], object]
    parse: Callable[[bytes, int, bool], Response]
    stale: float
    is_left_out: Callable[[bytes], bool]


def parsed(message: bytes, question_size: int, do: bool) -> Response:
    """Read a message in Python, for `Filling`."""
    return parse(message, question_size, do=do)


async def take_over(octets: memoryview, filling: Filling, clock: Callable[[], float] = time.monotonic) -> int:
    """Fill a cache with what was handed over; return how many entries were taken.

    Of a question that is there already the answer that came last is kept. Raises DamagedImageError; then nothing of it
    is in the cache.
    """
    ends = clock() + TIME
    slices = Slices(clock)
    body = await _checked(octets, slices)
    taken: list[CacheKey] = []
    try:
        for key, message, size, stored, source in _entries(body):
            now = clock()
            if not (math.isfinite(stored) and stored <= now):
                raise DamagedImageError("an entry comes from the future")
            if not filling.is_left_out(key[0]):
                response = replace(filling.parse(message, size, key[2]), source=source)
                if response.failed or response.truncated:
                    raise DamagedImageError("an entry is not an answer")
                known = filling.cache.peek(key)
                is_newer = known is None or known.stored < stored
                if is_newer and now < stored + response.lifetime + filling.stale:
                    filling.put(key, response, stored)
                    taken.append(key)
            if now >= ends:
                break
            await slices.rest()
    except (BadMessage, DamagedImageError) as error:
        for key in taken:
            filling.cache.remove(key)
        raise DamagedImageError(str(error)) from error
    return len(taken)


async def _checked(octets: memoryview, slices: Slices) -> memoryview:
    """Return the entries, if they are what was written."""
    if len(octets) < HEAD.size:
        raise DamagedImageError("it is shorter than its head")
    magic, version, _, size, expected = HEAD.unpack_from(octets)
    if magic != MAGIC or version != VERSION:
        raise DamagedImageError("it is not of this version")
    body = octets[HEAD.size :]
    if len(body) != size:
        raise DamagedImageError("it is shorter or longer than it says")
    digest = hashlib.sha256()
    for place in range(0, size, GATHERED):
        digest.update(body[place : place + GATHERED])
        await slices.rest()
    if digest.digest() != expected:
        raise DamagedImageError("its digest is another")
    return body


def _entries(body: memoryview) -> Iterator[tuple[CacheKey, bytes, int, float, str]]:
    """Yield each entry: its key, the message, the size of the question in it, when it came, and from whom."""
    place = 0
    while place < len(body):
        if len(body) - place < ENTRY.size:
            raise DamagedImageError("an entry is truncated")
        size, qtype, flags, rcode, name_size, source_size, an, ns, ar, errors_size, records_size, stored = (
            ENTRY.unpack_from(body, place)
        )
        start = place + ENTRY.size
        if size + 4 - ENTRY.size != name_size + source_size + errors_size + records_size or name_size > MAX_KEY:
            raise DamagedImageError("the sizes of an entry contradict each other")
        place += size + 4
        if place > len(body):
            raise DamagedImageError("an entry is truncated")
        name, source, errors, records = _cut(body, start, name_size, source_size, errors_size, records_size)
        if not _is_key(name):
            raise DamagedImageError("an entry's name is none")
        key: CacheKey = name, qtype, bool(flags & DO), bool(flags & CD)
        message, question_size = _message(key, rcode, bool(flags & AD), (an, ns, ar), errors, records)
        yield key, message, question_size, stored, source.decode("ascii", "replace")


def _cut(body: memoryview, place: int, *sizes: int) -> Iterator[bytes]:
    for size in sizes:
        yield bytes(body[place : place + size])
        place += size


def _is_key(key: bytes) -> bool:
    """Return whether octets are the key of a name: labels of 1 to 63 octets in lower case, the last one first."""
    place = 0
    while place < len(key):
        size = key[place]
        if not 0 < size <= MAX_LABEL or place + 1 + size > len(key):
            return False
        place += 1 + size
    return key == key.lower()


def _message(
    key: CacheKey, rcode: int, authentic: bool, counts: tuple[int, int, int], errors: bytes, records: bytes
) -> tuple[bytes, int]:
    """Return a message as the upstream's was, and the size of its question."""
    question = question_of(key)
    an, ns, ar = counts
    flags = types.QR | (types.AD if authentic else 0) | rcode & types.RCODE
    head = b"\0\0" + flags.to_bytes(2) + b"".join(n.to_bytes(2) for n in (1, an, ns, min(ar + bool(errors), 0xFFFF)))
    opt = b"\0\0\x29\4\xd0" + bytes(4) + len(errors).to_bytes(2) + errors if errors else b""
    return head + question + records + opt, len(question)
