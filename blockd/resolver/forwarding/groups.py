"""Groups of upstreams: which of them are asked for a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from blockd.resolver.forwarding.health import DOWN, UP
from blockd.resolver.forwarding.link import Link
from blockd.settings import Upstream


class Group(NamedTuple):
    """Upstreams for the names at and under a zone; the zone's key is empty for the root, and so for all other names."""

    zone: bytes
    upstreams: tuple[Upstream, ...]


class LinkGroup:
    """The same with what the worker has of each upstream."""

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


def find_group(groups: dict[bytes, LinkGroup], name: bytes) -> LinkGroup | None:
    """Return the group with the longest zone that a name's key is at or under; None if there is none.

    Keys have their labels from the root down, so that a zone is a prefix of the names under it.
    """
    found = groups.get(b"")
    if len(groups) == 1 and found is not None:
        return found
    end = 0
    while end < len(name):
        end += 1 + name[end]
        found = groups.get(name[:end], found)
    return found
