"""The newest entries of a cache as octets in a file, for the process that takes the place of this one.

An entry is the upstream's message as it was kept, with the question and when it came. Who reads it takes it as a
message of an upstream, by the same reading and the same bounds: nothing in the file is trusted but the clock, which
both share. No decision of policy is in it, and no client. What is damaged is refused whole, by a digest.

The file is HEAD, then the entries, the one that was used last first, each with its ENTRY before the key of its name,
the upstream as sentences name it, the EDE options and the records.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from blockd.files import write_at
from blockd.resolver.cache import Cached, CacheKey

MAGIC = b"blkdhand"
VERSION = 1
HEAD = struct.Struct("<8sIIQ32s")  # MAGIC, VERSION, entries, octets of them, their SHA-256
# Octets behind these 4; type; DO 1, CD 2, AD 4; rcode; sizes of key and upstream; counts; sizes of the rest; when it
# came, in seconds of the monotonic clock.
ENTRY = struct.Struct("<IHBBBBHHHIId")
DO, CD, AD = 1, 2, 4
SLICE = 0.0005  # seconds of one turn of the event loop: what comes meanwhile waits for no longer than a millisecond
TIME = 5.0  # seconds after which no more is written: a change of the config waits for it
GATHERED = 1 << 16  # octets that are written or digested at once


class NewestFirst(Protocol):
    """A cache, see `blockd.resolver.cache.Cache`."""

    def newest(self) -> Iterator[list[tuple[CacheKey, Cached]]]:
        """Yield its entries, the one that was used last first, a few at a time; it may change in between."""


class Slices:
    """Gives the event loop its turn whenever SLICE seconds have passed; `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = clock() + SLICE

    async def rest(self) -> None:
        """Let others work if it is time."""
        if self._clock() >= self._ends:
            await asyncio.sleep(0)
            self._ends = self._clock() + SLICE


async def write_image(
    cache: NewestFirst, descriptor: int, limit: int, clock: Callable[[], float] = time.monotonic
) -> int:
    """Write the newest entries to an empty file, at most so many octets, in TIME seconds; return how many they are.

    Raises OSError.
    """
    slices, digest = Slices(clock), hashlib.sha256()
    ends = clock() + TIME
    os.pwrite(descriptor, bytes(HEAD.size), 0)
    size = entries = 0
    gathered = bytearray()

    def flush() -> None:
        nonlocal size
        write_at(descriptor, gathered, HEAD.size + size)
        digest.update(gathered)
        size += len(gathered)
        gathered.clear()

    is_full = False
    for part in cache.newest():
        for key, entry in part:
            octets = _packed(key, entry)
            if HEAD.size + size + len(gathered) + len(octets) > limit:
                is_full = True
                break
            gathered += octets
            entries += 1
        if len(gathered) >= GATHERED:
            flush()
        if is_full or clock() >= ends:
            break
        await slices.rest()
    flush()
    os.pwrite(descriptor, HEAD.pack(MAGIC, VERSION, entries, size, digest.digest()), 0)
    return entries


def _packed(key: CacheKey, entry: Cached) -> bytes:
    name, qtype, do, cd = key
    response = entry.response
    flags = DO * do | CD * cd | AD * response.authentic
    source = response.source.encode()[:255]
    parts = name, source, response.errors, response.records
    return b"".join(
        (
            ENTRY.pack(
                ENTRY.size - 4 + sum(map(len, parts)), qtype, flags, response.rcode, len(name), len(source),
                *response.counts, len(response.errors), len(response.records), entry.stored,
            ),
            *parts,
        )
    )  # fmt: skip
