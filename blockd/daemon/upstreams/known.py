"""A worker that starts knows of upstreams what others know: its first questions go where they are answered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from blockd.metrics.upstreams import STATES, UpstreamTable
from blockd.resolver.forwarding.health import Health
from blockd.settings import Upstream

NOT_KNOWN = -1.0  # of a moment or a round trip, see `Health.know`
LONGEST = 60.0  # seconds: a round trip above this is none, and a worker that was broken into may have written it


def learn(
    healths: Mapping[Upstream, Health],
    table: UpstreamTable,
    monotonic: Callable[[], float] = time.monotonic,
    wall_clock: Callable[[], float] = time.time,
) -> None:
    """Have healths that know nothing yet begin with what running workers have noted; `monotonic` is their clock."""
    now, wall = monotonic(), wall_clock()
    table.use([upstream.text for upstream in healths])
    for slot, health in enumerate(healths.values()):
        seen = table.figures(slot)
        if seen is None or not 0 <= seen.state < len(STATES):
            continue
        heard = now - max(wall - seen.heard, 0.0) if seen.heard else NOT_KNOWN
        health.know(
            seen.state,
            now - max(wall - seen.since, 0.0),
            max(heard, NOT_KNOWN),
            seen.round_trip if 0 < seen.round_trip <= LONGEST else NOT_KNOWN,
            seen.distance if 0 < seen.distance <= LONGEST else NOT_KNOWN,
        )
