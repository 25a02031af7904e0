"""What the machine says of upstreams, which a config leaves open and which may change while a daemon runs.

The control process looks, and tells workers in a small message; `check` and `doctor` look for themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any, Protocol

from blockd.resolver.machine.system import DNS_PORT, STUB, System
from blockd.settings import SYSTEM_UPSTREAM, Settings, SocketAddress, Upstream

MAX_OWN = (
    128  # hosts that are known to be this machine's; further ones are asked, and the loop is seen by its questions
)


class ObservedSystem(Protocol):
    """The machine, see `blockd.resolver.machine.system.System`."""

    def system_upstreams(self) -> list[Upstream]:
        """Return the resolvers of resolv.conf; raises OSError if it cannot be read."""

    def stub_upstreams(self) -> list[Upstream]:
        """Return the upstreams of systemd-resolved; none if it does not run."""

    def owns_address(self, host: str) -> bool:
        """Return whether an address belongs to this machine."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The hosts of the machine's resolvers, and which hosts of upstreams are the machine itself.

    `trouble` says why there are no resolvers, or why they are those of before. `stub` are the upstreams of
    systemd-resolved that are blockd itself; with `is_circle` it has no others. `led_back` are addresses, with ports, of
    upstreams whose questions came back to blockd. Only what a config needs is looked at.
    """

    name_servers: tuple[str, ...] = ()
    trouble: str = ""
    own: tuple[str, ...] = ()
    stub: tuple[str, ...] = ()
    is_circle: bool = False
    led_back: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings, system: ObservedSystem | None = None, before: Sequence[str] = ()) -> Observation:
        """Look at the machine; if resolv.conf names no resolver now, those that it named `before` stay."""
        system = system or System()
        named: list[Upstream] = []
        trouble = ""
        configured = configured_upstreams(settings)
        if SYSTEM_UPSTREAM in configured:
            named, trouble = _named(system)
            named = named or [Upstream(host, DNS_PORT) for host in before]
        asked = [*named, *(one for one in configured if one != SYSTEM_UPSTREAM)]
        stub = system.stub_upstreams() if STUB in asked else []
        own = _own([*asked, *stub], settings, system)
        looped = [one for one in stub if is_own(one, settings, own)]
        return cls(
            tuple(one.host for one in named),
            trouble,
            own,
            tuple(one.label for one in looped),
            bool(looped) and len(looped) == len(stub),
        )

    def to_message(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_message(cls, values: Mapping[str, Any]) -> Observation:
        """Return what `to_message` was made from."""
        lists = {name: tuple(values[name]) for name in ("name_servers", "own", "stub", "led_back")}
        return cls(**lists, trouble=values["trouble"], is_circle=values["is_circle"])


def configured_upstreams(settings: Settings) -> list[Upstream]:
    """Return all that a config names, each once; `system` stands for the machine's own."""
    zones = (upstream for zone in settings.forward for upstream in zone.upstreams)
    return list(dict.fromkeys((*settings.upstreams, *zones)))


def is_own(upstream: Upstream, settings: Settings, own: Iterable[str]) -> bool:
    """Return whether blockd listens at an upstream's address, also through a wildcard address."""
    theirs = SocketAddress(upstream.host, upstream.port)
    return any(mine == theirs for mine in settings.listen.dns) or (
        upstream.host in own and _is_listened(theirs, settings)
    )


def _is_listened(address: SocketAddress, settings: Settings) -> bool:
    """Return whether blockd would listen at an address through a wildcard, if it is this machine's."""
    return any(ip_address(mine.host).is_unspecified and mine.clashes_with(address) for mine in settings.listen.dns)


def _named(system: ObservedSystem) -> tuple[list[Upstream], str]:
    try:
        named = system.system_upstreams()
    except OSError as error:
        return [], f"/etc/resolv.conf cannot be read: {error.strerror or error}"
    return named, "" if named else "/etc/resolv.conf names no resolver"


def _own(upstreams: Iterable[Upstream], settings: Settings, system: ObservedSystem) -> tuple[str, ...]:
    hosts = {one.host for one in upstreams if _is_listened(SocketAddress(one.host, one.port), settings)}
    return tuple(host for host in sorted(hosts) if system.owns_address(host))[:MAX_OWN]
