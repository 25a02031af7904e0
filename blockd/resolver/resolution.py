"""How names are resolved: here, at the upstreams of a forwarded zone, or at those for all names.

Workers resolve by it, and `status`, `check` and `lookup` tell it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from blockd.resolver.forwarding.upstream_groups import ALL_NAMES, Group, Groups, groups_of
from blockd.resolver.local.defaults import DefaultState, default_states, text_of
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.local.zone import ZoneKind
from blockd.resolver.system import RESOLV_CONF
from blockd.settings import Settings


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers for a name: `local` or `upstreams`; by which zone, empty for all names, and where that is written."""

    by: str
    zone: str
    source: str
    upstreams: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {**asdict(self), "upstreams": list(self.upstreams)}


@dataclass(frozen=True, slots=True)
class Resolution:
    """The groups of upstreams, that for all names first, what is answered here, and which default zones are."""

    groups: tuple[Group, ...] = (Group(b"", ()),)
    local: LocalZones = field(default_factory=lambda: LocalZones(()))
    defaults: tuple[DefaultState, ...] = ()
    zones: tuple[tuple[str, int], ...] = ()  # of the config, each with how many records it has there
    names: int = 0  # of the config

    @classmethod
    def of(cls, settings: Settings, resolv_conf: Path = RESOLV_CONF) -> Resolution:
        """Return that of a config on this machine."""
        groups = groups_of(settings, resolv_conf)
        upstreams = groups[ALL_NAMES].upstreams
        zones = tuple((zone.zone, len(zone.records)) for zone in settings.local.zones)
        return cls(
            groups,
            LocalZones.of(settings, upstreams),
            default_states(settings, upstreams),
            zones,
            len(settings.local.names),
        )

    def route(self, key: bytes) -> Route:
        """Return who answers for a name, given its key."""
        zone = self.local.zone_of(key)
        if zone is not None:
            return Route("local", zone.text, zone.source)
        group = Groups(self.groups).of(key)
        upstreams = tuple(upstream.text for upstream in group.upstreams)
        is_forwarded = bool(group.zone)
        return Route(
            "upstreams",
            text_of(group.zone) if is_forwarded else "",
            "forward" if is_forwarded else "upstreams",
            upstreams,
        )

    def to_json(self) -> dict[str, object]:
        """Return what the config and the defaults say, as JSON values."""
        return {
            "zones": [{"zone": zone, "records": count} for zone, count in self.zones],
            "names": self.names,
            "canaries": any(zone.kind is ZoneKind.CANARY for zone in self.local.zones),
            "defaults": [
                {"zone": state.zone.name, "source": state.zone.source, "on": state.is_on, "why": state.why or None}
                for state in self.defaults
            ],
            "forward": [
                {"zone": text_of(group.zone), "upstreams": [upstream.text for upstream in group.upstreams]}
                for group in self.groups[ALL_NAMES + 1 :]
            ],
        }
