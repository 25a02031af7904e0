"""The control process's side of upstreams: what is seen of the machine, of loops, and of how workers see each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from blockd.daemon.contexts import SharedContext
from blockd.daemon.report.alarms import Alarm
from blockd.daemon.report.upstreams import UpstreamReport, UpstreamStatus
from blockd.daemon.switching import Sender
from blockd.daemon.timing import Timing
from blockd.daemon.update.feed_set import FeedSet
from blockd.daemon.upstreams.loop_probes import LoopProbes
from blockd.daemon.upstreams.resolution_watch import ResolutionWatch
from blockd.daemon.upstreams.state_log import StateLog
from blockd.metrics.upstreams import UpstreamsSample
from blockd.resolver.forwarding.upstream_groups import ALL_NAMES
from blockd.resolver.resolution import Resolution
from blockd.settings import Upstream

LOOK = 1.0  # seconds between two looks at how workers see upstreams


class UpstreamService:
    """Everything about upstreams in the control process; `run` does it."""

    def __init__(self, shared: SharedContext, resolution: Resolution, sender: Sender, timing: Timing) -> None:
        self._table = shared.upstreams
        self._timing = timing
        self._watch = ResolutionWatch(shared.settings, resolution, sender, timing)
        self._probes = LoopProbes(shared.loop_token, self._watch.note_led_back, timing)
        self._log = StateLog(self._table)
        self._report = UpstreamReport(self._table)
        self._use(resolution)
        self._watch.listen(self._use)

    def resolution(self) -> Resolution:
        """Return how names are resolved now."""
        return self._watch.resolution

    def for_all_names(self) -> Sequence[Upstream]:
        """Return the upstreams for all names."""
        return self.resolution().groups[ALL_NAMES].upstreams

    def listen(self, changed: Callable[[Resolution], None]) -> None:
        """Have `changed` called whenever names are resolved in another way."""
        self._watch.listen(changed)

    def follow(self, feeds: FeedSet) -> None:
        """Have feeds look up the names of their servers at the upstreams of now."""
        self._watch.listen(lambda _: feeds.resolve_with(self.for_all_names()))

    def status(self) -> tuple[UpstreamStatus, ...]:
        """Return how each upstream is."""
        return self._report.status(self.resolution())

    def alarms(self, now: float) -> list[Alarm]:
        """Return the alarms about upstreams at `now`."""
        return list(self._report.alarms(self.resolution(), now))

    def sample(self) -> UpstreamsSample:
        """Return what Prometheus is told."""
        return self._report.sample(self.resolution())

    async def run(self) -> None:
        """Look for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch.run())
            group.create_task(self._probes.run(self.resolution))
            group.create_task(self._tell())

    async def _tell(self) -> None:
        while True:
            self._log.tell(self.resolution(), self._timing.monotonic())
            await self._timing.sleep(LOOK)

    def _use(self, resolution: Resolution) -> None:
        self._table.use([upstream.text for upstream in resolution.upstreams])
