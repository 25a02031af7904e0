"""How names are resolved: here, at the upstreams of a forwarded zone, or at those for all names.

Workers resolve by it, and `status`, `check` and `lookup` tell it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from blockd.resolver.forwarding.upstream_groups import ALL_NAMES, Group, Groups, LeftOut, groups_of, left_out_of
from blockd.resolver.local.defaults import DefaultState, default_states, text_of
from blockd.resolver.local.discovery import Designation
from blockd.resolver.local.local_zones import LocalZones
from blockd.resolver.local.zone import ZoneKind
from blockd.resolver.machine.observation import Observation, configured_upstreams
from blockd.resolver.machine.system import System
from blockd.settings import SYSTEM_UPSTREAM, Settings, Upstream


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
    left_out: tuple[LeftOut, ...] = ()  # upstreams that lead back to blockd itself
    observation: Observation = field(default_factory=Observation)
    follows_system: bool = False  # whether the config names `system`
    designation: Designation | None = None  # of its own encrypted transports; None if clients are told of none

    @classmethod
    def of(cls, settings: Settings, resolv_conf: Path | None = None) -> Resolution:
        """Return that of a config on this machine."""
        return cls.by(settings, Observation.of(settings, System(resolv_conf)))

    @classmethod
    def by(cls, settings: Settings, observation: Observation) -> Resolution:
        """Return that of a config, given what the machine says."""
        groups = groups_of(settings, observation)
        upstreams = groups[ALL_NAMES].upstreams
        zones = tuple((zone.zone, len(zone.records)) for zone in settings.local.zones)
        return cls(
            groups,
            LocalZones.of(settings, upstreams),
            default_states(settings, upstreams),
            zones,
            len(settings.local.names),
            left_out_of(settings, observation),
            observation,
            SYSTEM_UPSTREAM in configured_upstreams(settings),
            Designation.of(settings),
        )

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """All that may be asked, each once, in the order of their groups."""
        return tuple(dict.fromkeys(one for group in self.groups for one in group.upstreams))

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
            "upstreams": [upstream.text for upstream in self.groups[ALL_NAMES].upstreams],
            "system": self._system(),
            "left_out": [{"upstream": one.upstream.text, "why": one.why} for one in self.left_out],
            "zones": [{"zone": zone, "records": count} for zone, count in self.zones],
            "names": self.names,
            "canaries": any(zone.kind is ZoneKind.CANARY for zone in self.local.zones),
            "discovery": None if self.designation is None else self.designation.to_json(),
            "defaults": [
                {"zone": state.zone.name, "source": state.zone.source, "on": state.is_on, "why": state.why or None}
                for state in self.defaults
            ],
            "forward": [
                {"zone": text_of(group.zone), "upstreams": [upstream.text for upstream in group.upstreams]}
                for group in self.groups[ALL_NAMES + 1 :]
            ],
        }

    def _system(self) -> dict[str, object] | None:
        """Return what `system` stands for; None if the config does not name it."""
        if not self.follows_system:
            return None
        return {"name_servers": list(self.observation.name_servers), "trouble": self.observation.trouble or None}
