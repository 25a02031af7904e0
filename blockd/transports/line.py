"""The line of those who wait to be served: one of each network in turn, and within a network one of each address.

So whoever comes waits for one of each other network at most, however many connections those have opened before. The
kernel's queue, which knows no such order, is emptied into this line, which costs a fraction of serving.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, TypeVar

from blockd.resolver.clients import keys_of

PART = 4  # so many times as many connections may be open as may wait in line
AT_ONCE = 16  # served in one turn of the event loop ...
BUDGET = 0.0005  # ... within so many seconds, and at least one

T = TypeVar("T")


class WaitingLine(Generic[T]):
    """At most `most` that wait, by network (a /24, or a /48) and address (IPv6: a /64); nothing is kept of the rest."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._networks: OrderedDict[bytes, OrderedDict[bytes, deque[T]]] = OrderedDict()  # whose turn it is, is first
        self._sizes: dict[bytes, int] = {}  # of networks

    def __len__(self) -> int:
        return self._size

    def put(self, host: str, item: T) -> T | None:
        """Add what waits for a host; return what has to leave for it, which is of the network that has most."""
        return self.put_by(keys_of(host), item)

    def put_by(self, keys: tuple[bytes, bytes], item: T) -> T | None:
        """Add what waits, by the keys of its address and network, as `put` does."""
        address, network = keys
        self._networks.setdefault(network, OrderedDict()).setdefault(address, deque()).append(item)
        self._sizes[network] = self._sizes.get(network, 0) + 1
        self._size += 1
        if self._size <= self._most:
            return None
        largest = max(self._sizes, key=self._sizes.__getitem__)
        addresses = self._networks[largest]
        return self._take(largest, max(addresses, key=lambda one: len(addresses[one])))

    def pop(self) -> T:
        """Remove and return whose turn it is; raises KeyError if nobody waits."""
        network = next(iter(self._networks), None)
        if network is None:
            raise KeyError("nobody waits")
        addresses = self._networks[network]
        address = next(iter(addresses))
        self._networks.move_to_end(network)
        addresses.move_to_end(address)
        return self._take(network, address)

    def pop_if(self, suits: Callable[[T], bool]) -> T | None:
        """Remove and return the first that suits, of the first ones of each address in their turns; None if none does.

        Nobody is asked about after one that suits, and who does not keeps its turn.
        """
        for network, addresses in self._networks.items():
            for address, items in addresses.items():
                if suits(items[0]):
                    self._networks.move_to_end(network)
                    addresses.move_to_end(address)
                    return self._take(network, address)
        return None

    def _take(self, network: bytes, address: bytes) -> T:
        """Remove the first of an address."""
        addresses = self._networks[network]
        item = addresses[address].popleft()
        if not addresses[address]:
            del addresses[address]
        self._size -= 1
        self._sizes[network] -= 1
        if not self._sizes[network]:
            del self._sizes[network], self._networks[network]
        return item


class ServedLine(Generic[T]):
    """A waiting line of connections that the running event loop serves, a few in each turn."""

    def __init__(
        self,
        connections: int,
        serve: Callable[[str, T], None],
        give_up: Callable[[T], None],
        begins: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A part of `connections`, as many as may be open, may wait, each with its host.

        `serve` gets whose turn it is, and `give_up` who has to leave; `begins` is called before some are served.
        """
        self._line: WaitingLine[tuple[str, T]] = WaitingLine(max(1, connections // PART))
        self._serve_one = serve
        self._give_up = give_up
        self._begins = begins
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._next: asyncio.Handle | None = None

    def __len__(self) -> int:
        return len(self._line)

    def put(self, host: str, item: T) -> None:
        """Have one wait until it is its turn, in the next turn of the loop or a later one."""
        other = self._line.put(host, (host, item))
        if other is not None:
            self._give_up(other[1])
        if self._next is None:
            self._next = self._loop.call_soon(self._serve)

    def close(self) -> list[T]:
        """Serve no more; return those that wait."""
        if self._next is not None:
            self._next.cancel()
        return [self._line.pop()[1] for _ in range(len(self._line))]

    def _serve(self) -> None:
        """Serve some; the others come in a later turn of the loop, after those have been read."""
        self._next = None
        self._begins()
        end = self._clock() + BUDGET
        for _ in range(min(AT_ONCE, len(self._line))):
            self._serve_one(*self._line.pop())
            if self._clock() >= end:
                break
        if self._line and self._next is None:
            self._next = self._loop.call_soon(self._serve)
