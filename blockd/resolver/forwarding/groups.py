"""A group of upstreams with what the worker has of each."""

from __future__ import annotations

from collections.abc import Sequence

from blockd.resolver.forwarding.health import DOWN, UP
from blockd.resolver.forwarding.link import Link


class LinkGroup:
    """The upstreams for the names at and under a zone; `zone` is its key, empty for all other names."""

    def __init__(self, zone: bytes, links: Sequence[Link]) -> None:
        self.zone = zone
        self.links = list(links)
        self.healths = [link.health for link in links]

    @property
    def is_down(self) -> bool:
        """Whether no upstream is worth asking: none has answered anything, probes included."""
        return all(health.state == DOWN for health in self.healths)

    def is_heard_since(self, moment: float) -> bool:
        """Return whether anything came of any of them after a moment."""
        return any(health.is_heard_since(moment) for health in self.healths)

    def is_up_since(self, moment: float) -> bool:
        """Return whether any of them was found to resolve again after a moment."""
        return any(health.state == UP and health.since > moment for health in self.healths)
