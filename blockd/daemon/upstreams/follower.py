"""A worker's side of how names are resolved: it follows what the control process sees, and notes how upstreams are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from blockd.daemon.contexts import WorkerContext
from blockd.daemon.upstreams.notes import UpstreamNotes
from blockd.errors import cause_of
from blockd.resolver import Resolver
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.machine.observation import Observation
from blockd.resolver.resolution import Resolution

INTERVAL = 1.0  # seconds between two notes of how upstreams are
RETRY = 1.0  # seconds until what could not be followed is tried again

log = logging.getLogger(__name__)


class ResolutionFollower:
    """Has a resolver ask other upstreams, one change after the other."""

    def __init__(self, context: WorkerContext, resolver: Resolver) -> None:
        self._context = context
        self._resolver = resolver
        self._resolution = context.resolution
        self._seen: asyncio.Queue[Observation] = asyncio.Queue()
        upstreams = context.shared.upstreams.row(context.row)
        self._notes = UpstreamNotes(upstreams, context.resolution.upstreams)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._note())]

    def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()

    def take(self, message: Mapping[str, Any]) -> None:
        """Take what the control process has seen; if nothing is new, nothing is done."""
        self._seen.put_nowait(Observation.from_message(message))

    async def _follow(self) -> None:
        while True:
            seen = await self._seen.get()
            while True:
                try:
                    await self.follow(seen)
                    break
                except OSError as error:  # files are short: what is asked now stays so
                    log.error(
                        "Other upstreams cannot be asked yet: %s; those before are. It is tried again.", cause_of(error)
                    )
                await asyncio.sleep(RETRY)
                while not self._seen.empty():
                    seen = self._seen.get_nowait()

    async def follow(self, seen: Observation) -> None:
        """Resolve by what was seen; zones are made in a thread, so that no question waits for them."""
        before, shared = self._resolution, self._context.shared
        if seen == before.observation:
            return
        now = await asyncio.to_thread(Resolution.by, shared.settings, seen)
        local = None if now.defaults == before.defaults else shared.loop_token.with_zone(now.local)
        self._resolver.use(now.groups, local)
        self._resolution = now
        self._notes.use(now.upstreams)
        if local is not None:
            await self._forget(before.local, now.local)

    async def _forget(self, before: LocalZones, now: LocalZones) -> None:
        """Remove from the cache what is answered here from now on."""
        known = {zone.key for zone in before.zones}
        for zone in now.zones:
            if zone.key not in known:
                await self._resolver.inspector.flush(zone.key, below=True)

    async def _note(self) -> None:
        while True:
            self.note()
            await asyncio.sleep(INTERVAL)

    def note(self) -> None:
        """Note how upstreams are."""
        self._notes.note(self._resolver.healths, self._resolver.looped, self._resolver.load)
