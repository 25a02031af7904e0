"""Groups of upstreams: those for all names, and those of each forwarded zone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from blockd.names import key_from_text
from blockd.resolver.machine.observation import Observation, is_own
from blockd.resolver.machine.system import DNS_PORT, STUB
from blockd.resolver.zone_table import ZoneTable
from blockd.settings import SYSTEM_UPSTREAM, Settings, Upstream
from blockd.settings.hosts import joined

ALL_NAMES = 0  # the place of the group for all names


class Group(NamedTuple):
    """Upstreams for the names at and under a zone; the zone's key is empty for the root, and so for all other names."""

    zone: bytes
    upstreams: tuple[Upstream, ...]


def probed_zones(groups: Iterable[Group]) -> dict[Upstream, bytes]:
    """Return the upstreams of all groups in their order, each with the zone that it is probed for: its first one's."""
    found: dict[Upstream, bytes] = {}
    for zone, upstreams in groups:
        for upstream in upstreams:
            found.setdefault(upstream, zone)
    return found


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


class LeftOut(NamedTuple):
    """An upstream that is not asked, since its questions would come back to blockd; the sentence says how."""

    upstream: Upstream
    why: str


def groups_of(settings: Settings, observation: Observation | None = None) -> tuple[Group, ...]:
    """Return the groups of a config, that for all names first, with `system` replaced, without what is left out."""
    observation = Observation.of(settings) if observation is None else observation
    configured = [(b"", settings.upstreams), *((key_from_text(zone.zone), zone.upstreams) for zone in settings.forward)]
    return tuple(
        Group(key, tuple(one for one in _known(named, observation) if not _why_left_out(one, settings, observation)))
        for key, named in configured
    )


def left_out_of(settings: Settings, observation: Observation) -> tuple[LeftOut, ...]:
    """Return what `groups_of` leaves out."""
    named = (one for zone in settings.forward for one in zone.upstreams)
    known = _known((*settings.upstreams, *named), observation)
    return tuple(LeftOut(one, why) for one in known if (why := _why_left_out(one, settings, observation)))


def _known(configured: Iterable[Upstream], observation: Observation) -> Iterable[Upstream]:
    """Return upstreams with `system` replaced, each once."""
    system = [Upstream(host, DNS_PORT) for host in observation.name_servers]
    found = (one for named in configured for one in (system if named == SYSTEM_UPSTREAM else [named]))
    return dict.fromkeys(found)


def _why_left_out(upstream: Upstream, settings: Settings, observation: Observation) -> str:
    if is_own(upstream, settings, observation.own):
        return f"the upstream {upstream.label} is blockd itself"
    if joined(upstream.host, upstream.port) in observation.led_back:
        return f"questions to the upstream {upstream.label} come back to blockd"
    if upstream == STUB and observation.is_circle:
        asked = " and ".join(observation.stub)
        return f"systemd-resolved ({STUB.label}) asks {asked}, which is blockd itself: questions would loop"
    return ""
