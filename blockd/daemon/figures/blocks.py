"""Recent blocks: read from the memory of all processes once a second, and kept in this process's memory alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from blockd.errors import BadName
from blockd.metrics import Counters, Transport
from blockd.metrics.recent import NotedBlock, RecentReader, is_told
from blockd.names import DomainName, is_network_key, network_from_key
from blockd.orders import Action
from blockd.orders.disclosure import CONFIDENTIAL
from blockd.ruleset import Catalogue, Enforced
from blockd.times import time_text
from blockd.web.figures.blocks import MAX_BLOCKS, RecentBlock, RecentBlocks

MAX_KEPT = 2 * MAX_BLOCKS  # blocks, so that those that come back are counted on
VERSIONS = 3  # whose orders are known: the one in force, and those before it that blocks were noted of last
FORGOTTEN = 3600.0  # seconds after which a block is not recent any longer
_ACTIONS = tuple(Action)
_TRANSPORTS = {transport.value: transport.name.lower() for transport in Transport}


@dataclass(frozen=True, slots=True)
class KeptBlock:
    """A block, as it is shown but for its time and its count; `last` is in seconds since the epoch."""

    block: RecentBlock
    last: int

    @property
    def shown(self) -> RecentBlock:
        """The block as it is shown."""
        return replace(self.block, time=time_text(self.last))


class BlockWatch:
    """Reads what processes note in `counters`; `enforced` returns the version in force."""

    def __init__(self, counters: Counters, enforced: Callable[[], Enforced | None]) -> None:
        self._counters = counters
        self._enforced = enforced
        self._reader = RecentReader()
        self._catalogues: OrderedDict[int, Catalogue] = OrderedDict()  # by version: the one in force and the last ones
        self._kept: OrderedDict[RecentBlock, KeptBlock] = OrderedDict()  # the newest at the end; keys are not counted

    def look(self, now: float) -> list[RecentBlock]:
        """Read what is new; return what was hit since the last time, the newest first."""
        enforced = self._enforced()
        if enforced is not None:
            self._catalogues[enforced.version] = enforced.ruleset.catalogue
            self._catalogues.move_to_end(enforced.version)
            while len(self._catalogues) > VERSIONS:
                self._catalogues.popitem(last=False)
        touched: OrderedDict[RecentBlock, None] = OrderedDict()
        found = sorted(self._reader.changed(self._counters.recent()), key=lambda item: item[2].last)
        for table, place, noted, more in found:
            if noted.version > max(self._catalogues, default=0):
                continue  # workers enforce it already: it is read once it is known here as well
            self._reader.take(table, place, noted)
            block = self._block(noted) if more > 0 else None
            if block is not None and now - noted.last < FORGOTTEN:
                self._add(block, min(noted.last, int(now)), more)
                touched[block] = None
                touched.move_to_end(block)
        self._forget(now)
        return [self._kept[block].shown for block in reversed(touched) if block in self._kept]

    def recent(self) -> RecentBlocks:
        """Return the newest blocks."""
        newest = sorted(self._kept.values(), key=lambda kept: -kept.last)
        return RecentBlocks(tuple(kept.shown for kept in newest[:MAX_BLOCKS]))

    def _add(self, block: RecentBlock, last: int, hits: int) -> None:
        kept = self._kept.pop(block, None)
        count = (kept.block.count if kept is not None else 0) + hits
        self._kept[block] = KeptBlock(replace(block, count=count), max(last, kept.last if kept is not None else 0))

    def _forget(self, now: float) -> None:
        while len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        for block in [block for block, kept in self._kept.items() if not 0 <= now - kept.last < FORGOTTEN]:
            del self._kept[block]

    def _block(self, noted: NotedBlock) -> RecentBlock | None:
        """Return what is shown of a block, without its time and count; None if it is of a version that is gone."""
        catalogue = self._catalogues.get(noted.version)
        if catalogue is None or noted.order >= len(catalogue.orders) or noted.action >= len(_ACTIONS):
            return None
        record = catalogue.orders[noted.order]
        order = record.order
        key = noted.key
        try:
            name = None if key is None or order.is_confidential or not is_told(key) else _text_of(key)
        except BadName:
            return None  # of a process that was broken into
        return RecentBlock(
            "", name, record.feed, order.list_name or order.name, order.authority,
            CONFIDENTIAL if order.is_confidential else order.platform, str(_ACTIONS[noted.action]),
            _TRANSPORTS.get(noted.transport, ""), 0,
        )  # fmt: skip


def _text_of(key: bytes) -> str:
    """Return the text of an entry's key; raises BadName if it is none."""
    return network_from_key(key).text if is_network_key(key) else DomainName(key).text


def newest_of(blocks: Iterable[RecentBlock]) -> RecentBlocks:
    """Return what is sent to those who listen: as many blocks as are shown."""
    return RecentBlocks(tuple(blocks)[:MAX_BLOCKS])
