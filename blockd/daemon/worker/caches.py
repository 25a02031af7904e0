"""A worker's cache is handed to its successor: written to sealed memory, passed on, and read before it serves."""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from blockd.daemon.channel import Message
from blockd.daemon.interchange import sealed
from blockd.daemon.worker.origins import Origins
from blockd.errors import cause_of
from blockd.resolver import Resolver
from blockd.resolver.caching.taking_over import DamagedImageError
from blockd.resolver.resolution import Resolution

PART = 8  # an eighth of the memory that is available is for what all workers hand over together
MOST = 1 << 40  # octets of one file that is mapped: more than any limit allows

_MEMORY = Path("/proc/meminfo")

log = logging.getLogger(__name__)


def room(workers: int, memory: Path = _MEMORY) -> int:
    """Return how many octets one of so many workers may hand over; 0 if the kernel does not tell what is available."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in memory.read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024 // PART // max(workers, 1)
    return 0


@dataclass(frozen=True, slots=True)
class HandedCaches:
    """What earlier workers have handed over, as descriptors, and from whom they knew it."""

    descriptors: tuple[int, ...]
    origins: Origins

    def close(self) -> None:
        """Close them."""
        for descriptor in self.descriptors:
            os.close(descriptor)


async def hand_over(resolver: Resolver, message: Message, send: Callable[[Message, int | None], None]) -> None:
    """Answer `{"hand_over": octets}` by `{"handed_over": entries}` with a descriptor of what is cached.

    There is none if that is impossible; the number is 0 then.
    """
    descriptor: int | None = None
    entries = 0
    try:
        descriptor = sealed.made("cache")
        entries = await resolver.hand_over(descriptor, int(message["hand_over"]))
        sealed.seal(descriptor)
        send({"handed_over": entries}, descriptor)
    except (OSError, MemoryError) as error:
        log.warning("What is cached cannot be handed to the next worker (%s); it begins with less.", error)
        send({"handed_over": 0}, None)
    finally:
        if descriptor is not None:
            os.close(descriptor)


async def take_over(resolver: Resolver, handed: HandedCaches, now: Resolution) -> int:
    """Keep what was handed over and is still true; return how many entries that is. What cannot be read is left."""
    taken = 0
    left_out = handed.origins.changed(Origins.of(now))
    for descriptor in handed.descriptors:
        try:
            taken += await _read(resolver, descriptor, left_out)
        except (OSError, ValueError, DamagedImageError) as error:
            log.warning("What a worker has handed over of its cache is left: %s.", cause_of(error))
    handed.close()
    return taken


async def _read(resolver: Resolver, descriptor: int, left_out: Callable[[bytes], bool]) -> int:
    if not sealed.is_sealed(descriptor):
        raise DamagedImageError("it could still be changed")
    size = os.fstat(descriptor).st_size
    if not 0 < size <= MOST:
        raise DamagedImageError("it is empty or too long")
    with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as memory, memoryview(memory) as octets:
        try:
            return await resolver.take_over(octets, left_out)
        except DamagedImageError as error:
            # Its frames hold parts of the memory, which is closed now.
            raise DamagedImageError(str(error)) from None
