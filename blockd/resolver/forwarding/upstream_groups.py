"""Groups of upstreams: those for all names, and those of each forwarded zone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from blockd.names import key_from_text
from blockd.resolver.system import RESOLV_CONF, resolved, upstreams
from blockd.resolver.zone_table import ZoneTable
from blockd.settings import Settings, Upstream

ALL_NAMES = 0  # the place of the group for all names


class Group(NamedTuple):
    """Upstreams for the names at and under a zone; the zone's key is empty for the root, and so for all other names."""

    zone: bytes
    upstreams: tuple[Upstream, ...]


class Groups:
    """The groups of a resolver, that for all names first; the longest zone that a name is at or under decides."""

    def __init__(self, groups: Sequence[Group]) -> None:
        """Take groups of which the first is that for all names, and no two are of the same zone."""
        if not groups or groups[ALL_NAMES].zone:
            raise ValueError("the first group is not that for all names")
        self.groups = tuple(groups)
        self._table = ZoneTable([group.zone for group in groups])

    def group_of(self, key: bytes) -> int:
        """Return the place of the group that a name's questions go to."""
        return self._table.find(key)

    def of(self, key: bytes) -> Group:
        """Return the group that a name's questions go to."""
        return self.groups[self.group_of(key)]


def groups_of(settings: Settings, resolv_conf: Path = RESOLV_CONF) -> tuple[Group, ...]:
    """Return the groups of a config, that for all names first, with `system` replaced."""
    zones = [
        Group(key_from_text(zone.zone), resolved(zone.upstreams, settings, resolv_conf)) for zone in settings.forward
    ]
    return Group(b"", upstreams(settings, resolv_conf)), *zones
